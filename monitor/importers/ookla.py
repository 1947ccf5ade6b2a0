"""Logs of Ookla's CLI: `-f json`, `-f jsonl`, `-f csv` and `-f tsv`, mixed with output of scripts and stderr. Pure.

A test is spread over lines: a date that a script printed, phases, errors with or without a time, a result. Errors
before a result belong to it. Errors that no result follows make a failed run, if any of their lines has a time.

A CSV row has ten columns in version 1.0, eleven in 1.1.1 and 21 in 1.2; the first ten are the same. Rates are in
bytes/s, times in ms; packet loss is a percentage or N/A. A row has no time: scripts put it before, after or on another
line.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from monitor.diagnosis.classify import MAX_COMPLAINTS
from monitor.engines import ookla, parsing
from monitor.importers import base
from monitor.importers.base import ImportedRun, RejectedPart, UnusableRowError
from monitor.model import Measurement, Server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.importers.base import ImportContext, Record
    from monitor.importers.readers import Item, NumberedItem
    from monitor.model import Attempt


NAME = ookla.ENGINE.name

# The CLI gives up long before this; lines further apart are from different tests.
_LONGEST_TEST = timedelta(minutes=3)

# Offsets from UTC are multiples of this, which distinguishes a time in another zone from a different time.
_ZONE_STEP = timedelta(minutes=15)

_CLOCK_TOLERANCE = timedelta(seconds=30)

_DECIMAL, _INTEGER = re.compile(r"\d+(\.\d+)?"), re.compile(r"\d+")

_LOSS = re.compile(r"\d+(\.\d+)?|N/A|")

# The first ten columns: server name and id, latency, jitter, loss, rates, bytes, URL. None matches anything.
_FULL_ROW = (None, _INTEGER, _DECIMAL, _DECIMAL, _LOSS, _INTEGER, _INTEGER, _INTEGER, _INTEGER, None)

_FULL_ROW_WIDTH = len(_FULL_ROW)

_MAX_COLUMNS = 21

_DOWN_LATENCY, _UP_LATENCY = 11, 15

# So many fields may precede a row, such as a number and a date in several parts.
_MAX_COLUMNS_BEFORE = 5

# Epoch seconds, latency, loss and rates, to which scripts often reduce a row.
_SHORT_ROW = (re.compile(r"\d{10}"), _DECIMAL, _LOSS, _INTEGER, _INTEGER)

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


def read_log(items: Iterable[NumberedItem], context: ImportContext) -> Iterator[Record]:
    """Yield a record for each test in the items, and one for each line that is not the CLI's."""
    log = _LogReader(context)
    for line, item in items:
        entry = parse_item(item, context.zone)
        if entry is not None:
            yield from log.add(line, entry)
        elif isinstance(item, dict) and item.get("type") != "log":
            yield RejectedPart(line, "not an object of Ookla's CLI")
        elif isinstance(item, str) and not ookla.LOG_LINE.match(item) and not is_csv_header(item):
            yield from log.noise(line, item)
    yield from log.close()


def to_attempt(result: LoggedResult, context: ImportContext, at: datetime | None = None) -> Attempt:
    """Return the run of a result; it ended `at` that time if the result has no time of its own.

    Raises:
        UnusableRowError: there is no time.
    """
    ended = result.at or at
    if result.measured is None:
        return base.failed_attempt(
            NAME, ended, base.to_failure(ookla.ENGINE, [*result.flaws]), context, server=result.server
        )
    return base.measured_attempt(NAME, ended, result.measured, context, base.transfer_seconds(result.measured))


class _LogReader:
    """A log while it is read: the test that the last lines are about, and the time of the last result."""

    def __init__(self, context: ImportContext) -> None:
        self._context = context
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

    def noise(self, line: int, text: str) -> Iterator[Record]:
        """Add a line between errors to them, for it may explain them; yield any other line as rejected."""
        if self._test is not None and 0 < len(self._test.errors) < MAX_COMPLAINTS:
            self._test.errors.append(text)
        else:
            yield RejectedPart(line, f"not a result: {text[: base.SHOWN_CHARS]!r}")

    def close(self) -> Iterator[Record]:
        """Yield a failed run if the last test has no result."""
        test, self._test = self._test, None
        if test is None or self._is_trailing_date(test):
            return
        failure = base.to_failure(ookla.ENGINE, test.errors or ["ended without a result"], test.stage)
        try:
            yield ImportedRun(test.line, base.failed_attempt(NAME, test.at, failure, self._context, server=test.server))
        except UnusableRowError as error:
            yield RejectedPart(test.line, f"a failure with {error}: {failure.message[: base.SHOWN_CHARS]!r}")

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
            yield ImportedRun(line, to_attempt(result, self._context, before.at if before else None))
        except UnusableRowError as error:
            yield RejectedPart(line, f"a result with {error}")


def _in_another_zone(test: _OpenTest, error: LoggedError) -> bool:
    """Return whether both have the same time, once in UTC and once in a zone that is not the expected one."""
    if test.at is None or error.at is None or test.is_utc == error.is_utc:
        return False
    return (error.at - test.at + _CLOCK_TOLERANCE) % _ZONE_STEP < 2 * _CLOCK_TOLERANCE


def is_ookla_item(item: Item) -> bool:
    """Return whether only Ookla's CLI prints such an item."""
    if isinstance(item, str):
        log = ookla.LOG_LINE.match(item)
        return parse_row(item) is not None or is_csv_header(item) or log is not None
    return item.get("type") in _ITEM_TYPES or "bandwidth" in parsing.to_object(item.get("download"))


