"""Section: the tests compared with a rule profile: each condition, its answer and the figures behind it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.report import words
from monitor.report.blocks import Cell, Column, Heading, Table, Text
from monitor.report.profile import DaysWithMiss, DaysWithout
from monitor.report.verdict import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.report.blocks import Block
    from monitor.report.evidence import Evidence
    from monitor.report.profile import Rule, Sample
    from monitor.report.verdict import Outcome

_SHADES = {Answer.MET: 1.0, Answer.NOT_MET: 0.0, Answer.OPEN: 0.3}
_OFFICIAL = """\
This is not an official finding: it was not made with the means of any authority, and only compares the stored tests
with the conditions below. “Met” means that a condition for a deviation is met; one suffices. A condition that asks for
a number of days out of several asks for the same share of more days: 2 of 3 become 20 of 30.
"""


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the section; nothing without a profile."""
    if evidence.compliance is None:
        return
    profile = evidence.compliance.profile
    yield Heading(f"Compared with rules: {profile.name}")
    yield Text(profile.notice, "bad")
    yield from (Text(text, "note") for text in words.paragraphs(_OFFICIAL))
    if profile.source:
        yield Text(f"Source of the rules: {profile.source}.", "note")
    yield Text(_sample(profile.sample))
    columns = (Column("Condition"), Column("Met if"), Column("Result"), Column("Answer"))
    yield Table("The conditions", columns, [_row(result) for result in evidence.compliance.results])
    for note in dict.fromkeys(condition.note for condition in profile.conditions if condition.note):
        names = ", ".join(condition.name for condition in profile.conditions if condition.note == note)
        yield Text(f"{names}: {note}", "note")


def _sample(sample: Sample) -> str:
    spacing = f", each at least {words.plain(sample.spacing_min)} minutes after the one before"
    days = f" on at least {words.count(sample.days, 'day')} with {words.count(sample.tests_per_day, 'test')} or more"
    tests = words.count(sample.tests, "test")
    return (
        f"The rules require at least {tests}{days}{spacing if sample.spacing_min else ''}. Failed tests do not count."
    )


def _row(result: Outcome) -> tuple[Cell, ...]:
    return (
        Cell(result.condition.name),
        Cell(asked(result.condition)),
        Cell(found(result)),
        Cell(result.answer.value + doubt(result), shade=_SHADES[result.answer]),
    )


def doubt(result: Outcome) -> str:
    """Return a remark if no contract states the level of a condition, else an empty text."""
    return " (assumed level)" if result.condition.assumed else ""


def asked(condition: Rule) -> str:
    """Return when a condition is met, as a clause: on at least 2 of 3 days no test reached 90 % of ..."""
    level = _level(condition)
    match condition:
        case DaysWithout():
            return f"on {_days(condition)} no test reached {level}"
        case DaysWithMiss():
            return f"on {_days(condition)} at least one test did not reach {level}"
    return f"fewer than {words.plain(condition.percent)} % of the tests reached {level}"


def _days(condition: DaysWithout | DaysWithMiss) -> str:
    if condition.of_days is None:
        return f"at least {words.count(condition.days, 'day')}"
    return f"at least {condition.days} of {words.count(condition.of_days, 'day')}"


def _level(condition: Rule) -> str:
    level, name = condition.level, condition.metric
    if level.percent_of_plan is not None:
        return f"{words.plain(level.percent_of_plan)} % of the plan's {name}"
    if level.mbit_s is not None:
        return f"{words.plain(level.mbit_s)} Mbit/s {name}"
    return f"{words.plain(level.ms or 0)} ms {name} or less"


def found(result: Outcome) -> str:
    """Return the figures behind an answer."""
    if result.shortage:
        return f"{result.shortage}{_unused(result)}"
    tests = words.count(result.tests, "test")
    if result.bad_days is None:
        share = words.percent(100 * result.reached / result.tests)
        figures = (
            f"{result.reached:,} of {tests} ({share}) reached it; fewer than {result.needed:,} would meet the condition"
        )
    else:
        days = words.count(result.days, "day")
        figures = (
            f"so on {result.bad_days:,} of {days} with {tests}; {result.needed:,} or more would meet the condition"
        )
    return f"{figures}{_unused(result)}"


def _unused(result: Outcome) -> str:
    reasons = (
        (result.too_close, "too soon after another"),
        (result.on_thin_days, "on days with too few"),
        (result.without_plan, "without a plan"),
    )
    listing = ", ".join(f"{count:,} {reason}" for count, reason in reasons if count)
    return f" (left out: {listing})" if listing else ""
