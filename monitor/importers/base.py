"""What all importers share: what a format is, the cells of a row, and rows as runs. Pure.

A cell that is empty is None; one that cannot be read refuses its row, with the column and the text. The id of a run is
derived from the probe and the content, so that the same row has the same id.
"""

from __future__ import annotations

import functools
import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitor.diagnosis.classify import classify
from monitor.engines import parsing
from monitor.engines.base import ParsedOutput
from monitor.importers import quantities
from monitor.importers.quantities import DEFAULT_STYLE, NumberStyle, UnreadableNumberError
from monitor.importers.times import Clock, UnreadableTimeError
from monitor.model import Attempt, Failure, FailureKind, Measurement, Run, Scope, Server, Status, Trigger
from monitor.system.process import ProcessResult

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from monitor.engines.base import Engine
    from monitor.model import NetworkPath


# Chosen once. A different namespace would store every run anew that has been imported before.
_RUN_ID_NAMESPACE = uuid.UUID("6f3f0f5e-2f0b-5b8e-9c53-0b6b1d1f7a10")

_RESULT_URL = re.compile(r"/result/(?:[a-z]+/)?([0-9a-fA-F-]{8,})/?$")

_MEASUREMENT_FIELDS = tuple(field.name for field in fields(Measurement))

# An id that a spreadsheet saved as a number: 90602.0.
_SAVED_ID = re.compile(r"(\d{1,18})\.0+", re.ASCII)

# Values as they are in the file: texts from CSV, anything from JSON, SQLite and Parquet.
Fields = Mapping[str, object]

BITS_PER_MBIT = 1_000_000

BITS_PER_BYTE = 8

# How much of a rejected line is shown.
SHOWN_CHARS = 60

_PLAIN_NUMBERS = (int, float)

# Programs write these for a value that they do not have.
_NO_VALUE = -1

_MAX_TEST_S = 3600


