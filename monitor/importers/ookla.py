"""Logs of Ookla's CLI: `-f json`, `-f jsonl`, `-f csv` and `-f tsv`, mixed with output of scripts and stderr. Pure.

A test is spread over lines: a date that a script printed, phases, errors with or without a time, a result. Errors
before a result belong to it. Errors that no result follows make a failed run, if any of their lines has a time.

A row of CSV has no time, see `monitor.importers.ookla_rows`: scripts put it before, after or on another line. A date
that neither a result nor an error follows says nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from monitor.diagnosis.classify import MAX_COMPLAINTS
from monitor.engines import ookla, parsing
from monitor.importers import attempts
from monitor.importers.base import BITS_PER_BYTE, SHOWN_CHARS, ImportedRun, RejectedPart, UnusableRowError
from monitor.importers.ookla_rows import find_row, is_csv_header, measurement_of_cells, split_fields
from monitor.importers.quantities import DEFAULT_STYLE
from monitor.importers.readers import closing_notes, take_notes
from monitor.importers.rows import Row, Source, to_server
from monitor.importers.times import UnreadableTimeError
from monitor.model import Measurement, Server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from monitor.importers.base import ImportContext, Record
    from monitor.importers.quantities import NumberStyle
    from monitor.importers.readers import Item, NumberedItem
    from monitor.model import Attempt


NAME = ookla.ENGINE.name

# The CLI gives up long before this; lines further apart are from different tests.
_LONGEST_TEST = timedelta(minutes=3)

# Offsets from UTC are multiples of this, which distinguishes a time in another zone from a different time.
_ZONE_STEP = timedelta(minutes=15)

_CLOCK_TOLERANCE = timedelta(seconds=30)

_TEST_START = "testStart"

_ITEM_TYPES = {_TEST_START, *ookla.PHASES, "result", "log"}


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """A time alone, as a script prints it before a test."""

    at: datetime


@dataclass(frozen=True, slots=True)
class PhaseProgress:
    """A running test: its stage, and the server if it is named; `is_start` at the beginning of a test."""

    at: datetime | None
    stage: str
    server: Server | None
    is_start: bool


@dataclass(frozen=True, slots=True)
class LoggedError:
    """An error message of the CLI. Objects have a time in UTC (`is_utc`), lines one in a time zone they do not name.

    A message without a time belongs to the test that the lines around it are about.
    """

    at: datetime | None
    text: str
    is_utc: bool = False


@dataclass(frozen=True, slots=True)
class LoggedResult:
    """The end of a test: a measurement, or what is wrong with it."""

    at: datetime | None
    measured: Measurement | None
    flaws: tuple[str, ...] = ()
    server: Server | None = None


LogEntry = TimeStamp | PhaseProgress | LoggedError | LoggedResult


@dataclass(slots=True)
class _OpenTest:
    """What the last lines say about a test that has no result yet. `is_utc`: its time is in UTC, not in some zone."""

    line: int
    at: datetime | None = None
    is_utc: bool = False
    stage: str | None = None
    server: Server | None = None
    errors: list[str] = field(default_factory=list)

    def is_another(self, at: datetime | None) -> bool:
        """Return whether a line with this time is about another test."""
        return at is not None and self.at is not None and abs(at - self.at) > _LONGEST_TEST


def read_log(
    items: Iterable[NumberedItem], context: ImportContext, style: NumberStyle = DEFAULT_STYLE
) -> Iterator[Record]:
    """Yield a record for each test in the items, and one for each line that is not the CLI's."""
    source, line = Source.of(context, style), 0
    log = _LogReader(source)
    for line, item in items:
        try:
            entry = parse_item(item, source)
        except UnusableRowError as error:
            log.forget()
            yield RejectedPart(line, str(error))
            continue
        if entry is not None:
            yield from log.add(line, entry)
        elif isinstance(item, dict) and item.get("type") != "log":
            yield RejectedPart(line, f"not an object of Ookla's CLI: {str(item)[:SHOWN_CHARS]!r}")
        elif isinstance(item, str) and not ookla.LOG_LINE.match(item) and not is_csv_header(item):
            yield from log.noise(line, item)
        yield from take_notes(source, line)
    yield from log.close()
    yield from closing_notes(source, line)


