"""The test against the rule profile: each condition, its answer and the figures that led to it. Pure."""

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
This test was not made by any authority's own means and is no official finding; it holds the stored tests against the
conditions below, no more. “Met” means that a condition for a deviation is fulfilled; one suffices. Where a condition
counts days of so many, the same share is asked for over more days: two of three are twenty of thirty.
"""


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the test, nothing without a profile."""
    if evidence.verdict is None:
        return
    profile = evidence.verdict.profile
    yield Heading(f"Test by rules: {profile.name}")
    yield Text(profile.notice, "bad")
    yield from (Text(text, "note") for text in words.paragraphs(_OFFICIAL))
    if profile.source:
        yield Text(f"Source of the rules: {profile.source}.", "note")
    yield Text(_sample(profile.sample))
    columns = (Column("Condition"), Column("For a deviation"), Column("What was found"), Column("Answer"))
    yield Table("The conditions", columns, [_row(outcome) for outcome in evidence.verdict.outcomes])
    for note in dict.fromkeys(each.note for each in profile.conditions if each.note):
        named = ", ".join(each.name for each in profile.conditions if each.note == note)
        yield Text(f"{named}: {note}", "note")


def _sample(sample: Sample) -> str:
    spacing = f", each at least {words.plain(sample.spacing_min)} minutes after the one before" * bool(
        sample.spacing_min
    )
    days = f" on at least {words.count(sample.days, 'day')} with {words.count(sample.tests_per_day, 'test')} or more"
    return f"The rules ask for at least {words.count(sample.tests, 'test')}{days}{spacing}. Failed tests do not count."


def _row(outcome: Outcome) -> tuple[Cell, ...]:
    return (
        Cell(outcome.condition.name),
        Cell(asked(outcome.condition)),
        Cell(found(outcome)),
        Cell(outcome.answer.value + doubt(outcome), shade=_SHADES[outcome.answer]),
    )


def doubt(outcome: Outcome) -> str:
    """Return the warning that nobody promised the level of a condition, empty where it was promised."""
    return " (assumed level)" * outcome.condition.assumed


def asked(rule: Rule) -> str:
    """Return what a condition asks for, as a sentence."""
    level = _level(rule)
    match rule:
        case DaysWithout():
            return f"on {_days(rule)} no test reached {level}"
        case DaysWithMiss():
            return f"on {_days(rule)} at least one test did not reach {level}"
    return f"fewer than {words.plain(rule.percent)} % of the tests reached {level}"


def _days(rule: DaysWithout | DaysWithMiss) -> str:
    least = f"at least {words.count(rule.days, 'day')}" if rule.of_days is None else f"at least {rule.days}"
    return least if rule.of_days is None else f"{least} of {words.count(rule.of_days, 'day')}"


def _level(rule: Rule) -> str:
    level, name = rule.level, rule.metric
    if level.percent_of_plan is not None:
        return f"{words.plain(level.percent_of_plan)} % of the plan's {name}"
    if level.mbit_s is not None:
        return f"{words.plain(level.mbit_s)} Mbit/s {name}"
    return f"{words.plain(level.ms or 0)} ms {name} or less"


def found(outcome: Outcome) -> str:
    """Return the figures behind an answer."""
    if outcome.lacking:
        return f"{outcome.lacking}{_unused(outcome)}"
    if outcome.bad_days is None:
        share = words.percent(100 * outcome.reached / outcome.tests)
        result = f"{outcome.reached:,} of {words.count(outcome.tests, 'test')} ({share}) reached it"
        return f"{result}; fewer than {outcome.needed:,} would meet the condition{_unused(outcome)}"
    result = (
        f"so on {outcome.bad_days:,} of {words.count(outcome.days, 'day')} with {words.count(outcome.tests, 'test')}"
    )
    return f"{result}; {outcome.needed:,} or more days would meet the condition{_unused(outcome)}"


def _unused(outcome: Outcome) -> str:
    reasons = (
        (outcome.too_close, "too soon after another"),
        (outcome.thin_days, "on days with too few"),
        (outcome.unsold, "without a plan"),
    )
    named = ", ".join(f"{many:,} {why}" for many, why in reasons if many)
    return f" (left out: {named})" if named else ""