@dataclass(frozen=True, slots=True)
class ImportContext:
    """What a file does not contain: the probe, the path and the time zone of times without one.

    Exports name the probe of each run; `replaces_probe` says whether `probe` takes its place. `date_order` is the order
    of dates such as 01/04/24, None if it is not known.
    """

    probe: str
    path: NetworkPath
    zone: ZoneInfo
    replaces_probe: bool = False
    date_order: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """A run from a file, and the line (or row) that it was read from.

    `former_id` is the id that the run had when it was imported by a version whose ids did not depend on the probe.
    """

    line: int
    attempt: Attempt
    former_id: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedPart:
    """A line (or row) of a file that gives no run, and the reason."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportNote:
    """What could not be known about a line (or row) that was imported all the same."""

    line: int
    text: str


Record = ImportedRun | RejectedPart | ImportNote


class UnusableRowError(Exception):
    """A row gives no run; the message is the reason."""


@dataclass(slots=True)
class Source:
    """What the rows of one file have in common.

    Attributes:
        context: what the file does not contain.
        clock: reads its times, in their order.
        style: what points and commas in its numbers mean.
        titles: the names of its columns as they are in the file, by normalized name.
    """

    context: ImportContext
    clock: Clock
    style: NumberStyle = DEFAULT_STYLE
    titles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, context: ImportContext, style: NumberStyle = DEFAULT_STYLE) -> Source:
        """Return the beginning of a file."""
        return cls(context, Clock(context.zone, context.date_order), style)


@dataclass(frozen=True, slots=True)
class Row:
    """A row or an object of a file. Each method returns None for an empty cell, and refuses one that is unreadable.

    Raises:
        UnusableRowError: a cell cannot be read; the message has the column and the text.
    """

    fields: Fields
    source: Source
    prefix: str = ""

    @property
    def context(self) -> ImportContext:
        """What the file does not contain."""
        return self.source.context

    def refuse(self, name: str, problem: str) -> UnusableRowError:
        """Return the error for a cell."""
        title = self.prefix + self.source.titles.get(name, name)
        shown = str(self.fields.get(name))
        shown = shown[:SHOWN_CHARS] + ("…" if len(shown) > SHOWN_CHARS else "")
        return UnusableRowError(f"column {title!r}: {shown!r} is {problem}")

    def part(self, name: str) -> Row:
        """Return an object inside this one; an empty one if there is none."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.refuse(name, "not an object")
        return Row(value or {}, self.source, f"{self.prefix}{name}.")

    def _number(
        self,
        name: str,
        to_factor: Callable[[str], float | None],
        limits: tuple[float, float],
        default_factor: float | None = 1,
    ) -> float | None:
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        # Almost every number of JSON, quickly.
        if type(value) in _PLAIN_NUMBERS and default_factor == 1 and limits[0] <= value <= limits[1]:  # type: ignore[operator]
            return value  # type: ignore[return-value]
        try:
            number = quantities.read_number(value, to_factor, self.source.style, default_factor)
        except UnreadableNumberError as error:
            raise self.refuse(name, str(error)) from error
        if number is None or limits[0] <= number <= limits[1]:
            return number
        raise self.refuse(name, "not a possible value")

    def rate_bps(self, name: str, bits_each: float | None = 1) -> int | None:
        """Return a rate in bit/s, which may be 0.

        A number without a unit is in units of `bits_each` bits per second; if that is None, it is refused.
        """
        number = self._number(name, quantities.rate_factor, (0, parsing.MAX_BPS - 1), bits_each)
        return None if number is None else round(number)

    def latency_ms(self, name: str, ms_each: float = 1) -> float | None:
        """Return a round-trip time in ms; 0 is impossible and None, and so is what a program writes for a lost ping."""
        return parsing.to_latency_ms(self._number(name, quantities.ms_factor, (_NO_VALUE, parsing.MAX_MS), ms_each))

    def jitter_ms(self, name: str, ms_each: float = 1) -> float | None:
        """Return a jitter in ms, which may be 0."""
        limits = (_NO_VALUE, parsing.MAX_LATENCY_MS)
        return parsing.to_jitter_ms(self._number(name, quantities.ms_factor, limits, ms_each))

    def percent(self, name: str) -> float | None:
        """Return a share in percent."""
        return parsing.to_percent(self._number(name, quantities.percent_factor, (_NO_VALUE, 100)))

    def byte_count(self, name: str) -> int | None:
        """Return a number of bytes."""
        return parsing.to_count(self._number(name, quantities.size_factor, (_NO_VALUE, parsing.MAX_BYTES)))

    def duration_ms(self, name: str) -> int | None:
        """Return the duration of a transfer in ms."""
        return parsing.to_count(self._number(name, quantities.ms_factor, (_NO_VALUE, parsing.MAX_MS)), parsing.MAX_MS)

    def seconds(self, name: str) -> float | None:
        """Return how long a test took, in s; None for an impossible duration."""
        number = self._number(name, quantities.no_factor, (-parsing.MAX_BYTES, parsing.MAX_BYTES))
        return parsing.to_number(number, 0, _MAX_TEST_S)

    def any_number(self, name: str) -> float | None:
        """Return a number without a unit, which may be negative."""
        return self._number(name, quantities.no_factor, (-(2.0**63), 2.0**64))

    def is_failure_mark(self, *names: str) -> bool:
        """Return whether each of these cells is -1, which a program writes for a test that failed."""
        limits = (_NO_VALUE, parsing.MAX_BPS)
        return all(self._number(name, quantities.rate_factor, limits) == _NO_VALUE for name in names)

    def text(self, name: str) -> str | None:
        """Return a text as one line."""
        return parsing.clean_text(self.fields.get(name))

    def identifier(self, name: str) -> str | None:
        """Return an id as text, also if it was saved as 90602.0."""
        value = self.fields.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        saved = _SAVED_ID.fullmatch(value.strip()) if isinstance(value, str) else None
        return saved[1] if saved else parsing.to_identifier(value)

    def url(self, name: str) -> str | None:
        """Return an http(s) URL."""
        return parsing.to_url(self.fields.get(name))

    def address(self, name: str) -> tuple[str | None, int | None]:
        """Return an IP address with its family, 4 or 6."""
        value = self.fields.get(name)
        return parsing.to_address(value.strip() if isinstance(value, str) else value)

    def server(self) -> Server | None:
        """Return the server that the columns `server_id`, `server_name` and so on describe."""
        described = Server(
            self.identifier("serverid"),
            self.text("servername"),
            self.text("serverlocation"),
            host=self.text("serverhost"),
        )
        return parsing.none_if_empty(described)

    def time(self, name: str, zone: ZoneInfo | None = None) -> datetime:
        """Return a time in UTC, in whole seconds; one without a zone is in `zone`, else in that of the file."""
        time = self.time_if_any(name, zone)
        if time is None:
            raise UnusableRowError(f"column {self.prefix}{self.source.titles.get(name, name)!r}: no time")
        return time

    def time_if_any(self, name: str, zone: ZoneInfo | None = None) -> datetime | None:
        """Return a time, as `time`; None for an empty cell."""
        value = self.fields.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            time = self.source.clock.read(value, zone)
        except UnreadableTimeError as error:
            raise self.refuse(name, str(error)) from error
        if time is None:
            raise self.refuse(name, "not a time")
        return time


@dataclass(frozen=True, slots=True)
class ImportFormat:
    """A format in which every row or object is a run. Its functions are pure.

    Attributes:
        name: the program that writes it, as --format calls it.
        matches: whether a row or an object with these names is of this format.
        read: returns the run of a row or an object; raises UnusableRowError if it gives none.
        is_nested: whether it is an object as the program prints it; else a row with names from `normalize_names`.
        split_line: returns the fields of a line, for a table that is not standard CSV; None for one that is.
        header: the normalized names of the columns, for a program that can leave out the header or its last columns.
        find_delimiter: returns the delimiter of a line, for a program that can use any; None if it is not its line.
        matches_row: whether a row without a header is of this format.
    """

    name: str
    matches: Callable[[Fields], bool]
    read: Callable[[Row], Attempt]
    is_nested: bool = False
    split_line: Callable[[str], list[object] | None] | None = None
    header: tuple[str, ...] = ()
    find_delimiter: Callable[[str], str | None] = lambda _line: None
    matches_row: Callable[[list[str]], bool] = lambda _row: False


