"""What a reader must know who reads nothing else. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.model import Scope, Status
from monitor.report import words
from monitor.report.blocks import Heading, Text
from monitor.report.figures import RATES
from monitor.report.parts import change, rules
from monitor.report.verdict import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.report.blocks import Block
    from monitor.report.evidence import Evidence

_TONES = {Answer.MET: "bad", Answer.NOT_MET: "good", Answer.OPEN: "note"}


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the summary."""
    yield Heading("Summary")
    yield Text(_attempts(evidence), "lead")
    if not evidence.figures.tally.attempts:
        return
    yield from (Text(_speed(evidence, name)) for name in RATES if name in evidence.figures.spreads)
    yield _outages(evidence)
    if evidence.verdict:
        yield _verdict(evidence)
    yield from (Text(sentence, "lead") for sentence in change.sentences(evidence))


def _attempts(evidence: Evidence) -> str:
    found, window = evidence.figures.tally, evidence.subject.window
    span = words.length((window.until - window.since).total_seconds())
    if not found.attempts:
        return f"In this window of {span} no test was made, so nothing can be said about the line."
    line, skipped = found.of_scope(Scope.LINE), found.statuses[Status.SKIPPED]
    were = "was" if found.attempts == 1 else "were"
    return (
        f"In {span}, {words.count(found.attempts, 'test')} {were} to be made: {found.trusted:,} gave a result that "
        f"speaks for the line, {found.broken:,} gave none ({line:,} of them because of the line or the ISP), "
        f"{found.doubtful:,} gave one that is doubtful and not counted, and {skipped:,} did not start."
    )


def _speed(evidence: Evidence, name: str) -> str:
    spread, shares = evidence.figures.spreads[name], evidence.figures.short.get(name)
    text = f"{words.NAMES[name]}: half of {spread.tests:,} results were below "
    text += f"{words.value(name, spread.median)} (median), one in twenty below {words.value(name, spread.p5)}."
    if spread.tests == 1:
        text = f"{words.NAMES[name]}: the only result was {words.value(name, spread.median)}."
    if not shares:
        return text
    half, most, nearly = (words.percent(share.percent) if share.count else "none" for share in shares)
    return (
        f"{text} Of {words.count(shares[0].tests, 'result')} that can be held against the plan, {nearly} stayed below "
        f"90 % of it, {most} below 80 % and {half} below 50 %."
    )


def _outages(evidence: Evidence) -> Text:
    found = evidence.figures.downtime
    if not found.outages:
        return Text("No outage of the line was seen by the tests.")
    available = "" if found.available_pct is None else f", so that it was up for {words.percent(found.available_pct)}"
    lasting = " The last one had not ended when the last test was made." if found.lasting else ""
    return Text(
        f"{words.count(found.outages, 'outage')} of the line: out for {words.length(found.out_s)} of the "
        f"{words.length(found.watched_s)} that were watched{available}.{lasting}",
        "bad",
    )


def _verdict(evidence: Evidence) -> Text:
    assert evidence.verdict is not None  # noqa: S101  the caller looked
    found = evidence.verdict
    met = [each.condition.name + rules.doubt(each) for each in found.outcomes if each.answer is Answer.MET]
    of_all = f"{len(met)} of {words.count(len(found.outcomes), 'condition')}"
    text = {
        Answer.MET: f"{of_all} met ({', '.join(met)}); one suffices",
        Answer.NOT_MET: "no condition met",
        Answer.OPEN: "not enough data to answer all conditions, and none that was answered is met",
    }[found.answer]
    return Text(f"Held against “{found.profile.name}”: {text}.", _TONES[found.answer])  # type: ignore[arg-type]
