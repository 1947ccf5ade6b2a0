"""The scenario of `speedmon demo`: what should happen in the lab, and how it is shown. Pure; see `monitor.demo.run`.

On the host a test uses the slow IPv6 tunnel; in the namespace it measures the line; an outage is stored as a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from monitor.model import Run, Scope, Status, describe_failure
from monitor.output.units import BPS_PER_MBPS, NO_VALUE, format_mbps, format_trimmed
from netns.lab import topology

if TYPE_CHECKING:
    from collections.abc import Iterator


# How far a rate may be from that of the shaped line: TCP/IP headers alone take 5 %.
TOLERANCE = 0.15

# Time shown around the runs in the graph.
WINDOW_MARGIN = timedelta(seconds=45)

# What ping prints without IPv6: no route, or no source address.
NO_IPV6 = ("unreachable", "Cannot assign requested address")


@dataclass(frozen=True, slots=True)
class DemoResult:
    """A run on the host, the output of `ping -6` in the namespace, runs in it, and one on the cut line."""

    host: Run
    ping: str
    line: tuple[Run, ...]
    outage: Run

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs in the order they were made."""
        return (self.host, *self.line, self.outage)


def find_differences(story: DemoResult) -> list[str]:
    """Return what did not happen as expected, one line each; empty if all did."""
    return [
        *_host_differences(story.host),
        *([] if ping_shows_no_ipv6(story.ping) else [f"ping -6 in the namespace said: {story.ping}"]),
        *(line for run in story.line for line in _line_differences(run)),
        *_rate_differences([run for run in story.line if run.status is Status.OK]),
        *_outage_differences(story.outage),
    ]


def ping_shows_no_ipv6(output: str) -> bool:
    """Return whether the output of `ping -6` shows that there is no IPv6."""
    return any(sign in output for sign in NO_IPV6)


def is_at_line_rate(run: Run) -> bool:
    """Return whether a run measured both rates of the line; on a busy machine it measures less."""
    return all(_is_near(bps, wanted) for bps, wanted in _rate_pairs(run, topology.FIBRE))


def describe_lab() -> str:
    """Return a sketch of the lab with its shaped rates."""
    fibre, tunnel = (f"{access.isp}, shaped to {_shaped_text(access)} Mbit/s " for access in _ACCESSES)
    return (
        "A home host, its ISP and a test server, in namespaces of this process; nothing of this machine is changed.\n\n"
        f"  home ─┬─ IPv4 ─ {fibre:─<54}┬─ speedtest.net of the lab\n"
        f"        └─ IPv6 ─ {tunnel:─<54}┘\n"
    )


def run_summary(run: Run) -> str:
    """Return a run in one line."""
    if run.failure is not None:
        return f"{run.status}: {describe_failure(run)}"
    return f"IPv{run.ip_family} {run.external_ip}, {run.isp}: {_rates_text(run.download_bps, run.upload_bps)}"


def line_share_text(run: Run) -> str:
    """Return which share of the line's shaped rates a run measured."""
    down, up = ((bps or 0) / shaped for bps, shaped in _rate_pairs(run, topology.FIBRE))
    return f"{down:.0%} of the line's download, {up:.0%} of its upload"


def graph_window(story: DemoResult) -> tuple[str, str]:
    """Return start and end of the graph (ISO 8601): the runs, and a margin."""
    since, until = story.host.started_at - WINDOW_MARGIN, story.outage.finished_at + WINDOW_MARGIN
    return since.isoformat(), until.isoformat()


def result_table(story: DemoResult) -> Iterator[str]:
    """Yield the lines of a table of the runs."""
    yield f"  {'path':8}{'family':8}{'ISP':22}{'down Mbit/s':>12}{'up Mbit/s':>11}  outcome"
    for run in story.runs:
        outcome = (
            f"{run.failure.kind} ({run.failure.scope})" if run.status is Status.FAILED and run.failure else run.status
        )
        family = f"IPv{run.ip_family}" if run.ip_family else NO_VALUE
        rates = f"{format_mbps(run.download_bps):>12}{format_mbps(run.upload_bps):>11}"
        yield f"  {run.path:8}{family:8}{run.isp or NO_VALUE:22}{rates}  {outcome}"


def shaped_rates() -> dict[str, Any]:
    """Return the rates of the lab in bit/s of Ethernet frames, for --json."""
    return {
        name: {"isp": access.isp, "download_bps": access.download_bps, "upload_bps": access.upload_bps}
        for name, access in zip(("line", "tunnel"), _ACCESSES, strict=True)
    }


_ACCESSES = (topology.FIBRE, topology.TUNNEL)


def _host_differences(run: Run) -> Iterator[str]:
    if run.status is not Status.OK:
        yield f"the run over host ended {run_summary(run)}"
        return
    if (run.ip_family, run.isp) != (6, topology.TUNNEL.isp):
        yield f"the run over host went over IPv{run.ip_family} of {run.isp}, not over the tunnel"
    if (run.download_bps or 0) > topology.FIBRE.download_bps / 2:
        yield f"the run over host was not slow: {_rates_text(run.download_bps, run.upload_bps)}"


def _line_differences(run: Run) -> Iterator[str]:
    if run.status is not Status.OK:
        yield f"a run over ip4only ended {run_summary(run)}"
        return
    if (run.ip_family, run.isp, run.external_ip) != (4, topology.FIBRE.isp, topology.HOME_IPV4):
        yield f"a run over ip4only went over IPv{run.ip_family} {run.external_ip} of {run.isp}, not over the line"


def _rate_differences(runs: list[Run]) -> Iterator[str]:
    if not runs or any(map(is_at_line_rate, runs)):
        return
    for what, (bps, wanted) in zip(("download", "upload"), _rate_pairs(runs[-1], topology.FIBRE), strict=True):
        if not _is_near(bps, wanted):
            rates = f"{format_mbps(bps)} of {format_mbps(wanted)} Mbit/s"
            yield f"no run over ip4only came near the line: the last {what} was {rates}"


def _is_near(bps: int | None, wanted: int) -> bool:
    return abs((bps or 0) / wanted - 1) <= TOLERANCE


def _outage_differences(run: Run) -> Iterator[str]:
    if run.failure is None or run.failure.scope is not Scope.LINE:
        yield f"the run on the cut line ended {run_summary(run)}, not as a failure of the line"


def _rate_pairs(run: Run, access: topology.AccessLine) -> tuple[tuple[int | None, int], tuple[int | None, int]]:
    return (run.download_bps, access.download_bps), (run.upload_bps, access.upload_bps)


def _shaped_text(access: topology.AccessLine) -> str:
    return "/".join(format_trimmed(bps / BPS_PER_MBPS) for bps in (access.download_bps, access.upload_bps))


def _rates_text(down: int | None, up: int | None) -> str:
    return f"{format_mbps(down)}/{format_mbps(up)} Mbit/s"