def parse_item(item: Item, zone: ZoneInfo) -> LogEntry | None:
    """Parse an object or a line; return None if it says nothing about a test."""
    return _parse_line(item, zone) if isinstance(item, str) else _parse_object(item, zone)


def parse_result(item: dict[str, object], zone: ZoneInfo) -> LoggedResult:
    """Parse an object of type `result`."""
    measured, flaws = ookla.to_measurement(item)
    server = measured.server if measured else ookla.to_server(parsing.to_object(item.get("server")))
    return LoggedResult(base.parse_time(item.get("timestamp"), zone), measured, tuple(flaws), server)


def _parse_object(item: dict[str, object], zone: ZoneInfo) -> LogEntry | None:
    kind = item.get("type")
    at = base.parse_time(item.get("timestamp"), zone)
    if kind in {_TEST_START, *ookla.PHASES}:
        server = ookla.to_server(parsing.to_object(item.get("server")))
        return PhaseProgress(at, ookla.PHASES.get(str(kind), "start"), server, kind == _TEST_START)
    if kind == "log":
        return None if item.get("level") == "info" else LoggedError(at, str(item.get("message")), is_utc=True)
    if "error" in item:
        return LoggedError(at, str(item["error"]), is_utc=True)
    return parse_result(item, zone) if is_ookla_item(item) else None


def _parse_line(line: str, zone: ZoneInfo) -> LogEntry | None:
    if log := ookla.LOG_LINE.match(line):
        return None if log["level"] == "info" else LoggedError(base.parse_time(line[1:20], zone), log["text"])
    if (row := parse_row(line)) is not None:
        measured, around = row
        return _result_from_row(measured, base.find_time(around, zone))
    at = base.parse_time(line, zone) or base.find_time(split_fields(line), zone)
    return TimeStamp(at) if at else None


def _result_from_row(measured: Measurement, at: datetime | None) -> LoggedResult:
    rates = (("download", measured.download_bps), ("upload", measured.upload_bps))
    flaws = tuple(flaw for phase, rate in rates for flaw in parsing.rate_complaints(phase, None, rate))
    return LoggedResult(at, None if flaws else measured, flaws, measured.server)


def is_csv_header(line: str) -> bool:
    """Return whether a line is the header, which scripts print again and again."""
    names = [base.normalize_name(name) for name in split_fields(line)]
    return {"servername", "serverid", "download", "upload"} <= {*names} and "timestamp" not in names


def split_fields(line: str) -> list[str]:
    """Return the fields of one line of CSV or TSV."""
    try:
        return next(csv.reader([line], delimiter="\t" if "\t" in line else ",", skipinitialspace=True), [])
    except csv.Error:
        return []


def parse_row(line: str) -> tuple[Measurement, list[str]] | None:
    """Return the measurement of a row and the texts around it; None for any other line. A rate of 0 is None."""
    row = split_fields(line)
    for start in range(min(_MAX_COLUMNS_BEFORE, len(row) - _FULL_ROW_WIDTH) + 1):
        if _matches(row[start : start + _FULL_ROW_WIDTH], _FULL_ROW):
            return _from_full_row(row[start:]), [*row[:start], *_texts_after_row(row[start + _FULL_ROW_WIDTH :])]
    return (_from_short_row(row), row[:1]) if _matches(row, _SHORT_ROW) else None


def _matches(row: list[str], shape: tuple[re.Pattern[str] | None, ...]) -> bool:
    return len(row) == len(shape) and all(
        pattern is None or pattern.fullmatch(value.strip()) for value, pattern in zip(row, shape, strict=True)
    )


def _texts_after_row(rest: list[str]) -> list[str]:
    return rest[_MAX_COLUMNS - _FULL_ROW_WIDTH :] or rest[-2:]


def _from_full_row(row: list[str]) -> Measurement:
    name, server_id, latency, jitter, loss, down, up, down_bytes, up_bytes, url = row[:_FULL_ROW_WIDTH]
    place, _, location = name.rpartition(" - ")
    has_loaded_latencies = len(row) >= _MAX_COLUMNS
    return Measurement(
        download_bps=base.to_rate_bps(down, base.BITS_PER_BYTE),
        upload_bps=base.to_rate_bps(up, base.BITS_PER_BYTE),
        latency_ms=parsing.to_latency_ms(base.to_number(latency)),
        jitter_ms=parsing.to_jitter_ms(base.to_number(jitter)),
        packet_loss_pct=parsing.to_percent(base.to_number(loss)),
        download_bytes=parsing.to_count(base.to_number(down_bytes)),
        upload_bytes=parsing.to_count(base.to_number(up_bytes)),
        download_latency_ms=parsing.to_latency_ms(base.to_number(row[_DOWN_LATENCY])) if has_loaded_latencies else None,
        upload_latency_ms=parsing.to_latency_ms(base.to_number(row[_UP_LATENCY])) if has_loaded_latencies else None,
        server=Server(server_id, parsing.clean_text(place or name), parsing.clean_text(location) if place else None),
        result_url=parsing.to_url(url),
    )


def _from_short_row(row: list[str]) -> Measurement:
    _, latency, loss, down, up = row
    return Measurement(
        download_bps=base.to_rate_bps(down, base.BITS_PER_BYTE),
        upload_bps=base.to_rate_bps(up, base.BITS_PER_BYTE),
        latency_ms=parsing.to_latency_ms(base.to_number(latency)),
        packet_loss_pct=parsing.to_percent(base.to_number(loss)),
    )
