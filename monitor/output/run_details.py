"""Everything stored about one run, as lines of text, and what `history --verbose` prints below its row.

Pure; unknown values are left out.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from monitor.model import describe_failure
from monitor.output.evidence_words import evidence_lines
from monitor.output.tables import to_printable
from monitor.output.units import format_exact_time, format_megabytes, format_ms, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from monitor.model import Attempt, Failure, Plan, RawOutput, Run, Server, Trace
    from netns.probe.findings import Findings, InnerLink, ProbeAnswer


_NAME_WIDTH = 12

# The width of the column of times in the table above.
_INDENT = " " * 18


def run_lines(attempt: Attempt, zone: ZoneInfo, width: int) -> Iterator[str]:
    """Yield "name  value" lines, then failure, diagnosis and remarks, then the output of the engine."""
    for name, value in run_facts(attempt, zone):
        if value:
            yield f"{name:{_NAME_WIDTH}}{to_printable(value)}"
    yield from detail_lines(attempt.run, attempt.findings, width, " " * _NAME_WIDTH)
    yield from _output_lines(attempt.raw)


def run_facts(attempt: Attempt, zone: ZoneInfo) -> Iterator[tuple[str, str | None]]:
    """Yield name and value of everything but failure, diagnosis, remarks and output; None for what is not known."""
    run = attempt.run
    yield "run", run.id
    yield "probe", run.probe
    yield "started", format_exact_time(run.started_at, zone)
    yield "took", f"{(run.finished_at - run.started_at).total_seconds():.0f} s"
    yield "status", f"{run.status}{_note_on_status(run)} (trigger: {run.trigger})"
    yield "path", run.path
    yield "engine", f"{run.engine} {run.engine_version or ''}"
    yield "download", _phase_text(run.download_bps, run.download_bytes, run.download_ms, run.download_latency_ms)
    yield "upload", _phase_text(run.upload_bps, run.upload_bytes, run.upload_ms, run.upload_latency_ms)
    yield "latency", _latency_text(run)
    yield "ISP", run.isp
    yield "address", f"{run.external_ip} (IPv{run.ip_family})" if run.external_ip else None
    yield "server", _server_text(run.server)
    yield "result", run.result_url
    yield "others", _cross_traffic_text(run)
    yield "trace", _trace_text(attempt.trace)
    yield "plan", _plan_text(attempt.plan)


def _note_on_status(run: Run) -> str:
    return f"{', doubtful' if run.healthy is False else ''}{', excluded' if run.excluded is not None else ''}"


def _phase_text(bps: int | None, size: int | None, ms: int | None, loaded_ms: float | None) -> str | None:
    parts = [
        format_rate(bps) if bps is not None else None,
        format_megabytes(size) if size is not None else None,
        f"in {ms / 1000:.1f} s" if ms is not None else None,
        f"latency under load {format_ms(loaded_ms)}" if loaded_ms is not None else None,
    ]
    return ", ".join(part for part in parts if part) or None


def _latency_text(run: Run) -> str | None:
    parts = [
        format_ms(run.latency_ms) if run.latency_ms is not None else None,
        f"jitter {format_ms(run.jitter_ms)}" if run.jitter_ms is not None else None,
        f"loss {run.packet_loss_pct:.1f} %" if run.packet_loss_pct is not None else None,
    ]
    return ", ".join(part for part in parts if part) or None


def _server_text(server: Server | None) -> str | None:
    if server is None:
        return None
    where = ", ".join(part for part in (server.location, server.country) if part)
    parts = (server.name, f"({where})" if where else None, server.host, server.ip, server.id and f"id {server.id}")
    return " ".join(part for part in parts if part)


def _cross_traffic_text(run: Run) -> str | None:
    if run.cross_rx_bps is None or run.cross_tx_bps is None:
        return None
    return f"{format_rate(run.cross_rx_bps)} down, {format_rate(run.cross_tx_bps)} up on the uplink at the same time"


def _trace_text(trace: Trace | None) -> str | None:
    if trace is None or not trace.samples:
        return None
    rx, tx = (format_megabytes(sum(sample[column] for sample in trace.samples)) for column in (0, 1))
    seconds = len(trace.samples) * trace.interval_ms / 1000
    return f"the kernel counted {rx} received, {tx} sent in {seconds:.0f} s (--trace FILE.png draws it)"


def _plan_text(plan: Plan) -> str | None:
    parts = [
        f"{format_rate(plan.download_bps)} down" if plan.download_bps else None,
        f"{format_rate(plan.upload_bps)} up" if plan.upload_bps else None,
        f"{plan.latency_ms:g} ms" if plan.latency_ms else None,
    ]
    return ", ".join(part for part in parts if part) or None


def _output_lines(raw: RawOutput) -> Iterator[str]:
    for name, text in (("stdout", raw.stdout), ("stderr", raw.stderr)):
        lines_of_text = [to_printable(line) for line in text.splitlines() if line.strip()]
        if lines_of_text:
            yield f"the engine's {name}:"
            yield from (f"  {line}" for line in lines_of_text)


def detail_lines(run: Run, findings: Findings | None, width: int, indent: str = _INDENT) -> Iterator[str]:
    """Yield lines of at most `width` columns; none if there are no details."""
    for text in run_paragraphs(run, findings):
        yield from textwrap.wrap(to_printable(text), width, initial_indent=indent, subsequent_indent=indent + "  ")


def run_paragraphs(run: Run, findings: Findings | None) -> Iterator[str]:
    """Yield what is known of why a run failed, is doubtful or excluded: its failure, its remarks, the diagnosis."""
    if run.excluded is not None:
        yield f"excluded from all statistics: {run.excluded}"
    if run.failure:
        yield describe_failure(run, with_stage=True) + _exit_text(run.failure)
    if run.retry_of:
        yield f"attempt {run.attempt}, after run {run.retry_of}"
    yield from (f"{remark.kind}: {remark.message}" for remark in run.remarks)
    if findings and findings.verdict:
        yield from evidence_lines(findings)
    elif findings:
        yield from _findings_line(findings)


def _exit_text(failure: Failure) -> str:
    if failure.signal:
        return f" (signal {failure.signal})"
    return f" (exit code {failure.exit_code})" if failure.exit_code is not None else ""


def _findings_line(findings: Findings) -> Iterator[str]:
    """Yield the answers of a diagnosis of before verdicts were stored."""
    yield "diagnosis: " + "; ".join(part for part in _findings_parts(findings) if part)


def _findings_parts(findings: Findings) -> Iterator[str]:
    yield _link_text(findings.uplink)
    yield f"gateway {_answer_text(findings.gateway)}" if findings.gateway else "no default route inside"
    yield f"DNS {_answers_text(findings.servers)}" if findings.servers else "no name server"
    yield f"hosts {_answers_text(findings.hosts)}" if findings.hosts else ""
    yield f"provider {_answers_text(findings.far)}" if findings.far else ""
    yield f"from the host {_answers_text(findings.direct)}" if findings.direct else ""


def _link_text(uplink: InnerLink | None) -> str:
    if uplink is None:
        return "no default route"
    return f"uplink {uplink.name} {'has a carrier' if uplink.up else 'has no carrier'}"


def _answers_text(answers: Iterable[ProbeAnswer]) -> str:
    return ", ".join(map(_answer_text, answers))


def _answer_text(answer: ProbeAnswer) -> str:
    return f"{answer.target} {answer.error or f'in {answer.ms:.0f} ms'}"
