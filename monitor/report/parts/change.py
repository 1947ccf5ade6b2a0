"""What changed against the window before, and on which day a line got slower or faster. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.report import words
from monitor.report.blocks import Cell, Column, Heading, Table, Text
from monitor.report.changepoint import Drift
from monitor.report.figures import RATES
from monitor.report.slots import SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.report.blocks import Block
    from monitor.report.changepoint import Change
    from monitor.report.evidence import Evidence
    from monitor.report.figures import Figures
    from monitor.spread import Spread

_COLUMNS = (
    Column("Number"),
    Column("Window before", "right"),
    Column("This window", "right"),
    Column("Change", "right"),
)
_METHOD = """\
The median of each local day of both windows was searched for days from which on the level was another one, for five
days with tests at least and by 5 % at least; what a weekday is usually like was taken out before. A change is named
only if the test of Mann and Whitney, days before against days after, finds it with p below 0.01 after correction for
the choice of the day and for days that resemble the days before them. It is not said why a line changed.
"""
_NO_CHANGE = "no day could be found on which its level changed for good"


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the comparison, nothing without a window before."""
    before = evidence.before
    if before is None:
        return
    yield Heading("What changed")
    zone = evidence.subject.zone
    since, until = (words.moment(at, zone) for at in (before.window.since, before.window.until))
    if not before.figures.tally.attempts:
        yield Text(
            f"No test was made in the window before ({since} to {until}): there is nothing to compare with.", "note"
        )
        return
    yield Text(f"Compared with the window of the same length before: {since} to {until}.")
    yield Table("This window and the one before", _COLUMNS, list(_rows(before.figures, evidence.figures)))
    yield Heading("The day of a change", level=2)
    yield from (Text(sentence, "lead") for sentence in sentences(evidence))
    yield from (
        Text(f"{words.NAMES[name]}: {_NO_CHANGE}.")
        for name in SHOWN
        if name in before.changes and not before.changes[name]
    )
    yield from (Text(text, "note") for text in words.paragraphs(_METHOD))


def sentences(evidence: Evidence) -> Iterator[str]:
    """Yield a sentence for each change that was found."""
    for name, found in evidence.before.changes.items() if evidence.before else ():
        if isinstance(found, Drift):
            yield _drift(name, found)
        else:
            yield from (_step(name, each) for each in found)


def _step(name: str, change: Change) -> str:
    way = _way(name, change.before, change.after)
    when = words.day(change.day)
    gap = "" if change.day == change.eve + 1 else f" or in the days without tests since {words.day(change.eve)}"
    return (
        f"{words.NAMES[name]} got {way} on {when}{gap}: from {words.value(name, change.before)} (median of the "
        f"{change.days_before} days before) to {words.value(name, change.after)} (median of the {change.days_after} "
        f"days from then on), {_relative(change.before, change.after)}. This is {words.chance(change.p)}."
    )


def _drift(name: str, drift: Drift) -> str:
    return (
        f"{words.NAMES[name]} got {_way(name, drift.before, drift.after)} little by little, without one day of change: "
        f"from {words.value(name, drift.before)} (median of the first {drift.days} days of both windows) to "
        f"{words.value(name, drift.after)} (of the last {drift.days}), {_relative(drift.before, drift.after)}. "
        f"This is {words.chance(drift.p)}."
    )


def _way(name: str, before: float, after: float) -> str:
    more = after > before
    return ("faster" if more else "slower") if name in RATES else ("longer" if more else "shorter")


def _rows(before: Figures, after: Figures) -> Iterator[tuple[Cell, ...]]:
    both = (before, after)
    for name in SHOWN:
        yield _medians(name, [each.spreads.get(name) for each in both])
    for name in RATES:
        shares = [each.short.get(name) for each in both]
        percents = [share[-1].percent if share else None for share in shares]
        yield _row(f"{words.NAMES[name]} below 90 % of the plan", percents, percent=True)
    failed = [100 * each.tally.broken / each.tally.started if each.tally.started else None for each in both]
    yield _row("Tests that failed", failed, percent=True)
    yield _row("Outages", [each.downtime.outages for each in both])
    out = [each.downtime.out_s for each in both]
    yield tuple(map(Cell, ("Time out", *map(words.length, out), _longer(out[1] - out[0]))))
    yield _row("Line up, of the time watched", [each.downtime.available_pct for each in both], percent=True)
    yield _row("Results that speak for the line", [each.tally.trusted for each in both])


def _medians(name: str, spreads: Sequence[Spread | None]) -> tuple[Cell, ...]:
    shown = [words.value(name, spread.median) if spread else words.NONE for spread in spreads]
    before, after = spreads
    difference = _relative(before.median, after.median) if before and after else words.NONE
    return tuple(map(Cell, (f"{words.NAMES[name]}, median", *shown, difference)))


def _row(name: str, pair: Sequence[float | None], *, percent: bool = False) -> tuple[Cell, ...]:
    shown = [words.NONE if each is None else words.percent(each) if percent else f"{each:,}" for each in pair]
    return tuple(map(Cell, (name, *shown, _difference(*pair, percent=percent))))


def _difference(before: float | None, after: float | None, *, percent: bool) -> str:
    if before is None or after is None:
        return words.NONE
    if percent:
        return f"{words.difference(after - before)} points"
    return f"{after - before:+,}" if after != before else "0"


def _relative(before: float, after: float) -> str:
    return f"{words.difference(100 * (after - before) / before)} %" if before else words.NONE


def _longer(seconds: float) -> str:
    return ("+" if seconds > 0 else "-" if seconds < 0 else "") + words.length(abs(seconds))
