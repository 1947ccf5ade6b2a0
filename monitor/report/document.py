"""Assembles a report from its sections: their order is here, their text in the modules beside. Pure."""

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
    "distribution": "The share of the tests at or below each speed, with the plan for comparison",
    "latency": "Latency of each test over time, idle and under load",
    "availability": "A calendar of the days with failed tests and outages",
}
KINDS = tuple(SHOWS)
"""The kinds of graph that a report can show."""


@dataclass(frozen=True, slots=True)
class Data:
    """The CSV file beside the report: its name without folders, its SHA-256 in hex, and its number of runs."""

    name: str
    sha256: str
    rows: int


def document(evidence: Evidence, pictures: Mapping[str, bytes], runs: Iterable[Run], data: Data) -> Document:
    """Return the report. Its blocks are made while they are read, which can be done once.

    Args:
        evidence: all numbers.
        pictures: PNGs by kind of graph, see `KINDS`; a kind that is missing is left out.
        runs: all runs of the window, oldest first; read once, while the last table is written.
        data: the CSV file with the same runs.
    """
    return Document(title(evidence), _subtitle(evidence), _blocks(evidence, pictures, runs, data))


def title(evidence: Evidence) -> str:
    """Return the title, with the names of the probes."""
    probes = ", ".join(sorted(evidence.source.probes))
    return f"Evidence report: internet line of {probes}" if probes else "Evidence report: internet line"


def _subtitle(evidence: Evidence) -> str:
    window, zone = evidence.subject.window, evidence.subject.zone
    span = f"{words.moment(window.since, zone)} to {words.moment(window.until, zone)}"
    isps = evidence.source.isps
    return f"{span}, {words.listed(isps)}" if isps else span


def _blocks(evidence: Evidence, pictures: Mapping[str, bytes], runs: Iterable[Run], data: Data) -> Iterator[Block]:
    graphs = {kind: Picture(png, SHOWS[kind]) for kind, png in pictures.items() if kind in SHOWS}
    return chain(
        summary.blocks(evidence),
        _only(graphs, "throughput"),
        who.blocks(evidence),
        speeds.blocks(evidence),
        _only(graphs, "distribution", "latency"),
        speeds.times(evidence, _only(graphs, "heatmap")),
        rules.blocks(evidence),
        change.blocks(evidence),
        outages.blocks(evidence),
        _only(graphs, "availability"),
        outages.failures(evidence),
        method.blocks(evidence),
        method.data(data.name, data.sha256, data.rows),
        table.blocks(evidence, runs, data.name, data.rows),
    )


def _only(graphs: Mapping[str, Picture], *kinds: str) -> Iterator[Picture]:
    return (graphs[kind] for kind in kinds if kind in graphs)
