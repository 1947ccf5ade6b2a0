"""Section: the summary, for readers who read nothing else. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.model import Scope, Status
from monitor.report import words
from monitor.report.blocks import Heading, Text
from monitor.report.parts import change, rules
from monitor.report.slots import RATES
from monitor.report.verdict import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.report.blocks import Block
    from monitor.report.evidence import Evidence

_TONES = {Answer.MET: "bad", Answer.NOT_MET: "good", Answer.OPEN: "note"}


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the section."""
    yield Heading("Summary")
    yield Text(_attempts(evidence), "lead")
    if not evidence.figures.counts.attempts:
        return
    yield from (Text(_speed(evidence, name)) for name in RATES if name in evidence.figures.spreads)
    yield _outages(evidence)
    if evidence.compliance:
        yield _verdict(evidence)
    yield from (Text(sentence, "lead") for sentence in change.sentences(evidence))


def _attempts(evidence: Evidence) -> str:
    counts, window = evidence.figures.counts, evidence.subject.window
    span = words.length((window.until - window.since).total_seconds())
    if not counts.attempts:
        return f"No test was made in this window of {span}, so nothing can be said about the line."
    line, skipped = counts.count_scope(Scope.LINE), counts.statuses[Status.SKIPPED]
    were = "was" if counts.attempts == 1 else "were"
    return (
        f"In {span}, {words.count(counts.attempts, 'test')} {were} due: {counts.trusted:,} gave a valid result, "
        f"{counts.broken:,} gave none ({line:,} of them because of the line or the ISP), {counts.doubtful:,} gave a "
        f"doubtful result that is not counted, and {skipped:,} did not start."
    )


def _speed(evidence: Evidence, name: str) -> str:
    spread, misses = evidence.figures.spreads[name], evidence.figures.below_plan.get(name)
    text = f"{words.NAMES[name]}: half of {spread.tests:,} results were below "
    text += f"{words.value(name, spread.median)} (median), and one in twenty below {words.value(name, spread.p5)}."
    if spread.tests == 1:
        text = f"{words.NAMES[name]}: the only result was {words.value(name, spread.median)}."
    if not misses:
        return text
    below_50, below_80, below_90 = (words.percent(miss.percent) if miss.count else "none" for miss in misses)
    return (
        f"{text} Of {words.count(misses[0].tests, 'result')} that can be compared with the plan, {below_90} were below "
        f"90 % of it, {below_80} below 80 % and {below_50} below 50 %."
    )


def _outages(evidence: Evidence) -> Text:
    downtime, available = evidence.figures.downtime, evidence.figures.downtime.available_pct
    if not downtime.outages:
        return Text("The tests saw no outage of the line.")
    availability = "" if available is None else f" (availability {words.percent(available)})"
    ongoing = " The last outage had not ended when the last test was made." if downtime.ongoing else ""
    return Text(
        f"{words.count(downtime.outages, 'outage')} of the line: it was down for {words.length(downtime.down_s)} of "
        f"the {words.length(downtime.watched_s)} in which it was watched{availability}.{ongoing}",
        "bad",
    )


def _verdict(evidence: Evidence) -> Text:
    assert evidence.compliance is not None  # noqa: S101  the caller checks it
    compliance, results = evidence.compliance, evidence.compliance.results
    met = [result.condition.name + rules.doubt(result) for result in results if result.answer is Answer.MET]
    of_all = f"{len(met)} of {words.count(len(results), 'condition')}"
    text = {
        Answer.MET: f"{of_all} met ({', '.join(met)}); one suffices",
        Answer.NOT_MET: "no condition met",
        Answer.OPEN: "not enough data for an answer to every condition, and none that has an answer is met",
    }[compliance.answer]
    return Text(f"Compared with “{compliance.profile.name}”: {text}.", _TONES[compliance.answer])  # type: ignore[arg-type]
