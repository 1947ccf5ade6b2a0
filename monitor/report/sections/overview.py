"""Sections: the summary, for readers who read nothing else; who measured what, how and when; the plan. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from monitor.analysis.metrics import RATE_METRICS, SPEED_METRICS
from monitor.model import Scope, Status, describe_server
from monitor.output import units
from monitor.report import wording
from monitor.report.document import Cell, Column, Facts, Heading, Table, Text
from monitor.report.rules import ConditionAnswer
from monitor.report.sections import comparison
from monitor.report.sections.compliance import assumption_note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.analysis.plan import PlanMisses
    from monitor.report.document import Block, Tone
    from monitor.report.evidence import Evidence
    from monitor.report.rules import ProfileResult


# With more changes of plan than this, lines with different plans are mixed; then each plan is listed once.
MAX_LISTED_PLANS = 20

_ANSWER_TONES: dict[ConditionAnswer, Tone] = {
    ConditionAnswer.MET: "bad",
    ConditionAnswer.NOT_MET: "good",
    ConditionAnswer.OPEN: "note",
}


def summary_blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the section."""
    yield Heading("Summary")
    yield Text(_attempts_sentence(evidence), "lead")
    if not evidence.figures.counts.attempts:
        return
    yield from (Text(_speed_sentence(evidence, name)) for name in RATE_METRICS if name in evidence.figures.spreads)
    yield _outages_text(evidence)
    if evidence.compliance:
        yield _profile_text(evidence.compliance)
    yield from (Text(sentence, "lead") for sentence in comparison.shift_sentences(evidence))


def _attempts_sentence(evidence: Evidence) -> str:
    counts, window = evidence.figures.counts, evidence.subject.window
    span = units.format_duration((window.until - window.since).total_seconds())
    if not counts.attempts:
        return f"No test was made in this window of {span}, so nothing can be said about the line."
    line, skipped = counts.scopes[Scope.LINE], counts.statuses[Status.SKIPPED]
    were = "was" if counts.attempts == 1 else "were"
    return (
        f"In {span}, {units.format_count(counts.attempts, 'test')} {were} due: {counts.trusted:,} gave a valid result, "
        f"{counts.broken:,} gave none ({line:,} of them because of the line or the ISP), {counts.doubtful:,} gave a "
        f"doubtful result that is not counted, and {skipped:,} did not start."
    )


def _speed_sentence(evidence: Evidence, name: str) -> str:
    spread, misses = evidence.figures.spreads[name], evidence.figures.below_plan.get(name)
    median, p5 = units.format_metric(name, spread.median), units.format_metric(name, spread.p5)
    text = f"{wording.METRIC_NAMES[name]}: half of {spread.tests:,} results were below {median} (median), "
    text += f"and one in twenty below {p5}."
    if spread.tests == 1:
        text = f"{wording.METRIC_NAMES[name]}: the only result was {median}."
    if not misses:
        return text
    *lower, met = misses
    results = units.format_count(met.tests, "result")
    return (
        f"{text} It was {wording.plan_met_phrase(met)}. Of {results} that can be compared with the plan, "
        f"{_miss_share(met)} were below {units.format_trimmed(met.limit)} % of it{_lower_shares(lower)}."
    )


def _miss_share(misses: PlanMisses) -> str:
    return units.format_percent(misses.percent) if misses.count else "none"


def _lower_shares(lower: Sequence[PlanMisses]) -> str:
    """Return the shares of tests below lower limits, the highest first: , 5 % below 80 % and none below 50 %."""
    texts = [f"{_miss_share(misses)} below {units.format_trimmed(misses.limit)} %" for misses in reversed(lower)]
    return f", {' and '.join(texts)}" if texts else ""


def _outages_text(evidence: Evidence) -> Text:
    downtime, available = evidence.figures.downtime, evidence.figures.downtime.available_pct
    if not downtime.outages:
        return Text("The tests saw no outage of the line.")
    availability = "" if available is None else f" (availability {units.format_percent(available)})"
    ongoing = " The last outage had not ended when the last test was made." if downtime.ongoing else ""
    outages, down = units.format_count(downtime.outages, "outage"), units.format_duration(downtime.down_s)
    watched = units.format_duration(downtime.watched_s)
    return Text(
        f"{outages} of the line: it was down for {down} of the {watched} in which it was watched{availability}."
        f"{ongoing}",
        "bad",
    )


