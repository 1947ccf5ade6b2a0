"""Runs as a table for the terminal: local times, Mbit/s, ms, cut to its width. Pure; streams the runs."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.model import Kind, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from zoneinfo import ZoneInfo

    from monitor.model import Run

_GAP = "  "
_HIGHEST_HUNDREDTH = 0.005


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its width, or its share of the remaining width; tables narrower than `from_width` leave it out."""

    title: str
    text: Callable[[Run, ZoneInfo], str]
    width: int = 0
    share: int = 0
    from_width: int = 0
    numeric: bool = False


def nothing(_run: Run) -> Iterable[str]:
    """Return no lines, the default for `below`."""
    return ()


def lines(
    runs: Iterable[Run],
    zone: ZoneInfo,
    width: int,
    below: Callable[[Run], Iterable[str]] = nothing,
    *,
    with_probe: bool = False,
) -> Iterator[str]:
    """Yield caption, column titles and one line per run, at most `width` columns wide (60 or more).

    `below` returns further lines for a run; `with_probe` adds a column with its probe.
    """
    columns = _fitted(width, (_COLUMNS[0], _PROBE, *_COLUMNS[1:]) if with_probe else _COLUMNS)
    yield f"Times in {zone.key}, rates in Mbit/s, latency in ms."
    yield _line((column.title for column, _ in columns), columns)
    for run in runs:
        shown = _with_room_for_failure(columns) if run.failure else columns
        yield _line((column.text(run, zone) for column, _ in shown), shown)
        yield from below(run)


def _fitted(width: int, columns: Iterable[_Column]) -> list[tuple[_Column, int]]:
    """Return the columns that fit a table of this width, each with its width."""
    shown = [column for column in columns if width >= column.from_width]
    shares = sum(column.share for column in shown)
    rest = width - sum(column.width for column in shown) - len(_GAP) * (len(shown) - 1)
    return [(column, column.width or rest * column.share // shares) for column in shown]


def _with_room_for_failure(columns: list[tuple[_Column, int]]) -> list[tuple[_Column, int]]:
    """Return the columns of a failed run: the reason replaces ISP and server."""
    fixed = [(column, width) for column, width in columns if column.width]
    shared = [(column, width) for column, width in columns if column.share]
    room = sum(width for _, width in shared) + len(_GAP) * (len(shared) - 1)
    return [*fixed, (_FAILURE, room)] if shared else fixed


def _line(texts: Iterable[str], columns: list[tuple[_Column, int]]) -> str:
    cells = (_cell(text, width, column) for text, (column, width) in zip(texts, columns, strict=True))
    return _GAP.join(cells).rstrip()


def _cell(text: str, width: int, column: _Column) -> str:
    text = cut(printable(text), width)
    padding = " " * (width - _cells(text))
    return padding + text if column.numeric else text + padding


def printable(text: str) -> str:
    """Return text on one line without control characters: names of ISPs and servers come from the network."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def cut(text: str, width: int) -> str:
    """Return text cut to at most `width` terminal columns, ending with an ellipsis if it was cut."""
    if _cells(text) <= width:
        return text
    while text and _cells(text) >= width:
        text = text[:-1]
    return text + "…"


def _cells(text: str) -> int:
    return sum(_cell_width(char) for char in text)


def _cell_width(char: str) -> int:
    """Return the columns that a character takes: none for combining marks, two for wide East Asian ones (UAX #11)."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _rate(bps: int | None) -> str:
    if bps is None:
        return ""
    mbps = bps / 1e6
    return "<0.01" if 0 < mbps < _HIGHEST_HUNDREDTH else f"{mbps:.2f}"


def _path(run: Run) -> str:
    return f"{run.path} v{run.ip_family}" if run.ip_family else run.path


def _failure(run: Run) -> str:
    if run.failure is None:
        return ""
    if run.status is Status.SKIPPED and run.failure.kind is Kind.UNKNOWN:
        return run.failure.message
    return f"{run.failure.kind} ({run.failure.scope}): {run.failure.message}"


_COLUMNS = (
    _Column("Time", lambda run, zone: f"{run.started_at.astimezone(zone):%Y-%m-%d %H:%M}", width=16),
    _Column("Status", lambda run, _: "doubtful" if run.healthy is False else run.status, width=11),
    _Column("Down", lambda run, _: _rate(run.download_bps), width=8, numeric=True),
    _Column("Up", lambda run, _: _rate(run.upload_bps), width=8, numeric=True),
    _Column("Latency", lambda run, _: "" if run.latency_ms is None else f"{run.latency_ms:.1f}", width=7, numeric=True),
    _Column("Path", lambda run, _: _path(run), width=10, from_width=90),
    _Column("ISP/failure", lambda run, _: run.isp or "", share=1, from_width=72),
    _Column("Server", lambda run, _: (run.server and run.server.name) or "", share=1, from_width=108),
)
_PROBE = _Column("Probe", lambda run, _: run.probe, width=12)
_FAILURE = _Column("", lambda run, _: _failure(run), share=1)
