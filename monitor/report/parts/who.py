"""Sections: who measured what, how and when; the plan. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from monitor.report import words
from monitor.report.blocks import Cell, Column, Facts, Heading, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.report.blocks import Block
    from monitor.report.evidence import Evidence

MOST_PLANS = 20
"""With more changes of plan than this, lines with different plans are mixed; then each plan is listed once."""
_SOLD = ("download_bps", "upload_bps", "latency_ms")


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield both sections."""
    yield Heading("Who measured what, how and when")
    yield Facts(tuple(_rows(evidence)))
    if _several(evidence):
        yield Text("The tests of several probes or paths are counted together in all numbers below.", "bad")
    yield Heading("The plan")
    yield from _plan(evidence)


def _rows(evidence: Evidence) -> Iterator[tuple[str, str]]:
    subject, source = evidence.subject, evidence.source
    zone = subject.zone
    yield "Window", f"{words.moment(subject.window.since, zone)} to {words.moment(subject.window.until, zone)}"
    yield "Times", f"local time of {zone.key}, each with its offset from UTC"
    yield "Measured at", ", ".join(sorted(source.probes)) or words.NONE
    yield from subject.facts
    yield "ISP, as the tests reported it", words.listed(source.isps)
    yield "External address", _address(evidence)
    yield "Path", "; ".join(words.PATHS[path] for path, _ in source.paths.most_common()) or words.NONE
    yield "Measuring program", ", ".join(subject.engines) or words.listed(source.engines)
    yield "Run and recorded by", f"speedmon {subject.version}"
    yield "Test servers", words.listed(source.servers)
    yield "How often", _pace(evidence)
    yield "First and last test", _ends(evidence)
    yield "Pauses in testing", _pauses(evidence)
    yield "Report made", words.moment(subject.made_at, zone)


def _several(evidence: Evidence) -> bool:
    return len(evidence.source.probes) > 1 or len(evidence.source.paths) > 1


def _pace(evidence: Evidence) -> str:
    interval = evidence.figures.watched.interval_s
    if not interval:
        return words.NONE
    return f"usually every {words.length(interval)}" + (", for each probe and path" if _several(evidence) else "")


def _address(evidence: Evidence) -> str:
    families = words.listed(Counter({f"IPv{family}": count for family, count in evidence.source.families.items()}))
    addresses = ", ".join(evidence.subject.addresses)
    return f"{addresses} ({families})" if addresses else families


def _ends(evidence: Evidence) -> str:
    ends = (evidence.source.first, evidence.source.last)
    return " and ".join(words.moment(at, evidence.subject.zone) for at in ends if at) or words.NONE


def _pauses(evidence: Evidence) -> str:
    pauses = evidence.figures.watched.pauses
    if not pauses:
        return "none"
    lengths = [end - start for start, end in pauses]
    total, longest = words.length(sum(lengths)), words.length(max(lengths))
    return f"{len(pauses):,}, {total} in total, the longest {longest}; they count as neither up nor down"


def _plan(evidence: Evidence) -> Iterator[Block]:
    window, zone = evidence.subject.window, evidence.subject.zone
    periods = list(evidence.plans.plans_between(window.since, window.until))
    if all(words.plan(plan) == "nothing" for _, plan in periods):
        yield Text("No plan was configured, so nothing below is compared with one.", "note")
        return
    if len(periods) > MOST_PLANS:
        plans = dict.fromkeys(words.plan(plan) for _, plan in periods)
        yield Text(f"Each test is compared with the plan that it was stored with, one of: {'; '.join(plans)}.")
        return
    columns = (Column("From"), *(Column(words.NAMES[name], "right") for name in _SOLD))
    rows = [
        (
            Cell(words.moment(since, zone) if at else "before the window"),
            *(Cell(words.promised(name, getattr(plan, name))) for name in _SOLD),
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
