"""Rows of Ookla's CLI, `-f csv` and `-f tsv`, as they are or as scripts reduced them. Pure.

A row has ten columns in version 1.0, eleven in 1.1.1 and 21 in 1.2; the first ten are the same. Rates are in bytes/s,
times in ms; packet loss is a percentage or N/A. A row has no time: scripts put it before, after or on another line.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from monitor.importers.base import BITS_PER_BYTE, normalize_name
from monitor.importers.rows import to_server
from monitor.model import Measurement

if TYPE_CHECKING:
    from monitor.importers.rows import Row


_ID = re.compile(r"\d{1,18}(\.0+)?", re.ASCII)

# Numbers are recognized by their beginning: whether they can be read is decided later.
_NUMBER, _NUMBER_OR_NONE = re.compile(r"\d.*"), re.compile(r"\d.*|N/A|")

# The first ten columns: server name and id, latency, jitter, loss, rates, bytes, URL. None matches anything.
_FULL_ROW = (None, _ID, *(_NUMBER_OR_NONE,) * 3, _NUMBER, _NUMBER, _NUMBER_OR_NONE, _NUMBER_OR_NONE, None)

_COLUMNS = (
    *("server name", "server id", "latency", "jitter", "packet loss"),
    *("download", "upload", "download bytes", "upload bytes", "share url"),
)

_FULL_ROW_WIDTH = len(_FULL_ROW)

# A row with so many unreadable cells is still one, so that it is refused with their names.
_MAX_FLAWS = 2

_MAX_COLUMNS = 21

_DOWN_LATENCY, _UP_LATENCY = 11, 15

# So many fields may precede a row, such as a number and a date in several parts.
_MAX_COLUMNS_BEFORE = 5

# Epoch seconds, latency, loss and rates, to which scripts often reduce a row.
_SHORT_ROW = (re.compile(r"\d{10}", re.ASCII), _NUMBER, _NUMBER_OR_NONE, _NUMBER, _NUMBER)

_SHORT_COLUMNS = ("time", "latency", "packet loss", "download", "upload")

_DELIMITERS = ";|"


def is_csv_header(line: str) -> bool:
    """Return whether a line is the header, which scripts print again and again."""
    names = [normalize_name(name) for name in split_fields(line)]
    is_speedtest_cli = "timestamp" in names and "downloadbytes" not in names
    return {"servername", "serverid", "download", "upload"} <= {*names} and not is_speedtest_cli


def split_fields(line: str) -> list[str]:
    """Return the fields of one line of CSV or TSV."""
    try:
        return next(csv.reader([line], delimiter=find_delimiter(line), skipinitialspace=True), [])
    except csv.Error:
        return []


def find_delimiter(line: str) -> str:
    """Return the delimiter of a line: a comma, unless it has tabs, or many of another."""
    if "\t" in line:
        return "\t"
    return next((mark for mark in _DELIMITERS if line.count(mark) >= _FULL_ROW_WIDTH - 1), ",")


def find_row(line: str) -> tuple[dict[str, object], list[str]] | None:
    """Return the cells of a row by the names of their columns, and the texts around it; None for any other line."""
    row = split_fields(line)
    starts = range(min(_MAX_COLUMNS_BEFORE, len(row) - _FULL_ROW_WIDTH) + 1)
    flaws = {start: _count_flaws(row[start : start + _FULL_ROW_WIDTH]) for start in starts}
    start = min(flaws, key=lambda start: (flaws[start], -start), default=0)
    if flaws.get(start, _FULL_ROW_WIDTH) <= _MAX_FLAWS:
        around = [*row[:start], *_texts_after_row(row[start + _FULL_ROW_WIDTH :])]
        return _cells_of_full_row(row[start:]), around
    if len(row) == len(_SHORT_ROW) and all(map(_fits, _SHORT_ROW, row)):
        return dict(zip(_SHORT_COLUMNS, row, strict=True)), row[:1]
    return None


def _count_flaws(row: list[str]) -> int:
    """Return how many cells of a row are not what the program writes; a row without a server's id is none."""
    if not _ID.fullmatch(row[1].strip()):
        return _FULL_ROW_WIDTH
    return sum(not _fits(*cell) for cell in zip(_FULL_ROW, row, strict=True))


def _fits(shape: re.Pattern[str] | None, cell: str) -> bool:
    return shape is None or shape.fullmatch(cell.strip()) is not None


def _texts_after_row(rest: list[str]) -> list[str]:
    return rest[_MAX_COLUMNS - _FULL_ROW_WIDTH :] or rest[-2:]


def _cells_of_full_row(row: list[str]) -> dict[str, object]:
    cells: dict[str, object] = dict(zip(_COLUMNS, row, strict=False))
    if len(row) >= _MAX_COLUMNS:
        cells |= {"download latency": row[_DOWN_LATENCY], "upload latency": row[_UP_LATENCY]}
    return cells


def measurement_of_cells(row: Row) -> Measurement:
    """Return what a row says, from its cells by name.

    Raises:
        UnusableRowError: a value that cannot be read.
    """
    place, _, location = (row.text("server name") or "").rpartition(" - ")
    name = place or row.text("server name")
    server = to_server(row.identifier("server id"), name, location.strip() or None if place else None)
    return Measurement(
        download_bps=row.rate_bps("download", BITS_PER_BYTE),
        upload_bps=row.rate_bps("upload", BITS_PER_BYTE),
        latency_ms=row.latency_ms("latency"),
        jitter_ms=row.jitter_ms("jitter"),
        packet_loss_pct=row.percent("packet loss"),
        download_bytes=row.byte_count("download bytes"),
        upload_bytes=row.byte_count("upload bytes"),
        download_latency_ms=row.latency_ms("download latency"),
        upload_latency_ms=row.latency_ms("upload latency"),
        server=server,
        result_url=row.url("share url"),
    )