def to_bool(value: object) -> bool | None:
    """Return a truth value from any of its spellings; None for anything else."""
    text = str(value).strip().lower()
    if text in {"1", "1.0", "true", "yes"}:
        return True
    return False if text in {"0", "0.0", "false", "no"} else None


def normalize_names(fields: Mapping[str, object]) -> Fields:
    """Return the fields with normalized names, see `normalize_name`."""
    return {normalize_name(str(name)): value for name, value in fields.items()}


@functools.lru_cache(maxsize=1024)
def normalize_name(name: str) -> str:
    """Return a column's name as lower-case letters and digits: `Created at`, `created_at`, `createdAt` are the same."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def with_rates(measured: Measurement, download_bps: int | None, upload_bps: int | None) -> Measurement:
    """Return a measurement with these rates."""
    return replace(measured, download_bps=download_bps, upload_bps=upload_bps)


def measured_attempt(
    engine: str, ended: datetime, measured: Measurement, row: Row, duration_s: float | None = None
) -> Attempt:
    """Return a measured run; `duration_s` is how long it took, if the file says so.

    Raises:
        UnusableRowError: there is neither rate.
    """
    if measured.download_bps is None and measured.upload_bps is None:
        raise UnusableRowError("no rate: neither download nor upload")
    began = ended - timedelta(seconds=round(duration_s or 0))
    result_id = parse_result_id(measured.result_url)
    key = f"{row.context.probe}|{result_id}" if result_id else _content_key(ended, measured, row.context)
    numbers = {name: getattr(measured, name) for name in _MEASUREMENT_FIELDS}
    return Attempt(_make_run(engine, key, (began, ended), Status.OK, row.context, healthy=True, **numbers))


def failed_attempt(
    engine: str,
    at: datetime,
    failure: Failure,
    row: Row,
    *,
    server: Server | None = None,
    status: Status = Status.FAILED,
) -> Attempt:
    """Return a run without a result."""
    key = _content_key(at, Measurement(server=server), row.context)
    return Attempt(_make_run(engine, key, (at, at), status, row.context, server=server, failure=failure))


def former_id(run: Run) -> str | None:
    """Return the id that a run had while the ids of results did not depend on the probe; None if it is the same."""
    result_id = parse_result_id(run.result_url) if run.trigger is Trigger.IMPORT else None
    return _derive_id(f"{run.engine}|{result_id}") if result_id else None


def id_for_probe(run_id: str, probe: str) -> str:
    """Return the id of a run of an export that is imported as the run of another probe."""
    return _derive_id(f"export|{probe}|{run_id}")


def _derive_id(text: str) -> str:
    """Return the UUID of version 5 of a text; `uuid.uuid5` takes eight times as long."""
    digest = bytearray(hashlib.sha1(_RUN_ID_NAMESPACE.bytes + text.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    name = digest.hex()
    return f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"


def to_failure(engine: Engine, complaints: list[str], stage: str | None = None) -> Failure:
    """Return the failure that an engine's error messages describe."""
    return classify(engine, ProcessResult(), ParsedOutput(complaints=tuple(complaints), stage=stage), None, 0)


def unexplained_failure(program: str) -> Failure:
    """Return the failure of a row that has no reason for it."""
    return Failure(FailureKind.UNKNOWN, Scope.UNKNOWN, None, f"failed; {program} kept no reason")


def parse_result_id(url: str | None) -> str | None:
    """Return the provider's id of a result, the last part of its URL."""
    match = _RESULT_URL.search(url or "")
    return match[1].lower() if match else None


def transfer_seconds(measured: Measurement) -> float | None:
    """Return how long download and upload took together; None unless both are known."""
    if measured.download_ms is None or measured.upload_ms is None:
        return None
    return (measured.download_ms + measured.upload_ms) / 1000


def _content_key(at: datetime, measured: Measurement, context: ImportContext) -> str:
    """Return a key for runs without a result's id: probe, second, server and rates."""
    server = measured.server or Server()
    parts = (context.probe, int(at.timestamp()), server.id or server.name, measured.download_bps, measured.upload_bps)
    return "|".join("" if part is None else str(part) for part in parts)


def _make_run(
    engine: str, key: str, times: tuple[datetime, datetime], status: Status, context: ImportContext, **values: Any
) -> Run:
    began, ended = times
    return Run(
        id=_derive_id(f"{engine}|{key}"),
        probe=context.probe,
        started_at=began,
        finished_at=ended,
        status=status,
        trigger=Trigger.IMPORT,
        path=context.path,
        engine=engine,
        **values,
    )
