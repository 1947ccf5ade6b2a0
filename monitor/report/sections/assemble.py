"""Assembles a report from its sections: their order is here, their text in the modules beside. Pure."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from monitor.output import units
from monitor.report.document import DataFile, Document, Picture
from monitor.report.sections import comparison, compliance, method, outages, overview, results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from monitor.model import Run
    from monitor.report.document import Block
    from monitor.report.evidence import Evidence


# The kinds of graph that a report shows, with their text alternatives.
GRAPH_DESCRIPTIONS = {
    "throughput": "Download, upload and latency of each test over time, with failed tests and outages marked",
    "heatmap": "Median speed by hour of the day and weekday",
    "distribution": "The share of the tests at or below each speed, with the plan for comparison",
    "latency": "Latency of each test over time, idle and under load",
    "availability": "A calendar of the days with failed tests and outages",
}

GRAPH_KINDS = tuple(GRAPH_DESCRIPTIONS)


def assemble_document(
    evidence: Evidence, pictures: Mapping[str, bytes], runs: Iterable[Run], data: DataFile
) -> Document:
    """Return the report. Its blocks are made while they are read, which can be done once.

    Args:
        evidence: all numbers.
        pictures: PNGs by kind of graph, see `GRAPH_KINDS`; a kind that is missing is left out.
        runs: all runs of the window, oldest first; read once, while the last table is written.
        data: the CSV file with the same runs.
    """
    return Document(report_title(evidence), _report_subtitle(evidence), _all_blocks(evidence, pictures, runs, data))


def report_title(evidence: Evidence) -> str:
    """Return the title, with the names of the probes."""
    probes = ", ".join(sorted(evidence.source.probes))
    return f"Evidence report: internet line of {probes}" if probes else "Evidence report: internet line"


def _report_subtitle(evidence: Evidence) -> str:
    window, zone = evidence.subject.window, evidence.subject.zone
    span = f"{units.format_time_with_offset(window.since, zone)} to {units.format_time_with_offset(window.until, zone)}"
    isps = evidence.source.isps
    return f"{span}, {units.format_shares(isps)}" if isps else span


def _all_blocks(
    evidence: Evidence, pictures: Mapping[str, bytes], runs: Iterable[Run], data: DataFile
) -> Iterator[Block]:
    graphs = {
        kind: Picture(png, GRAPH_DESCRIPTIONS[kind]) for kind, png in pictures.items() if kind in GRAPH_DESCRIPTIONS
    }
    return chain(
        overview.summary_blocks(evidence),
        _select_pictures(graphs, "throughput"),
        overview.source_blocks(evidence),
        results.speed_blocks(evidence),
        _select_pictures(graphs, "distribution", "latency"),
        results.time_of_day_blocks(evidence, _select_pictures(graphs, "heatmap")),
        compliance.compliance_blocks(evidence),
        comparison.comparison_blocks(evidence),
        outages.outage_blocks(evidence),
        _select_pictures(graphs, "availability"),
        outages.failure_blocks(evidence),
        method.method_blocks(evidence),
        method.data_blocks(data.name, data.sha256, data.rows),
        results.results_table_blocks(evidence, runs, data.name, data.rows),
    )


def _select_pictures(graphs: Mapping[str, Picture], *kinds: str) -> Iterator[Picture]:
    return (graphs[kind] for kind in kinds if kind in graphs)
