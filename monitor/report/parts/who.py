"""Who measured what, how and when; and what was sold. Pure."""

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
"""With more changes than these, several lines are mixed, and each plan is told once."""
_SOLD = ("download_bps", "upload_bps", "latency_ms")


def blocks(evidence: Evidence) -> Iterator[Block]:
    """Yield who measured what."""
    yield Heading("Who measured what, how and when")
    yield Facts(tuple(_rows(evidence)))
    if _several(evidence):
        yield Text("The tests of several probes or paths are counted together in all numbers below.", "bad")
    yield Heading("What was sold")
    yield from _plan(evidence)


def _rows(evidence: Evidence) -> Iterator[tuple[str, str]]:
    subject, found = evidence.subject, evidence.source
    zone = subject.zone
    yield "Window", f"{words.moment(subject.window.since, zone)} to {words.moment(subject.window.until, zone)}"
    yield "Times", f"local time of {zone.key}, each with its offset from UTC"
    yield "Measured at", ", ".join(sorted(found.probes)) or words.NONE
    yield from subject.facts
    yield "ISP, as the tests saw it", words.listed(found.isps)
    yield "External address", _address(evidence)
    yield "Path", "; ".join(words.PATHS[path] for path, _ in found.paths.most_common()) or words.NONE
    yield "Measuring program", ", ".join(subject.engines) or words.listed(found.engines)
    yield "Run and recorded by", f"speedmon {subject.version}"
    yield "Test servers", words.listed(found.servers)
    yield "How often", _pace(evidence)
    yield "First and last test", _ends(evidence)
    yield "Pauses without tests", _pauses(evidence)
    yield "Report made", words.moment(subject.made_at, zone)


def _several(evidence: Evidence) -> bool:
    return len(evidence.source.probes) > 1 or len(evidence.source.paths) > 1


def _pace(evidence: Evidence) -> str:
    every = evidence.figures.watched.every_s
    if not every:
        return words.NONE
    return f"usually every {words.length(every)}" + (", for each probe and path" if _several(evidence) else "")


def _address(evidence: Evidence) -> str:
    families = words.listed(Counter({f"IPv{family}": many for family, many in evidence.source.families.items()}))
    listed = ", ".join(evidence.subject.addresses)
    return f"{listed} ({families})" if listed else families


def _ends(evidence: Evidence) -> str:
    ends = (evidence.source.first, evidence.source.last)
    return " and ".join(words.moment(at, evidence.subject.zone) for at in ends if at) or words.NONE


def _pauses(evidence: Evidence) -> str:
    pauses = evidence.figures.watched.pauses
    if not pauses:
        return "none"
    longest = max(end - start for start, end in pauses)
    total = sum(end - start for start, end in pauses)
    return (
        f"{len(pauses):,}, {words.length(total)} in all, the longest {words.length(longest)}; nothing is said of them"
    )


def _plan(evidence: Evidence) -> Iterator[Block]:
    window, zone = evidence.subject.window, evidence.subject.zone
    spells = list(evidence.promised.during(window.since, window.until))
    if all(words.plan(plan) == "nothing" for _, plan in spells):
        yield Text("No plan was given to the program, so nothing below is compared with one.", "note")
        return
    if len(spells) > MOST_PLANS:
        named = dict.fromkeys(words.plan(plan) for _, plan in spells)
        yield Text(f"Each test is judged by the plan that it was stored with, one of: {'; '.join(named)}.")
        return
    columns = (Column("From"), *(Column(words.NAMES[name], "right") for name in _SOLD))
    rows = [
        (
            Cell(words.moment(since, zone) if at else "before the window"),
            *(Cell(words.promised(name, getattr(plan, name))) for name in _SOLD),
        )
        for at, (since, plan) in enumerate(spells)
    ]
    yield Table("The plan by which each test is judged: the one that was in force when it ran", columns, rows)
    if evidence.promised.retold:
        yield Text(
            "The tests ran before the plan was given to the program. They are judged by the plan that is given now.",
            "note",
        )
    if evidence.promised.unjudged:
        yield Text("Tests that were stored without a plan, such as imported ones, are compared with none.", "note")
