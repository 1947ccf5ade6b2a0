"""Everything stored about one run, as lines of text. Pure; unknown values are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor import verbose
from monitor.progress import rate
from monitor.table import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.model import Attempt, Plan, RawOutput, Run, Server, Trace

MBYTE = 1e6
_NAME = 12


def lines(attempt: Attempt, zone: ZoneInfo, width: int) -> Iterator[str]:
    """Yield "name  value" lines, then failure, diagnosis and remarks, then the output of the engine."""
    for name, value in _facts(attempt, zone):
        if value:
            yield f"{name:{_NAME}}{printable(value)}"
    yield from verbose.lines(attempt.run, attempt.findings, width, " " * _NAME)
    yield from _output(attempt.raw)


def _facts(attempt: Attempt, zone: ZoneInfo) -> Iterator[tuple[str, str | None]]:
    run = attempt.run
    yield "run", run.id
    yield "probe", run.probe
    yield "started", _moment(run.started_at, zone)
    yield "took", f"{(run.finished_at - run.started_at).total_seconds():.0f} s"
    yield "status", f"{run.status}{', doubtful' if run.healthy is False else ''} (trigger: {run.trigger})"
    yield "path", run.path
    yield "engine", f"{run.engine} {run.engine_version or ''}"
    yield "download", _phase(run.download_bps, run.download_bytes, run.download_ms, run.download_latency_ms)
    yield "upload", _phase(run.upload_bps, run.upload_bytes, run.upload_ms, run.upload_latency_ms)
    yield "latency", _latency(run)
    yield "ISP", run.isp
    yield "address", f"{run.external_ip} (IPv{run.ip_family})" if run.external_ip else None
    yield "server", _server(run.server)
    yield "result", run.result_url
    yield "others", _cross(run)
    yield "trace", _trace(attempt.trace)
    yield "plan", _plan(attempt.plan)


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def _phase(bps: int | None, size: int | None, ms: int | None, loaded_ms: float | None) -> str | None:
    parts = [
        rate(bps) if bps is not None else None,
        f"{size / MBYTE:.1f} MB" if size is not None else None,
        f"in {ms / 1000:.1f} s" if ms is not None else None,
        f"latency under load {loaded_ms:.1f} ms" if loaded_ms is not None else None,
    ]
    return ", ".join(part for part in parts if part) or None


def _latency(run: Run) -> str | None:
    parts = [
        f"{run.latency_ms:.1f} ms" if run.latency_ms is not None else None,
        f"jitter {run.jitter_ms:.1f} ms" if run.jitter_ms is not None else None,
        f"loss {run.packet_loss_pct:.1f} %" if run.packet_loss_pct is not None else None,
    ]
    return ", ".join(part for part in parts if part) or None


def _server(server: Server | None) -> str | None:
    if server is None:
        return None
    where = ", ".join(part for part in (server.location, server.country) if part)
    parts = (server.name, f"({where})" if where else None, server.host, server.ip, server.id and f"id {server.id}")
    return " ".join(part for part in parts if part)


def _cross(run: Run) -> str | None:
    if run.cross_rx_bps is None or run.cross_tx_bps is None:
        return None
    return f"{rate(run.cross_rx_bps)} down, {rate(run.cross_tx_bps)} up on the uplink at the same time"


def _trace(trace: Trace | None) -> str | None:
    if trace is None or not trace.samples:
        return None
    rx, tx = (sum(sample[column] for sample in trace.samples) / MBYTE for column in (0, 1))
    seconds = len(trace.samples) * trace.interval_ms / 1000
    return f"the kernel counted {rx:.1f} MB received, {tx:.1f} MB sent in {seconds:.0f} s (--trace FILE.png draws it)"


def _plan(plan: Plan) -> str | None:
    parts = [
        f"{rate(plan.download_bps)} down" if plan.download_bps else None,
        f"{rate(plan.upload_bps)} up" if plan.upload_bps else None,
        f"{plan.latency_ms:g} ms" if plan.latency_ms else None,
    ]
    return ", ".join(part for part in parts if part) or None


def _output(raw: RawOutput) -> Iterator[str]:
    for name, text in (("stdout", raw.stdout), ("stderr", raw.stderr)):
        lines_of_text = [printable(line) for line in text.splitlines() if line.strip()]
        if lines_of_text:
            yield f"the engine's {name}:"
            yield from (f"  {line}" for line in lines_of_text)
