"""Phrases that several sections of a report share. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.model import FailureKind, NetworkPath, Scope
from monitor.output.units import NO_VALUE, format_percent, format_trimmed, metric_unit

if TYPE_CHECKING:
    from monitor.analysis.plan import PlanMisses
    from monitor.model import Plan


METRIC_NAMES = {
    "download_bps": "Download",
    "upload_bps": "Upload",
    "latency_ms": "Latency",
    "jitter_ms": "Jitter",
    "packet_loss_pct": "Packet loss",
    "download_latency_ms": "Latency while downloading",
    "upload_latency_ms": "Latency while uploading",
}

PATH_PHRASES = {
    NetworkPath.IP4ONLY: "over IPv4 only, from a network namespace of the measuring machine that has no IPv6, so that "
    "no test can use it",
    NetworkPath.HOST: "like any other program of the measuring machine, over IPv4 or IPv6 as the machine prefers",
}

SCOPE_PHRASES = {
    Scope.LINE: "the line or the ISP",
    Scope.PROVIDER: "the operator of the speed test or its server",
    Scope.CONFIG: "the settings of the measuring program",
    Scope.LOCAL: "the measuring machine or the home network",
    Scope.UNKNOWN: "not known",
}

KIND_PHRASES = {
    FailureKind.TIMEOUT: "did not finish within the time allowed",
    FailureKind.DNS: "names could not be resolved (DNS)",
    FailureKind.UNREACHABLE: "the internet could not be reached",
    FailureKind.REFUSED: "the server refused the connection",
    FailureKind.TLS: "no secure connection (TLS)",
    FailureKind.RATE_LIMITED: "the operator of the speed test asked for fewer tests",
    FailureKind.PROVIDER_DOWN: "the speed test's own service was down",
    FailureKind.SERVER_GONE: "the chosen test server no longer exists",
    FailureKind.NO_SERVER: "no test server was found",
    FailureKind.STAGE_FAILED: "the test stopped in the middle of measuring",
    FailureKind.BAD_OUTPUT: "the measuring program gave no readable result",
    FailureKind.CRASHED: "the measuring program crashed",
    FailureKind.NOT_INSTALLED: "the measuring program was not installed",
    FailureKind.WRONG_BINARY: "another program was found in place of the measuring one",
    FailureKind.LICENCE: "the licence of the measuring program was not accepted",
    FailureKind.BIND: "no local address to measure from",
    FailureKind.NAMESPACE: "the network namespace was missing or broken",
    FailureKind.INTERRUPTED: "the test was stopped by a person or a shutdown",
    FailureKind.UNKNOWN: "not known",
}

DOUBT_PHRASES = {
    "wrong_family": "measured over the wrong address family",
    "wrong_interface": "measured over the wrong interface",
    "wrong_isp": "measured over another ISP",
    "cross_traffic": "the line was busy with other traffic",
    "proxy": "measured through a proxy",
    "bytes_disagree": "the kernel counted a different amount of data from the measuring program",
    "server_denied": "measured against an excluded server",
    "clock": "the clock of this machine jumped or cannot have been right",
    "uplink_changed": "measured over a tunnel that took the uplink's place",
}

# The customary levels: below so much, a p-value is called this.
SIGNIFICANCE_LEVELS = ((0.001, "highly significant"), (0.01, "significant"))

# Smaller p-values say no more.
LEAST_SHOWN_P_VALUE = 1e-6


def plan_phrase(plan: Plan) -> str:
    """Return what a plan promises, as part of a sentence: download 100 Mbit/s, latency 30 ms; or nothing."""
    parts = (("download", "download_bps"), ("upload", "upload_bps"), ("latency", "latency_ms"))
    known = [(name, field, value) for name, field in parts if (value := getattr(plan, field)) is not None]
    return ", ".join(f"{name} {promised_value(field, value)}" for name, field, value in known) or "nothing"


def promised_value(name: str, value: float | None) -> str:
    """Return what a plan promises of a metric, with its unit: 100 Mbit/s; a dash if nothing."""
    if value is None:
        return NO_VALUE
    return f"{format_trimmed(value / 1e6 if name.endswith('_bps') else value)} {metric_unit(name)}"


def plan_met_phrase(met: PlanMisses) -> str:
    """Return how often the plan was met: at least 90 % of the plan in 97 % of the tests."""
    return f"at least {format_trimmed(met.limit)} % of the plan in {format_percent(met.met_percent)} of the tests"


def significance_phrase(p_value: float) -> str:
    """Return how significant a difference is, in words and with its p-value."""
    words = next((words for limit, words in SIGNIFICANCE_LEVELS if p_value < limit), "not significant")
    shown = f"p = {p_value:.2g}" if p_value >= LEAST_SHOWN_P_VALUE else f"p < {LEAST_SHOWN_P_VALUE:f}"
    return f"{words} ({shown}, the probability of such a difference by chance alone)"


def doubt_phrase(kind: str) -> str:
    """Return why a result is doubtful, from the kind of a remark; a kind without a phrase speaks for itself."""
    return DOUBT_PHRASES.get(kind, kind.replace("_", " "))


def split_paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, which empty lines separate, each as one line."""
    return [" ".join(part.split()) for part in text.split("\n\n")]
