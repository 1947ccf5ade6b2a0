"""What all importers share: what a format is, values and times as files have them, and rows as runs. Pure.

A number in a file may be a text; missing, empty or impossible values become None. A time without an offset is in the
zone passed in. The id of a run is derived from its content, so that the same row has the same id.
"""

from __future__ import annotations

import functools
import itertools
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitor.diagnosis.classify import classify
from monitor.engines import parsing
from monitor.engines.base import ParsedOutput
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

UNREADABLE_TIME = "no readable time"

_EPOCH = re.compile(r"\d{10}(\.\d+)?|\d{13}")

_MILLISECOND_DIGITS = 13

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")

# What `date` and scripts around it print, without zone and offset.
_DATE_FORMATS = (
    "%Y-%m-%d %H%M%S",
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %I:%M:%S %p %Y",
    "%a %d %b %Y %H:%M:%S",
    "%a %d %b %Y %I:%M:%S %p",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
)

_UTC_OFFSET = re.compile(r"\s?[+-]\d{4}$")

# Abbreviations such as CEST are ambiguous, so they count as the zone passed in; UTC is not.
_ZONE_WORD = re.compile(r"\s(?!AM|PM)[A-Z]{2,5}(?=\s|$)")

_UTC_NAMES = {"UTC", "GMT", "Z"}

_TIME_START = re.compile(r"[A-Za-z]{3},? |\d{4}[-/]\d\d?[-/]\d|\d{10}")

_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

# Values as they are in the file: texts from CSV, anything from JSON, SQLite and Parquet.
Fields = Mapping[str, object]

BITS_PER_MBIT = 1_000_000

BITS_PER_BYTE = 8

# How much of a rejected line is shown.
SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class ImportContext:
    """What a file does not contain: the probe, the path and the time zone of times without one.

    Exports name the probe of each run; `replaces_probe` says whether `probe` takes its place.
    """

    probe: str
    path: NetworkPath
    zone: ZoneInfo
    replaces_probe: bool = False


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """A run from a file, and the line (or row) that it was read from."""

    line: int
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class RejectedPart:
    """A line (or row) of a file that gives no run, and the reason."""

    line: int
    reason: str


Record = ImportedRun | RejectedPart


class UnusableRowError(Exception):
    """A row gives no run; the message is the reason."""


@dataclass(frozen=True, slots=True)
class ImportFormat:
    """A format in which every row or object is a run. Its functions are pure.

    Attributes:
        name: the program that writes it, as --format calls it.
        matches: whether a row or an object with these names is of this format.
        read: returns the run of a row or an object; raises UnusableRowError if it gives none.
        is_nested: whether it is an object as the program prints it; else a row with names from `normalize_names`.
        split_line: returns the fields of a line, for a table that is not standard CSV.
        header: the normalized names of the columns, for a program that can leave out the header.
        matches_row: whether a row without a header is of this format.
    """

    name: str
    matches: Callable[[Fields], bool]
    read: Callable[[Fields, ImportContext], Attempt]
    is_nested: bool = False
    split_line: Callable[[str], list[object]] | None = None
    header: tuple[str, ...] = ()
    matches_row: Callable[[list[str]], bool] = lambda _row: False


def to_number(value: object) -> object:
    """Return a text as a number, None if it is not one; anything that is not a text is returned unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return int(value) if value.strip().isdecimal() else float(value)
    except ValueError:
        return None


def to_int(value: object) -> int | None:
    """Return a whole number; None if the value is not one."""
    parsed = to_number(value)
    return parsed if isinstance(parsed, int) else None


def to_rate_bps(value: object, bits_each: int = 1) -> int | None:
    """Return a rate in bit/s, given in units of `bits_each` bits per second; None if it is not above 0."""
    return parsing.to_rate_bps(to_number(value), bits_each)


def to_bool(value: object) -> bool | None:
    """Return a truth value from any of its spellings; None for anything else."""
    text = str(value).strip().lower()
    if text in {"1", "true", "yes"}:
        return True
    return False if text in {"0", "false", "no"} else None


def normalize_names(fields: Mapping[str, object]) -> Fields:
    """Return the fields with normalized names, see `normalize_name`."""
    return {normalize_name(str(name)): value for name, value in fields.items()}


@functools.lru_cache(maxsize=1024)
def normalize_name(name: str) -> str:
    """Return a column's name as lower-case letters and digits: `Created at`, `created_at`, `createdAt` are the same."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def parse_time(text: object, zone: ZoneInfo) -> datetime | None:
    """Return a time in UTC, in whole seconds; None if it is not a time in this century."""
    if isinstance(text, datetime):
        return _to_utc(text, zone)
    stripped = str(text).strip(" \t[]\"',") if isinstance(text, str | int) else ""
    if not _TIME_START.match(stripped):
        return None
    return _to_utc(_parse_epoch(stripped) or _parse_iso(stripped) or _parse_date_command(stripped), zone)


