"""Section: what changed since the window before, and on which day the line got slower or faster. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.analysis.changepoint import Drift
from monitor.analysis.metrics import RATE_METRICS, SPEED_METRICS
from monitor.output import units
from monitor.report import wording
from monitor.report.document import Cell, Column, Heading, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.analysis.changepoint import LevelShift
    from monitor.analysis.statistics import Spread, WindowStatistics
    from monitor.report.document import Block
    from monitor.report.evidence import Evidence


_COMPARISON_COLUMNS = (
    Column("Metric"),
    Column("Window before", "right"),
    Column("This window", "right"),
    Column("Change", "right"),
)

_SHIFT_METHOD = """\
The daily medians of both windows were searched for days on which the level changed by at least 5 % and for at least
five days with tests, after the usual pattern of the weekdays was removed. A change is reported only if a Mann-Whitney
test of the days before against the days after gives p below 0.01, corrected for the choice of the day and for the
similarity of consecutive days. The report does not say why a line changed.
"""

_NO_SHIFT = "no lasting change was found"


def comparison_blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the section; nothing if no window before is compared."""
    before = evidence.previous
    if before is None:
        return
    yield Heading("What changed")
    zone = evidence.subject.zone
    since, until = (units.format_time_with_offset(at, zone) for at in (before.window.since, before.window.until))
    if not before.figures.counts.attempts:
        yield Text(
            f"No test was made in the window before ({since} to {until}): there is nothing to compare with.", "note"
        )
        return
    yield Text(f"Compared with the window of the same length before: {since} to {until}.")
    yield Table("This window and the one before", _COMPARISON_COLUMNS, list(_comparison_rows(before.figures, evidence)))
    yield Heading("When the line changed", level=2)
    yield from (Text(sentence, "lead") for sentence in shift_sentences(evidence))
    yield from (
        Text(f"{wording.METRIC_NAMES[name]}: {_NO_SHIFT}.")
        for name in SPEED_METRICS
        if name in before.changes and not before.changes[name]
    )
    yield from (Text(text, "note") for text in wording.split_paragraphs(_SHIFT_METHOD))


def shift_sentences(evidence: Evidence) -> Iterator[str]:
    """Yield a sentence for each change of level, and for each drift."""
    for name, changes in evidence.previous.changes.items() if evidence.previous else ():
        if isinstance(changes, Drift):
            yield _describe_drift(name, changes)
        else:
            yield from (_describe_shift(name, change) for change in changes)


def _describe_shift(name: str, change: LevelShift) -> str:
    direction = _direction(name, change.before, change.after)
    when, last_day = units.format_day(change.first_day), units.format_day(change.last_day_before)
    gap = "" if change.first_day == change.last_day_before + 1 else f" or in the days without tests since {last_day}"
    return (
        f"{wording.METRIC_NAMES[name]} got {direction} on {when}{gap}: "
        f"from {units.format_metric(name, change.before)} (median of the {change.days_before} days before) "
        f"to {units.format_metric(name, change.after)} (median of the {change.days_after} days from then on), "
        f"{_relative_change(change.before, change.after)}. This is {wording.significance_phrase(change.p_value)}."
    )


def _describe_drift(name: str, drift: Drift) -> str:
    return (
        f"{wording.METRIC_NAMES[name]} got {_direction(name, drift.before, drift.after)} gradually: "
        f"from {units.format_metric(name, drift.before)} (median of the first {drift.days} days of both windows) to "
        f"{units.format_metric(name, drift.after)} (of the last {drift.days}), "
        f"{_relative_change(drift.before, drift.after)}. This is {wording.significance_phrase(drift.p_value)}."
    )


def _direction(name: str, before: float, after: float) -> str:
    rose = after > before
    return ("faster" if rose else "slower") if name in RATE_METRICS else ("longer" if rose else "shorter")


def _comparison_rows(before: WindowStatistics, evidence: Evidence) -> Iterator[tuple[Cell, ...]]:
    both = (before, evidence.figures)
    met_pct = units.format_trimmed(evidence.subject.met_pct)
    for name in SPEED_METRICS:
        yield _median_row(name, [figures.spreads.get(name) for figures in both])
    for name in RATE_METRICS:
        shares = [figures.below_plan.get(name) for figures in both]
        percents = [share[-1].percent if share else None for share in shares]
        yield _comparison_row(f"{wording.METRIC_NAMES[name]} below {met_pct} % of the plan", percents, percent=True)
    yield _comparison_row("Tests that failed", [figures.counts.lost_pct for figures in both], percent=True)
    yield _comparison_row("Outages", [figures.downtime.outages for figures in both])
    down = [figures.downtime.down_s for figures in both]
    yield tuple(map(Cell, ("Downtime", *map(units.format_duration, down), _duration_difference(down[1] - down[0]))))
    yield _comparison_row("Availability", [figures.downtime.available_pct for figures in both], percent=True)
    yield _comparison_row("Valid results", [figures.counts.trusted for figures in both])


def _median_row(name: str, spreads: Sequence[Spread | None]) -> tuple[Cell, ...]:
    shown = [units.format_metric(name, spread.median) if spread else units.NO_VALUE for spread in spreads]
    before, after = spreads
    difference = _relative_change(before.median, after.median) if before and after else units.NO_VALUE
    return tuple(map(Cell, (f"{wording.METRIC_NAMES[name]}, median", *shown, difference)))


def _comparison_row(name: str, pair: Sequence[float | None], *, percent: bool = False) -> tuple[Cell, ...]:
    shown = [
        units.NO_VALUE if value is None else units.format_percent(value) if percent else f"{value:,}" for value in pair
    ]
    return tuple(map(Cell, (name, *shown, _format_difference(*pair, percent=percent))))


def _format_difference(before: float | None, after: float | None, *, percent: bool) -> str:
    if before is None or after is None:
        return units.NO_VALUE
    if percent:
        return f"{units.format_signed(after - before)} percentage points"
    return f"{after - before:+,}" if after != before else "0"


def _relative_change(before: float, after: float) -> str:
    return f"{units.format_signed(100 * (after - before) / before)} %" if before else units.NO_VALUE


def _duration_difference(seconds: float) -> str:
    return ("+" if seconds > 0 else "-" if seconds < 0 else "") + units.format_duration(abs(seconds))
