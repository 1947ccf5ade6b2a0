"""Tables for a terminal: runs, cut to its width, and the data used per month, compared with the budget.

Pure; runs are streamed. Whatever comes from the network passes through `to_printable`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.model import Usage, describe_failure
from monitor.output.units import BYTES_PER_GB, format_ms_cell, format_rate_cell, format_table_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from zoneinfo import ZoneInfo

    from monitor.model import Run


_COLUMN_GAP = "  "


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its width, or its share of the remaining width; tables narrower than `from_width` leave it out."""

    title: str
    text: Callable[[Run, ZoneInfo], str]
    width: int = 0
    share: int = 0
    from_width: int = 0
    numeric: bool = False


def no_lines(_run: Run) -> Iterable[str]:
    """Return no lines, the default for `below`."""
    return ()


def run_table(
    runs: Iterable[Run],
    zone: ZoneInfo,
    width: int,
    below: Callable[[Run], Iterable[str]] = no_lines,
    *,
    with_probe: bool = False,
) -> Iterator[str]:
    """Yield caption, column titles and one line per run, at most `width` columns wide (60 or more).

    `below` returns further lines for a run; `with_probe` adds a column with its probe.
    """
    columns = _fit_columns(width, (_COLUMNS[0], _PROBE, *_COLUMNS[1:]) if with_probe else _COLUMNS)
    yield f"Times in {zone.key}, rates in Mbit/s, latency in ms."
    yield _table_line((column.title for column, _ in columns), columns)
    for run in runs:
        shown = _with_room_for_failure(columns) if run.failure else columns
        yield _table_line((column.text(run, zone) for column, _ in shown), shown)
        yield from below(run)


def _fit_columns(width: int, columns: Iterable[_Column]) -> list[tuple[_Column, int]]:
    """Return the columns that fit a table of this width, each with its width."""
    shown = [column for column in columns if width >= column.from_width]
    shares = sum(column.share for column in shown)
    rest = width - sum(column.width for column in shown) - len(_COLUMN_GAP) * (len(shown) - 1)
    return [(column, column.width or rest * column.share // shares) for column in shown]


def _with_room_for_failure(columns: list[tuple[_Column, int]]) -> list[tuple[_Column, int]]:
    """Return the columns of a failed run: the reason replaces ISP and server."""
    fixed = [(column, width) for column, width in columns if column.width]
    shared = [(column, width) for column, width in columns if column.share]
    room = sum(width for _, width in shared) + len(_COLUMN_GAP) * (len(shared) - 1)
    return [*fixed, (_FAILURE, room)] if shared else fixed


def _table_line(texts: Iterable[str], columns: list[tuple[_Column, int]]) -> str:
    cells = (_format_cell(text, width, column) for text, (column, width) in zip(texts, columns, strict=True))
    return _COLUMN_GAP.join(cells).rstrip()


def _format_cell(text: str, width: int, column: _Column) -> str:
    text = cut_to_width(to_printable(text), width)
    padding = " " * (width - _text_width(text))
    return padding + text if column.numeric else text + padding


def to_printable(text: str) -> str:
    """Return text on one line without control characters: names of ISPs and servers come from the network."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def cut_to_width(text: str, width: int) -> str:
    """Return text cut to at most `width` terminal columns, ending with an ellipsis if it was cut."""
    if _text_width(text) <= width:
        return text
    while text and _text_width(text) >= width:
        text = text[:-1]
    return text + "…"


def _text_width(text: str) -> int:
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    """Return the columns that a character takes: none for combining marks, two for wide East Asian ones (UAX #11)."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def status_word(run: Run) -> str:
    """Return how a run is listed: excluded or doubtful, else its status."""
    return "excluded" if run.excluded is not None else "doubtful" if run.healthy is False else run.status.value


def _format_path(run: Run) -> str:
    return f"{run.path} v{run.ip_family}" if run.ip_family else run.path


_COLUMNS = (
    _Column("Time", lambda run, zone: format_table_time(run.started_at, zone), width=16),
    _Column("Status", lambda run, _: status_word(run), width=11),
    _Column("Down", lambda run, _: format_rate_cell(run.download_bps), width=8, numeric=True),
    _Column("Up", lambda run, _: format_rate_cell(run.upload_bps), width=8, numeric=True),
    _Column("Latency", lambda run, _: format_ms_cell(run.latency_ms), width=7, numeric=True),
    _Column("Path", lambda run, _: _format_path(run), width=10, from_width=90),
    _Column("ISP/failure", lambda run, _: run.isp or "", share=1, from_width=72),
    _Column("Server", lambda run, _: (run.server and run.server.name) or "", share=1, from_width=108),
)

_PROBE = _Column("Probe", lambda run, _: run.probe, width=12)

_FAILURE = _Column("", lambda run, _: describe_failure(run), share=1)


@dataclass(frozen=True, slots=True)
class MonthlyUsage:
    """A month as `usage --json` prints it; None for what cannot be computed."""

    month: str
    tests: int
    download_bytes: int
    upload_bytes: int
    total_bytes: int
    estimated_bytes: int
    bytes_per_test: int | None
    budget_bytes: int | None
    budget_used_pct: float | None


def to_monthly_usage(usage: Usage, month_gb: float) -> MonthlyUsage:
    """Compare a month's usage with a budget in GB (10^9 bytes), 0 for none."""
    total, budget = usage.total_bytes, round(month_gb * BYTES_PER_GB) or None
    return MonthlyUsage(
        usage.month,
        usage.tests,
        usage.download_bytes,
        usage.upload_bytes,
        total,
        usage.estimated_bytes,
        round(total / usage.tests) if usage.tests else None,
        budget,
        round(100 * total / budget, 1) if budget else None,
    )


def usage_table(months: Iterable[MonthlyUsage], zone: str) -> Iterator[str]:
    """Yield caption, column titles and one line per month."""
    yield f"Months in {zone}, data in GB (10^9 bytes)."
    yield f"{'Month':7}  {'Tests':>6}  {'Down':>8}  {'Up':>8}  {'Total':>8}  {'A test':>7}  Budget"
    for month in months:
        yield _usage_line(month).rstrip()


def _usage_line(month: MonthlyUsage) -> str:
    amounts = (month.download_bytes, month.upload_bytes, month.total_bytes)
    down, up, total = (f"{amount / BYTES_PER_GB:8.2f}" for amount in amounts)
    per_test = "" if month.bytes_per_test is None else f"{month.bytes_per_test / BYTES_PER_GB:.3f}"
    return f"{month.month:7}  {month.tests:6}  {down}  {up}  {total}  {per_test:>7}  {_budget_remarks(month)}"


def _budget_remarks(month: MonthlyUsage) -> str:
    share = (
        [] if month.budget_bytes is None else [f"{month.budget_used_pct:g} % of {month.budget_bytes / BYTES_PER_GB:g}"]
    )
    estimated = [f"({month.estimated_bytes / BYTES_PER_GB:.2f} estimated)"] if month.estimated_bytes else []
    return "  ".join(share + estimated)
