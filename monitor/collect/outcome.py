"""What was requested, how it ended, and the row that is stored for it. Pure: times and ids are passed in.

Every end of an attempt without a result is here, with its exit code; `judge` has those of an engine that ran.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from monitor.engines import parsing
from monitor.model import (
    HARMLESS_DOUBTS,
    Attempt,
    Failure,
    FailureKind,
    Measurement,
    Plan,
    RawOutput,
    Run,
    Scope,
    Server,
    Status,
)

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.config.settings import Settings
    from monitor.engines.base import Engine
    from monitor.model import NetworkPath, Remark, Trace, Trigger
    from monitor.system.process import ProcessResult
    from netns.errors import NetnsError
    from netns.probe.findings import Findings


# Exit codes of `collect`; after a signal it is the base plus the signal's number.
EXIT_MEASURED, EXIT_FAILED, EXIT_SKIPPED, EXIT_NO_NAMESPACE, EXIT_SIGNAL_BASE = 0, 3, 4, 5, 128

BUSY = Failure(FailureKind.UNKNOWN, Scope.LOCAL, "lock", "another speed test is running on this machine")

CUT_OFF = Failure(FailureKind.INTERRUPTED, Scope.LOCAL, None, "cut off: speedmon was killed, or the machine lost power")

_NO_MEASUREMENT = Measurement()

_NO_OUTPUT = RawOutput()


@dataclass(frozen=True, slots=True)
class TestRequest:
    """A test that is to be carried out; what the caller did not name comes from the settings.

    `avoid` are servers that must not be chosen. `rotates` asks for the next server of the rotation, `anyway` for a test
    in spite of back-off and budget. `remarks` are already known before the attempt starts. `run_id` is the id that the
    row will have; None: a new one.
    """

    engine: str
    path: NetworkPath
    server_id: str
    trigger: Trigger
    attempt: int = 1
    retry_of: str | None = None
    avoid: tuple[str, ...] = ()
    rotates: bool = False
    anyway: bool = False
    remarks: tuple[Remark, ...] = ()
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, before it is a row; `code` is the exit code of `collect`."""

    engine: str
    status: Status
    code: int
    measurement: Measurement = _NO_MEASUREMENT
    failure: Failure | None = None
    raw: RawOutput = _NO_OUTPUT
    remarks: tuple[Remark, ...] = ()
    findings: Findings | None = None
    trace: Trace | None = None
    cross_rx_bps: int | None = None
    cross_tx_bps: int | None = None
    line_answered: bool | None = None


def skipped_outcome(engine: str, failure: Failure) -> Outcome:
    """Return the outcome of an attempt that may not start now, for the reason in `failure`."""
    return Outcome(engine, Status.SKIPPED, EXIT_SKIPPED, failure=failure)


def new_run_id() -> str:
    """Return the id of a run, a random UUID (RFC 9562)."""
    return str(uuid4())


def busy_outcome(engine: str) -> Outcome:
    """Return the outcome of an attempt that found another test running."""
    return skipped_outcome(engine, BUSY)


def cut_off_outcome(engine: str) -> Outcome:
    """Return the outcome of a test that never ended; stored in advance, and replaced when the test ends."""
    return Outcome(engine, Status.INTERRUPTED, EXIT_FAILED, failure=CUT_OFF)


def not_started_outcome(engine: str, version: str | None, failure: Failure) -> Outcome:
    """Return the outcome of an attempt whose engine could not be started."""
    return Outcome(engine, Status.FAILED, EXIT_FAILED, Measurement(engine_version=version), failure)


def not_entered_outcome(engine: str, version: str | None, error: NetnsError) -> Outcome:
    """Return the outcome of an attempt whose namespace cannot be entered; it never runs on the host instead."""
    message = parsing.clean_text(str(error), 300) or "the namespace cannot be entered"
    failure = Failure(FailureKind.NAMESPACE, Scope.LOCAL, "start", message)
    return Outcome(engine, Status.FAILED, error.exit_code, Measurement(engine_version=version), failure)


@dataclass(frozen=True, slots=True)
class EngineRun:
    """An engine that ran: how it ended, and what it was started with.

    Attributes:
        engine: the engine.
        version: its version, None where it is not known.
        ended: how its process ended, and what it printed.
        launcher: name of the namespace that it was started in; None: it was started on the host.
        timeout_s: its deadline.
    """

    engine: Engine
    version: str | None
    ended: ProcessResult
    launcher: str | None
    timeout_s: float


def to_attempt(
    settings: Settings, request: TestRequest, outcome: Outcome, run_id: str, times: tuple[datetime, datetime]
) -> Attempt:
    """Return the row of an outcome with what is stored beside it.

    `times` are its start and its end; they are stored as whole seconds, and never as an end before the start.
    """
    measured = asdict(outcome.measurement)
    server = measured.pop("server")
    started, finished = (time.replace(microsecond=0) for time in times)
    run = Run(
        id=run_id,
        probe=settings.probe.name,
        started_at=started,
        finished_at=max(started, finished),
        status=outcome.status,
        trigger=request.trigger,
        path=request.path,
        engine=outcome.engine,
        server=Server(**server) if server else _requested_server(request, outcome),
        failure=outcome.failure,
        cross_rx_bps=outcome.cross_rx_bps,
        cross_tx_bps=outcome.cross_tx_bps,
        healthy=_is_healthy(outcome.status, request.remarks + outcome.remarks),
        attempt=request.attempt,
        retry_of=request.retry_of,
        remarks=request.remarks + outcome.remarks,
        line_answered=outcome.line_answered,
        **measured,
    )
    return Attempt(run, Plan(**settings.plan_at(started).promised), outcome.raw, outcome.findings, outcome.trace)


def _requested_server(request: TestRequest, outcome: Outcome) -> Server | None:
    """Return the requested server of a failed test, so that the failure counts against it."""
    return Server(id=request.server_id) if request.server_id and outcome.status is Status.FAILED else None


def _is_healthy(status: Status, remarks: tuple[Remark, ...]) -> bool | None:
    if status is not Status.OK:
        return None
    return all(remark.kind in HARMLESS_DOUBTS for remark in remarks)