def to_attempt(result: LoggedResult, row: Row, at: datetime | None = None) -> Attempt:
    """Return the run of a result; it ended `at` that time if the result has no time of its own.

    Raises:
        UnusableRowError: there is no time, or no rate.
    """
    ended = result.at or at
    if ended is None:
        raise UnusableRowError("no time: neither with it nor on a line before it")
    if result.measured is None:
        failure = attempts.to_failure(ookla.ENGINE, [*result.flaws])
        return attempts.failed_attempt(NAME, ended, failure, row, server=result.server)
    return attempts.measured_attempt(NAME, ended, result.measured, row, attempts.transfer_seconds(result.measured))


class _LogReader:
    """A log while it is read: the test that the last lines are about, and the time of the last result."""

    def __init__(self, source: Source) -> None:
        self._row = Row({}, source)
        self._test: _OpenTest | None = None
        self._last: datetime | None = None

    def add(self, line: int, entry: LogEntry) -> Iterator[Record]:
        """Yield the records that this entry completes: of the test before, or of its own."""
        if isinstance(entry, LoggedResult):
            yield from self._result(line, entry)
        elif isinstance(entry, TimeStamp):
            yield from self.close()
            self._test = _OpenTest(line, entry.at)
        elif isinstance(entry, PhaseProgress):
            yield from self._phase(line, entry)
        else:
            yield from self._error(line, entry)

    def forget(self) -> None:
        """Drop what the lines before said about a test whose result cannot be read."""
        self._test = None

    def noise(self, line: int, text: str) -> Iterator[Record]:
        """Add a line between errors to them, for it may explain them; yield any other line as rejected."""
        if self._test is not None and 0 < len(self._test.errors) < MAX_COMPLAINTS:
            self._test.errors.append(text)
        else:
            yield RejectedPart(line, f"not a result: {text[:SHOWN_CHARS]!r}")

    def close(self) -> Iterator[Record]:
        """Yield a failed run if the last test has no result."""
        test, self._test = self._test, None
        if test is None or self._is_trailing_date(test):
            return
        if not test.errors and not test.stage:
            yield RejectedPart(test.line, "a date that neither a result nor an error follows")
            return
        failure = attempts.to_failure(ookla.ENGINE, test.errors or ["ended without a result"], test.stage)
        if test.at is None:
            yield RejectedPart(test.line, f"a failure without a time: {failure.message[:SHOWN_CHARS]!r}")
            return
        yield ImportedRun(test.line, attempts.failed_attempt(NAME, test.at, failure, self._row, server=test.server))

    def _is_trailing_date(self, test: _OpenTest) -> bool:
        """Return whether it is only a date that a script printed after a result instead of before a test."""
        is_near = self._last is not None and test.at is not None and abs(test.at - self._last) < _LONGEST_TEST
        return is_near and not test.errors and not test.stage

    def _phase(self, line: int, phase: PhaseProgress) -> Iterator[Record]:
        test = self._test
        if test is None or test.is_another(phase.at) or (phase.is_start and test.stage):
            yield from self.close()
            test = self._test = _OpenTest(line, phase.at, is_utc=True)
        test.at = test.at or phase.at
        test.stage = phase.stage
        test.server = phase.server or test.server

    def _error(self, line: int, error: LoggedError) -> Iterator[Record]:
        test = self._test
        if test is None or (test.is_another(error.at) and not _in_another_zone(test, error)):
            yield from self.close()
            test = self._test = _OpenTest(line, error.at, error.is_utc)
        if error.at and (test.at is None or (error.is_utc and not test.is_utc)):
            test.at, test.is_utc = error.at, error.is_utc
        test.errors.append(error.text)

    def _result(self, line: int, result: LoggedResult) -> Iterator[Record]:
        if self._test is not None and self._test.is_another(result.at):
            yield from self.close()
        before, self._test = self._test, None
        self._last = result.at
        try:
            attempt = to_attempt(result, self._row, before.at if before else None)
        except UnusableRowError as error:
            yield RejectedPart(line, f"a result with {error}")
        else:
            yield ImportedRun(line, attempt, attempts.former_id(attempt.run))


def _in_another_zone(test: _OpenTest, error: LoggedError) -> bool:
    """Return whether both have the same time, once in UTC and once in a zone that is not the expected one."""
    if test.at is None or error.at is None or test.is_utc == error.is_utc:
        return False
    return (error.at - test.at + _CLOCK_TOLERANCE) % _ZONE_STEP < 2 * _CLOCK_TOLERANCE


