"""The report in words: what was counted becomes headings, text, facts, tables and pictures. Pure.

The order of the sections is here; what each says is in `parts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from monitor.report import words
from monitor.report.blocks import Document, Picture
from monitor.report.parts import change, method, outages, rules, speeds, summary, table, who

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from monitor.model import Run
    from monitor.report.blocks import Block
    from monitor.report.evidence import Evidence

SHOWS = {
    "throughput": "Download, upload and latency of each test over time, with failed tests and outages marked",
    "heatmap": "Median speed by hour of the day and weekday",
    "distribution": "How many of the tests reached which speed, beside the plan",
    "latency": "Latency of each test over time, idle and while the line was busy with the test",
    "availability": "A calendar of the days with failed tests and outages",
}
KINDS = tuple(SHOWS)
"""The kinds of graph that a report shows, where it is given them."""


@dataclass(frozen=True, slots=True)
class Data:
    """The CSV beside the report: its name without folders, the SHA-256 of its bytes in hex, and its number of runs."""

    name: str
    sha256: str
    rows: int


def document(evidence: Evidence, pictures: Mapping[str, bytes], runs: Iterable[Run], data: Data) -> Document:
    """Return the report; its blocks are made as they are read, once.

    Args:
        evidence: the numbers.
        pictures: PNGs by kind of graph, see `KINDS`; one that is missing is left out.
        runs: all runs of the window, oldest first; read once, while the last table is written.
        data: the CSV that holds the same runs.
    """
    return Document(title(evidence), _subtitle(evidence), _blocks(evidence, pictures, runs, data))


def title(evidence: Evidence) -> str:
    """Return what the report is called."""
    probes = ", ".join(sorted(evidence.source.probes))
    return f"Evidence report: internet line of {probes}" if probes else "Evidence report: internet line"


def _subtitle(evidence: Evidence) -> str:
    window, zone = evidence.subject.window, evidence.subject.zone
    span = f"{words.moment(window.since, zone)} to {words.moment(window.until, zone)}"
    isps = evidence.source.isps
    return f"{span}, {words.listed(isps)}" if isps else span


def _blocks(evidence: Evidence, pictures: Mapping[str, bytes], runs: Iterable[Run], data: Data) -> Iterator[Block]:
    shown = {kind: Picture(png, SHOWS[kind]) for kind, png in pictures.items() if kind in SHOWS}
    return chain(
        summary.blocks(evidence),
        _only(shown, "throughput"),
        who.blocks(evidence),
        speeds.blocks(evidence),
        _only(shown, "distribution", "latency"),
        speeds.times(evidence, _only(shown, "heatmap")),
        rules.blocks(evidence),
        change.blocks(evidence),
        outages.blocks(evidence),
        _only(shown, "availability"),
        outages.failures(evidence),
        method.blocks(evidence),
        method.data(data.name, data.sha256, data.rows),
        table.blocks(evidence, runs, data.name, data.rows),
    )


def _only(shown: Mapping[str, Picture], *kinds: str) -> Iterator[Picture]:
    return (shown[kind] for kind in kinds if kind in shown)
