"""Details of a run below its row of a table: the full failure, the diagnosis, remarks. Pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from monitor.model import Kind, Status
from monitor.table import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.model import Failure, Run
    from netns.findings import Answer, Findings, InnerLink

# The width of the column of times in the table above.
_INDENT = " " * 18


def lines(run: Run, findings: Findings | None, width: int, indent: str = _INDENT) -> Iterator[str]:
    """Yield lines of at most `width` columns; none if there are no details."""
    for text in _paragraphs(run, findings):
        yield from textwrap.wrap(printable(text), width, initial_indent=indent, subsequent_indent=indent + "  ")


def _paragraphs(run: Run, findings: Findings | None) -> Iterator[str]:
    if run.failure:
        yield _failure(run.failure, run.status)
    if run.retry_of:
        yield f"attempt {run.attempt}, after run {run.retry_of}"
    yield from (f"{remark.kind}: {remark.message}" for remark in run.remarks)
    if findings:
        yield from _found(findings)


def _failure(failure: Failure, status: Status) -> str:
    if status is Status.SKIPPED and failure.kind is Kind.UNKNOWN:
        return f"{failure.message}{_end(failure)}"
    stage = f", at {failure.stage}" if failure.stage else ""
    return f"{failure.kind} ({failure.scope}{stage}): {failure.message}{_end(failure)}"


def _end(failure: Failure) -> str:
    if failure.signal:
        return f" (signal {failure.signal})"
    return f" (exit code {failure.exit_code})" if failure.exit_code is not None else ""


def _found(findings: Findings) -> Iterator[str]:
    yield "diagnosis: " + "; ".join(part for part in _parts(findings) if part)


def _parts(findings: Findings) -> Iterator[str]:
    yield _link(findings.uplink)
    yield f"gateway {_answer(findings.gateway)}" if findings.gateway else "no default route inside"
    yield f"DNS {_answers(findings.servers)}" if findings.servers else "no name server"
    yield f"hosts {_answers(findings.hosts)}" if findings.hosts else ""
    yield f"provider {_answers(findings.far)}" if findings.far else ""
    yield f"from the host {_answers(findings.direct)}" if findings.direct else ""


def _link(uplink: InnerLink | None) -> str:
    if uplink is None:
        return "no default route"
    return f"uplink {uplink.name} {'has a carrier' if uplink.up else 'has no carrier'}"


def _answers(answers: Iterable[Answer]) -> str:
    return ", ".join(map(_answer, answers))


def _answer(answer: Answer) -> str:
    return f"{answer.target} {answer.error or f'in {answer.ms:.0f} ms'}"
