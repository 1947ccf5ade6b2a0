"""Section: what changed since the window before, and on which day the line got slower or faster. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.report import words
from monitor.report.blocks import Cell, Column, Heading, Table, Text
from monitor.report.changepoint import Drift
from monitor.report.slots import RATES, SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.report.blocks import Block
    from monitor.report.changepoint import Change
    from monitor.report.evidence import Evidence
    from monitor.report.figures import Figures
    from monitor.spread import Spread

_COLUMNS = (
    Column("Metric"),
    Column("Window before", "right"),
    Column("This window", "right"),
    Column("Change", "right"),
)
_METHOD = """\
The daily medians of both windows were searched for days on which the level changed by at least 5 % and for at least
five days with tests, after the usual pattern of the weekdays was removed. A change is reported only if a Mann-Whitney
test of the days before against the days after gives p below 0.01, corrected for the choice of the day and for the
similarity of consecutive days. The report does not say why a line changed.
"""
_NO_CHANGE = "no lasting change was found"


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the section; nothing if no window before is compared."""
    before = evidence.previous
    if before is None:
        return
    yield Heading("What changed")
    zone = evidence.subject.zone
    since, until = (words.moment(at, zone) for at in (before.window.since, before.window.until))
    if not before.figures.counts.attempts:
        yield Text(
            f"No test was made in the window before ({since} to {until}): there is nothing to compare with.", "note"
        )
        return
    yield Text(f"Compared with the window of the same length before: {since} to {until}.")
    yield Table("This window and the one before", _COLUMNS, list(_rows(before.figures, evidence.figures)))
    yield Heading("When the line changed", level=2)
    yield from (Text(sentence, "lead") for sentence in sentences(evidence))
    yield from (
        Text(f"{words.NAMES[name]}: {_NO_CHANGE}.")
        for name in SHOWN
        if name in before.changes and not before.changes[name]
    )
    yield from (Text(text, "note") for text in words.paragraphs(_METHOD))


def sentences(evidence: Evidence) -> Iterator[str]:
    """Yield a sentence for each change of level, and for each drift."""
    for name, changes in evidence.previous.changes.items() if evidence.previous else ():
        if isinstance(changes, Drift):
            yield _drift(name, changes)
        else:
            yield from (_step(name, change) for change in changes)


def _step(name: str, change: Change) -> str:
    direction = _way(name, change.before, change.after)
    when, last_day = words.day(change.first_day), words.day(change.last_day_before)
    gap = "" if change.first_day == change.last_day_before + 1 else f" or in the days without tests since {last_day}"
    return (
        f"{words.NAMES[name]} got {direction} on {when}{gap}: from {words.value(name, change.before)} (median of the "
        f"{change.days_before} days before) to {words.value(name, change.after)} (median of the {change.days_after} "
        f"days from then on), {_relative(change.before, change.after)}. This is {words.chance(change.p_value)}."
    )


def _drift(name: str, drift: Drift) -> str:
    return (
        f"{words.NAMES[name]} got {_way(name, drift.before, drift.after)} gradually: "
        f"from {words.value(name, drift.before)} (median of the first {drift.days} days of both windows) to "
        f"{words.value(name, drift.after)} (of the last {drift.days}), {_relative(drift.before, drift.after)}. "
        f"This is {words.chance(drift.p_value)}."
    )


def _way(name: str, before: float, after: float) -> str:
    rose = after > before
    return ("faster" if rose else "slower") if name in RATES else ("longer" if rose else "shorter")


def _rows(before: Figures, after: Figures) -> Iterator[tuple[Cell, ...]]:
    both = (before, after)
    for name in SHOWN:
        yield _medians(name, [figures.spreads.get(name) for figures in both])
    for name in RATES:
        shares = [figures.below_plan.get(name) for figures in both]
        percents = [share[-1].percent if share else None for share in shares]
        yield _row(f"{words.NAMES[name]} below 90 % of the plan", percents, percent=True)
    failed = [_failed_percent(figures) for figures in both]
    yield _row("Tests that failed", failed, percent=True)
    yield _row("Outages", [figures.downtime.outages for figures in both])
    down = [figures.downtime.down_s for figures in both]
    yield tuple(map(Cell, ("Downtime", *map(words.length, down), _longer(down[1] - down[0]))))
    yield _row("Availability", [figures.downtime.available_pct for figures in both], percent=True)
    yield _row("Valid results", [figures.counts.trusted for figures in both])


def _failed_percent(figures: Figures) -> float | None:
    counts = figures.counts
    return 100 * counts.broken / counts.started if counts.started else None


def _medians(name: str, spreads: Sequence[Spread | None]) -> tuple[Cell, ...]:
    shown = [words.value(name, spread.median) if spread else words.NONE for spread in spreads]
    before, after = spreads
    difference = _relative(before.median, after.median) if before and after else words.NONE
    return tuple(map(Cell, (f"{words.NAMES[name]}, median", *shown, difference)))


def _row(name: str, pair: Sequence[float | None], *, percent: bool = False) -> tuple[Cell, ...]:
    shown = [words.NONE if value is None else words.percent(value) if percent else f"{value:,}" for value in pair]
    return tuple(map(Cell, (name, *shown, _difference(*pair, percent=percent))))


def _difference(before: float | None, after: float | None, *, percent: bool) -> str:
    if before is None or after is None:
        return words.NONE
    if percent:
        return f"{words.difference(after - before)} percentage points"
    return f"{after - before:+,}" if after != before else "0"


def _relative(before: float, after: float) -> str:
    return f"{words.difference(100 * (after - before) / before)} %" if before else words.NONE


def _longer(seconds: float) -> str:
    return ("+" if seconds > 0 else "-" if seconds < 0 else "") + words.length(abs(seconds))
