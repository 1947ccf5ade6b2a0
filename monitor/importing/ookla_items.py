"""Parses single objects and lines of an Ookla log. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.engines import ookla, readings
from monitor.importing import ookla_csv, when

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.importing.objects import Item
    from monitor.model import Measurement, Server

_BEGINNING = "testStart"
_ITEM_TYPES = {_BEGINNING, *ookla.PHASES, "result", "log"}


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time alone, as a script prints it before a test."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Phase:
    """A running test: its stage, and the server if it is named; `is_start` at the beginning of a test."""

    at: datetime | None
    stage: str
    server: Server | None
    is_start: bool


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error message of the CLI. Objects have a time in UTC (`is_utc`), lines one in a time zone they do not name.

    A message without a time belongs to the test that the lines around it are about.
    """

    at: datetime | None
    text: str
    is_utc: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a test: a measurement, or what is wrong with it."""

    at: datetime | None
    measured: Measurement | None
    flaws: tuple[str, ...] = ()
    server: Server | None = None


Said = Stamp | Phase | Complaint | Result


def knows(item: Item) -> bool:
    """Return whether only Ookla's CLI prints such an item."""
    if isinstance(item, str):
        log = ookla.LOG_LINE.match(item)
        return ookla_csv.measured(item) is not None or ookla_csv.is_header(item) or log is not None
    return item.get("type") in _ITEM_TYPES or "bandwidth" in readings.fields(item.get("download"))


def said(item: Item, zone: ZoneInfo) -> Said | None:
    """Parse an object or a line; return None if it says nothing about a test."""
    return _of_line(item, zone) if isinstance(item, str) else _of_object(item, zone)


def result(item: dict[str, object], zone: ZoneInfo) -> Result:
    """Parse an object of type `result`."""
    measured, flaws = ookla.measured(item)
    server = measured.server if measured else ookla.server_of(readings.fields(item.get("server")))
    return Result(when.moment(item.get("timestamp"), zone), measured, tuple(flaws), server)


def _of_object(item: dict[str, object], zone: ZoneInfo) -> Said | None:
    kind = item.get("type")
    at = when.moment(item.get("timestamp"), zone)
    if kind in {_BEGINNING, *ookla.PHASES}:
        server = ookla.server_of(readings.fields(item.get("server")))
        return Phase(at, ookla.PHASES.get(str(kind), "start"), server, kind == _BEGINNING)
    if kind == "log":
        return None if item.get("level") == "info" else Complaint(at, str(item.get("message")), is_utc=True)
    if "error" in item:
        return Complaint(at, str(item["error"]), is_utc=True)
    return result(item, zone) if knows(item) else None


def _of_line(line: str, zone: ZoneInfo) -> Said | None:
    if log := ookla.LOG_LINE.match(line):
        return None if log["level"] == "info" else Complaint(when.moment(line[1:20], zone), log["text"])
    if (row := ookla_csv.measured(line)) is not None:
        measured, around = row
        return _of_row(measured, when.among(around, zone))
    at = when.moment(line, zone) or when.among(ookla_csv.fields(line), zone)
    return Stamp(at) if at else None


def _of_row(measured: Measurement, at: datetime | None) -> Result:
    rates = (("download", measured.download_bps), ("upload", measured.upload_bps))
    flaws = tuple(flaw for phase, rate in rates for flaw in readings.flaw(phase, None, rate))
    return Result(at, None if flaws else measured, flaws, measured.server)
