"""The domain types, one set for store, JSON, web and graphs. Pure data; field order is the order of keys in JSON.

Rates are integers in bit/s, sizes in bytes, times in ms as the names say. Timestamps are aware UTC datetimes of whole
seconds. A number that was not measured is None, never 0 and never -1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003  annotations are read at run time
from enum import StrEnum

from netns.probe.findings import Findings  # noqa: TC001  annotations are read at run time

# As uuid.UUID prints one.
_RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def is_run_id(text: str) -> bool:
    """Return whether a text is the id of a run, a UUID; anything else may not come from outside, or be a file name."""
    return _RUN_ID.fullmatch(text) is not None


class Status(StrEnum):
    """How an attempt ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"


class Trigger(StrEnum):
    """Who asked for the run."""

    CLI = "cli"
    SCHEDULE = "schedule"
    WEB = "web"
    RETRY = "retry"
    IMPORT = "import"


class NetworkPath(StrEnum):
    """How a test leaves the host: through the IPv4-only namespace, or as any other program does."""

    IP4ONLY = "ip4only"
    HOST = "host"


class Scope(StrEnum):
    """Whose fault a failure is; a value that only a newer program knows is read as UNKNOWN."""

    LINE = "line"
    PROVIDER = "provider"
    CONFIG = "config"
    LOCAL = "local"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, _value: object) -> Scope:
        return cls.UNKNOWN


class FailureKind(StrEnum):
    """What failed; a value that only a newer program knows is read as UNKNOWN."""

    TIMEOUT = "timeout"
    DNS = "dns"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    TLS = "tls"
    RATE_LIMITED = "rate_limited"
    PROVIDER_DOWN = "provider_down"
    SERVER_GONE = "server_gone"
    NO_SERVER = "no_server"
    STAGE_FAILED = "stage_failed"
    BAD_OUTPUT = "bad_output"
    CRASHED = "crashed"
    NOT_INSTALLED = "not_installed"
    WRONG_BINARY = "wrong_binary"
    LICENCE = "licence"
    BIND = "bind"
    NAMESPACE = "namespace"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, _value: object) -> FailureKind:
        return cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class Server:
    """The far end of a test. Ids are strings: engines disagree on their type."""

    id: str | None = None
    name: str | None = None
    location: str | None = None
    country: str | None = None
    host: str | None = None
    ip: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run has no result: what failed (kind), whose fault (scope), when (stage), and the engine's message."""

    kind: FailureKind
    scope: Scope
    stage: str | None
    message: str
    exit_code: int | None = None
    signal: int | None = None


class Doubt(StrEnum):
    """Why a result may not represent the line."""

    WRONG_FAMILY = "wrong_family"
    WRONG_INTERFACE = "wrong_interface"
    WRONG_ISP = "wrong_isp"
    CROSS_TRAFFIC = "cross_traffic"
    PROXY = "proxy"
    BYTES_DISAGREE = "bytes_disagree"
    SERVER_DENIED = "server_denied"
    SERVER_FALLBACK = "server_fallback"
    ENGINE_FALLBACK = "engine_fallback"
    SECOND_TEST = "second_test"
    CLOCK = "clock"
    UPLINK_CHANGED = "uplink_changed"


@dataclass(frozen=True, slots=True)
class Remark:
    """A note on a run: `kind` is a `Doubt`, or a text of a newer program; `message` explains it."""

    kind: str
    message: str


# These do not make a result doubtful: only another server or engine was used than the one asked for.
HARMLESS_DOUBTS = frozenset({Doubt.SERVER_FALLBACK, Doubt.ENGINE_FALLBACK, Doubt.SECOND_TEST})