def _profile_text(compliance: ProfileResult) -> Text:
    results = compliance.results
    met = [
        result.condition.name + assumption_note(result) for result in results if result.answer is ConditionAnswer.MET
    ]
    of_all = f"{len(met)} of {units.format_count(len(results), 'condition')}"
    text = {
        ConditionAnswer.MET: f"{of_all} met ({', '.join(met)}); one suffices",
        ConditionAnswer.NOT_MET: "no condition met",
        ConditionAnswer.OPEN: "not enough data for an answer to every condition, and none that has an answer is met",
    }[compliance.answer]
    return Text(f"Compared with “{compliance.profile.name}”: {text}.", _ANSWER_TONES[compliance.answer])


def source_blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield the sections on the source and on the plan."""
    yield Heading("Who measured what, how and when")
    yield Facts(tuple(_source_facts(evidence)))
    if _has_several_sources(evidence):
        yield Text("The tests of several probes or paths are counted together in all numbers below.", "bad")
    yield Heading("The plan")
    yield from _plan_blocks(evidence)


def _source_facts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    subject, source, zone = evidence.subject, evidence.source, evidence.subject.zone
    since, until = (units.format_time_with_offset(at, zone) for at in (subject.window.since, subject.window.until))
    yield "Window", f"{since} to {until}"
    yield "Times", f"local time of {zone.key}, each with its offset from UTC"
    yield "Measured at", ", ".join(sorted(source.probes)) or units.NO_VALUE
    yield from subject.facts
    yield "ISP, as the tests reported it", units.format_shares(source.isps)
    yield "External address", _address_text(evidence)
    yield "Path", "; ".join(wording.PATH_PHRASES[path] for path, _ in source.paths.most_common()) or units.NO_VALUE
    yield "Measuring program", ", ".join(subject.engines) or units.format_shares(source.engines)
    yield "Run and recorded by", f"speedmon {subject.version}"
    yield "Test servers", units.format_shares(source.servers_by(lambda server: describe_server(server) or "not named"))
    yield "How often", _interval_text(evidence)
    yield "First and last test", _first_and_last_test(evidence)
    yield "Pauses in testing", _pauses_text(evidence)
    yield "Report made", units.format_time_with_offset(subject.made_at, zone)


def _has_several_sources(evidence: Evidence) -> bool:
    return len(evidence.source.probes) > 1 or len(evidence.source.paths) > 1


def _interval_text(evidence: Evidence) -> str:
    interval = evidence.figures.watched.interval_s
    if not interval:
        return units.NO_VALUE
    return f"usually every {units.format_duration(interval)}" + (
        ", for each probe and path" if _has_several_sources(evidence) else ""
    )


def _address_text(evidence: Evidence) -> str:
    families = units.format_shares(
        Counter({f"IPv{family}": count for family, count in evidence.source.families.items()})
    )
    addresses = ", ".join(evidence.subject.addresses)
    return f"{addresses} ({families})" if addresses else families


def _first_and_last_test(evidence: Evidence) -> str:
    ends = (evidence.source.first, evidence.source.last)
    return " and ".join(units.format_time_with_offset(at, evidence.subject.zone) for at in ends if at) or units.NO_VALUE


def _pauses_text(evidence: Evidence) -> str:
    pauses = evidence.figures.watched.pauses
    if not pauses:
        return "none"
    lengths = [end - start for start, end in pauses]
    total, longest = units.format_duration(sum(lengths)), units.format_duration(max(lengths))
    return f"{len(pauses):,}, {total} in total, the longest {longest}; they count as neither up nor down"


def _plan_blocks(evidence: Evidence) -> Iterator[Block]:
    window, zone = evidence.subject.window, evidence.subject.zone
    periods = list(evidence.plans.plans_between(window.since, window.until))
    if all(wording.plan_phrase(plan) == "nothing" for _, plan in periods):
        yield Text("No plan was configured, so nothing below is compared with one.", "note")
        return
    if len(periods) > MAX_LISTED_PLANS:
        plans = dict.fromkeys(wording.plan_phrase(plan) for _, plan in periods)
        yield Text(f"Each test is compared with the plan that it was stored with, one of: {'; '.join(plans)}.")
        return
    columns = (Column("From"), *(Column(wording.METRIC_NAMES[name], "right") for name in SPEED_METRICS))
    rows = [
        (
            Cell(units.format_time_with_offset(since, zone) if at else "before the window"),
            *(Cell(wording.promised_value(name, getattr(plan, name))) for name in SPEED_METRICS),
        )
        for at, (since, plan) in enumerate(periods)
    ]
    yield Table("The plan that each test is compared with: the one in force when it ran", columns, rows)
    if evidence.plans.is_retroactive:
        yield Text(
            "The tests ran before the plan was configured. They are compared with the plan that is configured now.",
            "note",
        )
    if evidence.plans.has_runs_without_plan:
        yield Text("Tests that were stored without a plan, such as imported ones, are not compared with any.", "note")
