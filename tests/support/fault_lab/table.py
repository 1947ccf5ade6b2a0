"""Turns the reports of the faults' lab into the section of docs/failures.md between two marks. Pure but for `main`.

`python -m fault_lab.table FILE` writes the section from the reports that `fault_lab.run --output FILE` made.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fault_lab.faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fault_lab.faults import Fault

BEGIN, END = "<!-- lab: begin -->", "<!-- lab: end -->"

DOCUMENT = Path(__file__).parents[3] / "docs" / "failures.md"

_BY_NAME = {fault.name: fault for fault in FAULTS}


def scope_of(report: dict[str, Any]) -> str:
    """Return the scope that a report ends with, or the status of a test that did not fail."""
    return str(report["failure"]["scope"] if report["failure"] else report["status"])


def is_right(report: dict[str, Any]) -> bool:
    """Whether a report has a scope that is right for its fault."""
    return scope_of(report) in _BY_NAME[report["name"]].right


def is_false_outage(report: dict[str, Any]) -> bool:
    """Whether somebody else's fault is counted as an outage of the line."""
    return scope_of(report) == "line" and "line" not in _BY_NAME[report["name"]].right


def is_missed_outage(report: dict[str, Any]) -> bool:
    """Whether a fault of the line is blamed on somebody else, or on nobody."""
    return _BY_NAME[report["name"]].right[0] == "line" and not is_right(report)


def make_section(reports: Sequence[dict[str, Any]]) -> str:
    """Return the section: the sums, a line for each class, the faults that came out wrong, and every fault."""
    return "\n".join(
        (BEGIN, "", *_summary(reports), "", *_classes(reports), "", *_wrong(reports), *_every(reports), "", END)
    )


def _summary(reports: Sequence[dict[str, Any]]) -> Iterator[str]:
    right, count = sum(map(is_right, reports)), len(reports)
    yield (
        f"By the last run of each fault, {right} of {count} verdicts are right ({100 * right / count:.1f} %),"
        f" {sum(map(is_false_outage, reports))} false outages of the line,"
        f" {sum(map(is_missed_outage, reports))} missed."
    )


def _classes(reports: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "| class | faults | right | false outages | missed outages | s beyond the engine: median | longest |"
    yield "|---|---|---|---|---|---|---|"
    for group in dict.fromkeys(fault.group for fault in FAULTS):
        members = [report for report in reports if _BY_NAME[report["name"]].group == group]
        if not members:
            continue
        beyond = [report["beyond"] for report in members if report.get("beyond") is not None and report["beyond"] > 0]
        times = (f"{statistics.median(beyond):.1f}", f"{max(beyond):.1f}") if beyond else ("", "")
        counts = [len(members), *(sum(map(count, members)) for count in (is_right, is_false_outage, is_missed_outage))]
        yield f"| {' | '.join((group, *map(str, counts), *times))} |"


def _wrong(reports: Sequence[dict[str, Any]]) -> Iterator[str]:
    wrong = [report for report in reports if not is_right(report)]
    if wrong:
        yield "Those that came out wrong, with the reason that was given:"
        yield ""
    for report in wrong:
        fault = _BY_NAME[report["name"]]
        message = (report["failure"] or {}).get("message", "no failure")
        yield f"- {fault.name}: {scope_of(report)} for {fault.right[0]}: `{message.replace('`', '')}`"
    if wrong:
        yield ""


def _every(reports: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "| fault | class | engine | path | right | verdict | rule |"
    yield "|---|---|---|---|---|---|---|"
    for report in reports:
        fault: Fault = _BY_NAME[report["name"]]
        cells = (fault.name, fault.group, fault.engine, fault.path, " or ".join(fault.right), scope_of(report))
        yield f"| {' | '.join((*cells, report.get('rule') or ''))} |"


def put_section(document: str, section: str) -> str:
    """Return a document with the section between its marks replaced."""
    before, _, rest = document.partition(BEGIN)
    return before + section + rest.partition(END)[2]


def read_section(document: str) -> str:
    """Return the section of a document, marks included."""
    return BEGIN + document.partition(BEGIN)[2].partition(END)[0] + END


def main() -> None:
    """Write the section from the file of the command line."""
    reports = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    DOCUMENT.write_text(put_section(DOCUMENT.read_text(), make_section(reports)))


if __name__ == "__main__":
    main()