def _to_utc(time: datetime | None, zone: ZoneInfo) -> datetime | None:
    if time is None:
        return None
    try:
        aware = (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return None
    return aware if _EARLIEST <= aware < _LATEST else None


def _parse_epoch(text: str) -> datetime | None:
    if not _EPOCH.fullmatch(text):
        return None
    return datetime.fromtimestamp(float(text) / (1000 if len(text) == _MILLISECOND_DIGITS else 1), UTC)


def _parse_iso(text: str) -> datetime | None:
    if not _ISO.match(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _parse_date_command(text: str) -> datetime | None:
    zone = _ZONE_WORD.search(text)
    offset = _UTC_OFFSET.search(text)
    bare = " ".join(_ZONE_WORD.sub("", _UTC_OFFSET.sub("", text), count=1).replace(",", " ").split())
    for date_format in _DATE_FORMATS:
        try:
            time = datetime.strptime(bare, date_format)  # noqa: DTZ007  the caller knows the zone
        except ValueError:
            continue
        if offset:
            return time.replace(tzinfo=datetime.strptime(offset[0].strip(), "%z").tzinfo)
        return time.replace(tzinfo=UTC) if zone and zone[0].strip() in _UTC_NAMES else time
    return None


def find_time(texts: list[str], zone: ZoneInfo) -> datetime | None:
    """Return the first of the texts that is a time, or of neighbouring texts that are a date and a time of day."""
    pairs = [f"{first.strip()} {second.strip()}" for first, second in itertools.pairwise(texts)]
    return next((time for text in (*texts, *pairs) if (time := parse_time(text, zone))), None)


def measured_attempt(
    engine: str, ended: datetime | None, measured: Measurement, context: ImportContext, duration_s: float | None = None
) -> Attempt:
    """Return a measured run; `duration_s` is how long it took, if the file says so."""
    if ended is None:
        raise UnusableRowError(UNREADABLE_TIME)
    began = ended - timedelta(seconds=round(duration_s or 0))
    key = parse_result_id(measured.result_url) or _content_key(ended, measured, context)
    numbers = {name: getattr(measured, name) for name in _MEASUREMENT_FIELDS}
    return Attempt(_make_run(engine, key, (began, ended), Status.OK, context, healthy=True, **numbers))


def failed_attempt(
    engine: str,
    at: datetime | None,
    failure: Failure,
    context: ImportContext,
    *,
    server: Server | None = None,
    status: Status = Status.FAILED,
) -> Attempt:
    """Return a run without a result."""
    if at is None:
        raise UnusableRowError(UNREADABLE_TIME)
    key = _content_key(at, Measurement(server=server), context)
    return Attempt(_make_run(engine, key, (at, at), status, context, server=server, failure=failure))


def to_failure(engine: Engine, complaints: list[str], stage: str | None = None) -> Failure:
    """Return the failure that an engine's error messages describe."""
    return classify(engine, ProcessResult(), ParsedOutput(complaints=tuple(complaints), stage=stage), None, 0)


def unexplained_failure(program: str) -> Failure:
    """Return the failure of a row that has no reason for it."""
    return Failure(FailureKind.UNKNOWN, Scope.UNKNOWN, None, f"failed; {program} kept no reason")


def server_from_fields(fields: Fields) -> Server | None:
    """Return the server that the columns `server_id`, `server_name` and so on describe; None if they are empty."""
    server = Server(
        parsing.to_identifier(fields.get("serverid")),
        parsing.clean_text(fields.get("servername")),
        parsing.clean_text(fields.get("serverlocation")),
        host=parsing.clean_text(fields.get("serverhost")),
    )
    return None if server == Server() else server


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
        id=str(uuid.uuid5(_RUN_ID_NAMESPACE, f"{engine}|{key}")),
        probe=context.probe,
        started_at=began,
        finished_at=ended,
        status=status,
        trigger=Trigger.IMPORT,
        path=context.path,
        engine=engine,
        **values,
    )