def is_ookla_item(item: Item) -> bool:
    """Return whether only Ookla's CLI prints such an item."""
    if isinstance(item, str):
        log = ookla.LOG_LINE.match(item)
        return find_row(item) is not None or is_csv_header(item) or log is not None
    return str(item.get("type")) in _ITEM_TYPES or "bandwidth" in parsing.to_object(item.get("download"))


def parse_item(item: Item, source: Source) -> LogEntry | None:
    """Parse an object or a line; return None if it says nothing about a test.

    Raises:
        UnusableRowError: a value that cannot be read.
    """
    return _parse_line(item, source) if isinstance(item, str) else _parse_object(Row(item, source))


def parse_result(row: Row) -> LoggedResult:
    """Parse an object of type `result`.

    Raises:
        UnusableRowError: a value that cannot be read.
    """
    download, upload, ping = row.part("download"), row.part("upload"), row.part("ping")
    external_ip, family = row.part("interface").address("externalIp")
    measured = Measurement(
        download_bps=download.rate_bps("bandwidth", BITS_PER_BYTE),
        upload_bps=upload.rate_bps("bandwidth", BITS_PER_BYTE),
        latency_ms=ping.latency_ms("latency"),
        jitter_ms=ping.jitter_ms("jitter"),
        packet_loss_pct=row.percent("packetLoss"),
        download_bytes=download.byte_count("bytes"),
        upload_bytes=upload.byte_count("bytes"),
        download_ms=download.duration_ms("elapsed"),
        upload_ms=upload.duration_ms("elapsed"),
        download_latency_ms=download.part("latency").latency_ms("iqm"),
        upload_latency_ms=upload.part("latency").latency_ms("iqm"),
        isp=row.text("isp"),
        external_ip=external_ip,
        ip_family=family,
        server=_to_server(row.part("server")),
        result_url=row.part("result").url("url"),
    )
    return to_result(row.time_if_any("timestamp"), measured)


def to_result(at: datetime | None, measured: Measurement) -> LoggedResult:
    """Return a result: a rate of 0 is a failure, a missing one is not; without any rate there is no measurement."""
    rates = {"download": measured.download_bps, "upload": measured.upload_bps}
    flaws = [flaw for phase, rate in rates.items() if rate == 0 for flaw in parsing.rate_complaints(phase, 0, None)]
    is_measured = not flaws and rates != {"download": None, "upload": None}
    return LoggedResult(at, measured if is_measured else None, tuple(flaws), measured.server)


def _to_server(row: Row) -> Server | None:
    names = (row.text(name) for name in ("name", "location", "country", "host"))
    return to_server(row.identifier("id"), *names, row.address("ip")[0])


def _parse_object(row: Row) -> LogEntry | None:
    kind, item = str(row.fields.get("type")), row.fields
    if kind in {_TEST_START, *ookla.PHASES}:
        server = ookla.to_server(parsing.to_object(item.get("server")))
        return PhaseProgress(row.time_if_any("timestamp"), ookla.PHASES.get(kind, "start"), server, kind == _TEST_START)
    if kind == "log":
        is_info = item.get("level") == "info"
        return None if is_info else LoggedError(row.time_if_any("timestamp"), str(item.get("message")), is_utc=True)
    if "error" in item:
        return LoggedError(row.time_if_any("timestamp"), str(item["error"]), is_utc=True)
    if not is_ookla_item(dict(item)):
        return None
    result = parse_result(row)
    if result.measured is None and not result.flaws:
        raise UnusableRowError("no rate: neither download nor upload")
    return result


def _parse_line(line: str, source: Source) -> LogEntry | None:
    if log := ookla.LOG_LINE.match(line):
        return None if log["level"] == "info" else LoggedError(find_time([line[1:20]], source), log["text"])
    if (found := find_row(line)) is not None:
        cells, around = found
        measured = measurement_of_cells(Row(cells, source))
        return to_result(find_time(around, source), measured)
    at = find_time([line, *split_fields(line)], source)
    return TimeStamp(at) if at else None


def find_time(texts: list[str], source: Source) -> datetime | None:
    """Return the first of the texts that is a time, or of neighbouring texts that are a date and a time of day.

    Raises:
        UnusableRowError: a time that is not certain.
    """
    pairs = [f"{first.strip()} {second.strip()}" for first, second in itertools.pairwise(texts)]
    for text in (*texts, *pairs):
        try:
            if time := source.clock.read(text):
                return time
        except UnreadableTimeError as error:
            raise UnusableRowError(f"time {text[:SHOWN_CHARS]!r} is {error}") from error
    return None
