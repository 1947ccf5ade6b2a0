"""Section: the tests compared with a rule profile: each condition, its answer and the figures behind it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.output import units
from monitor.report import wording
from monitor.report.document import Cell, Column, Heading, Table, Text
from monitor.report.rules import ConditionAnswer, DaysWithMiss, DaysWithout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.report.document import Block
    from monitor.report.evidence import Evidence
    from monitor.report.rules import AnyCondition, ConditionResult, SampleRules


_ANSWER_SHADES = {ConditionAnswer.MET: 1.0, ConditionAnswer.NOT_MET: 0.0, ConditionAnswer.OPEN: 0.3}

_DISCLAIMER = """\
This is not an official finding: it was not made with the means of any authority, and only compares the stored tests
with the conditions below. “Met” means that a condition for a deviation is met; one suffices. A condition that asks for
a number of days out of several asks for the same share of more days: 2 of 3 become 20 of 30.
"""


def compliance_blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the section; nothing without a profile."""
    if evidence.compliance is None:
        return
    profile = evidence.compliance.profile
    yield Heading(f"Compared with rules: {profile.name}")
    yield Text(profile.notice, "bad")
    yield from (Text(text, "note") for text in wording.split_paragraphs(_DISCLAIMER))
    if profile.source:
        yield Text(f"Source of the rules: {profile.source}.", "note")
    yield Text(_sample_sentence(profile.sample))
    columns = (Column("Condition"), Column("Met if"), Column("Result"), Column("Answer"))
    yield Table("The conditions", columns, [_condition_row(result) for result in evidence.compliance.results])
    for note in dict.fromkeys(condition.note for condition in profile.conditions if condition.note):
        names = ", ".join(condition.name for condition in profile.conditions if condition.note == note)
        yield Text(f"{names}: {note}", "note")


def _sample_sentence(sample: SampleRules) -> str:
    minutes = units.format_trimmed(sample.spacing_min)
    spacing = f", each at least {minutes} minutes after the one before" if sample.spacing_min else ""
    tests, days = units.format_count(sample.tests, "test"), units.format_count(sample.days, "day")
    tests_per_day = units.format_count(sample.tests_per_day, "test")
    return (
        f"The rules require at least {tests} on at least {days} with {tests_per_day} or more{spacing}. Failed tests do "
        "not count."
    )


def _condition_row(result: ConditionResult) -> tuple[Cell, ...]:
    return (
        Cell(result.condition.name),
        Cell(describe_condition(result.condition)),
        Cell(describe_result(result)),
        Cell(result.answer.value + assumption_note(result), shade=_ANSWER_SHADES[result.answer]),
    )


def assumption_note(result: ConditionResult) -> str:
    """Return a remark if no contract states the level of a condition, else an empty text."""
    return " (assumed level)" if result.condition.assumed else ""


def describe_condition(condition: AnyCondition) -> str:
    """Return when a condition is met, as a clause: on at least 2 of 3 days no test reached 90 % of ..."""
    level = _level_text(condition)
    match condition:
        case DaysWithout():
            return f"on {_days_text(condition)} no test reached {level}"
        case DaysWithMiss():
            return f"on {_days_text(condition)} at least one test did not reach {level}"
    return f"fewer than {units.format_trimmed(condition.percent)} % of the tests reached {level}"


def _days_text(condition: DaysWithout | DaysWithMiss) -> str:
    if condition.of_days is None:
        return f"at least {units.format_count(condition.days, 'day')}"
    return f"at least {condition.days} of {units.format_count(condition.of_days, 'day')}"


def _level_text(condition: AnyCondition) -> str:
    level, name = condition.level, condition.metric
    if level.percent_of_plan is not None:
        return f"{units.format_trimmed(level.percent_of_plan)} % of the plan's {name}"
    if level.mbit_s is not None:
        return f"{units.format_trimmed(level.mbit_s)} Mbit/s {name}"
    return f"{units.format_trimmed(level.ms or 0)} ms {name} or less"


def describe_result(result: ConditionResult) -> str:
    """Return the figures behind an answer."""
    if result.shortage:
        return f"{result.shortage}{_left_out_text(result)}"
    tests = units.format_count(result.tests, "test")
    if result.bad_days is None:
        share = units.format_percent(100 * result.reached / result.tests)
        figures = (
            f"{result.reached:,} of {tests} ({share}) reached it; fewer than {result.needed:,} would meet the condition"
        )
    else:
        days = units.format_count(result.days, "day")
        figures = (
            f"so on {result.bad_days:,} of {days} with {tests}; {result.needed:,} or more would meet the condition"
        )
    return f"{figures}{_left_out_text(result)}"


def _left_out_text(result: ConditionResult) -> str:
    reasons = (
        (result.too_close, "too soon after another"),
        (result.on_thin_days, "on days with too few"),
        (result.without_plan, "without a plan"),
    )
    listing = ", ".join(f"{count:,} {reason}" for count, reason in reasons if count)
    return f" (left out: {listing})" if listing else ""