@dataclass(frozen=True, slots=True)
class Measurement:
    """What an engine reported, in our units. Its fields are those of `Run` with the same names."""

    engine_version: str | None = None
    download_bps: int | None = None
    upload_bps: int | None = None
    latency_ms: float | None = None
    jitter_ms: float | None = None
    packet_loss_pct: float | None = None
    download_bytes: int | None = None
    upload_bytes: int | None = None
    download_ms: int | None = None
    upload_ms: int | None = None
    download_latency_ms: float | None = None
    upload_latency_ms: float | None = None
    isp: str | None = None
    external_ip: str | None = None
    ip_family: int | None = None
    server: Server | None = None
    result_url: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt, successful or not: an object of `history --json` and of `/api/v1/runs`.

    `attempt` counts from 1; a later one names the first in `retry_of`. `healthy` is False when a remark makes the
    numbers doubtful, None where there are no numbers. `line_answered` says of a failed run whether packets came back
    over the line while it lasted, None where that is not known. `excluded` is the reason for which a person left it out
    of all statistics, None for a run that counts.
    """

    id: str
    probe: str
    started_at: datetime
    finished_at: datetime
    status: Status
    trigger: Trigger
    path: NetworkPath
    engine: str
    engine_version: str | None = None
    download_bps: int | None = None
    upload_bps: int | None = None
    latency_ms: float | None = None
    jitter_ms: float | None = None
    packet_loss_pct: float | None = None
    download_bytes: int | None = None
    upload_bytes: int | None = None
    download_ms: int | None = None
    upload_ms: int | None = None
    download_latency_ms: float | None = None
    upload_latency_ms: float | None = None
    isp: str | None = None
    external_ip: str | None = None
    ip_family: int | None = None
    server: Server | None = None
    result_url: str | None = None
    cross_rx_bps: int | None = None
    cross_tx_bps: int | None = None
    healthy: bool | None = None
    failure: Failure | None = None
    attempt: int = 1
    retry_of: str | None = None
    remarks: tuple[Remark, ...] = ()
    line_answered: bool | None = None
    excluded: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the ISP sold, stored with each run of that time. None: nothing was promised."""

    download_bps: int | None = None
    upload_bps: int | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ExpectedRates:
    """The rates in bit/s that a line should give: those of its plan, or its recent median. None: not known."""

    download_bps: int | None = None
    upload_bps: int | None = None


@dataclass(frozen=True, slots=True)
class DataUsed:
    """The bytes that tests have used in the month that ends at `until`, in epoch seconds."""

    bytes: int
    until: int


@dataclass(frozen=True, slots=True)
class RawOutput:
    """What the engine printed, cut to a limit; stored in a table of its own."""

    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """What the kernel counted during a test, one sample per `interval_ms`.

    A sample holds the bytes since the previous one: received and sent by the test, received and sent by the uplink.
    """

    interval_ms: int
    samples: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run with what is stored in other tables: the plan in force, the engine's output, the diagnosis, the trace."""

    run: Run
    plan: Plan = Plan()
    raw: RawOutput = RawOutput()
    findings: Findings | None = None
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """The bytes that the tests of a month transferred; `estimated_bytes` of them were not reported by an engine."""

    month: str
    tests: int
    download_bytes: int
    upload_bytes: int
    estimated_bytes: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return the sum, for the month of the first."""
        return Usage(
            self.month,
            self.tests + other.tests,
            self.download_bytes + other.download_bytes,
            self.upload_bytes + other.upload_bytes,
            self.estimated_bytes + other.estimated_bytes,
        )

    @property
    def total_bytes(self) -> int:
        """Bytes of both directions."""
        return self.download_bytes + self.upload_bytes


def plan_name(plan: Plan) -> str:
    """Return the rates of a plan in Mbit/s, download first: 100 / 20."""
    rates = (f"{rate / 1e6:g}" if rate else "none" for rate in (plan.download_bps, plan.upload_bps))
    return " / ".join(rates)


def describe_failure(run: Run, *, with_stage: bool = False) -> str:
    """Return why a run has no result: dns (line): no answer. A skipped run has only a reason; empty for a measured one.

    Args:
        run: the run.
        with_stage: whether the stage in which it failed is named: dns (line, at start): no answer.
    """
    failure = run.failure
    if failure is None:
        return ""
    if run.status is Status.SKIPPED and failure.kind is FailureKind.UNKNOWN:
        return failure.message
    stage = f", at {failure.stage}" if with_stage and failure.stage else ""
    return f"{failure.kind} ({failure.scope}{stage}): {failure.message}"


def server_name(server: Server | None) -> str:
    """Return name and location of a server, else its host or id; empty if unknown. Runs are grouped by it."""
    if server is None:
        return ""
    parts = [part for part in (server.name, server.location) if part]
    return ", ".join(parts) or server.host or server.id or ""


def describe_server(server: Server | None) -> str:
    """Return the name of a server and its number, by which an engineer can find it; empty if unknown."""
    if server is None or server.id is None:
        return server_name(server)
    name = server_name(replace(server, id=None))
    return f"{name} (no. {server.id})" if name else f"no. {server.id}"
