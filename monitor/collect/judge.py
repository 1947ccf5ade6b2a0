"""From an engine that has ended to an outcome: result or failure, doubts, and the diagnosis of a failure.

Imported only when an engine has ended, as it must not delay a test. `validation` says what makes a result doubtful,
`monitor.diagnosis` why there is none.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from monitor.analysis.outages import answered_over_line
from monitor.collect import validation
from monitor.collect.outcome import (
    EXIT_FAILED,
    EXIT_MEASURED,
    EXIT_NO_NAMESPACE,
    EXIT_SIGNAL_BASE,
    Outcome,
)
from monitor.diagnosis.classify import classify
from monitor.diagnosis.diagnose import Asker, DuringTest, diagnose, diagnosis_targets
from monitor.model import FailureKind, Measurement, RawOutput, Status
from netns.probe.findings import TrafficSummary

if TYPE_CHECKING:
    from monitor.collect.counters import TrafficAccount
    from monitor.collect.measure import FinishedTest
    from monitor.collect.outcome import EngineRun
    from monitor.collect.state import LineMemory
    from monitor.collect.validation import ExpectedPath
    from monitor.config.settings import Settings
    from monitor.engines.base import Engine
    from monitor.system.process import ProcessResult
    from monitor.system.signals import Interrupts


# Characters of each stream that are stored; its end, as the reason of a failure comes last.
RAW_LIMIT = 64 * 1024


def judge_attempt(
    test: FinishedTest | Outcome, settings: Settings, interrupts: Interrupts, memory: LineMemory
) -> Outcome:
    """Return the outcome of an attempt; a failure is diagnosed on the spot, where the settings allow it.

    That of a failed test says whether packets came back over the line. `memory` is what earlier diagnoses have found of
    the line.
    """
    outcome = test if isinstance(test, Outcome) else _judge_test(test, settings, interrupts, memory)
    if outcome.status is not Status.FAILED:
        return outcome
    return replace(outcome, line_answered=answered_over_line(outcome.findings, outcome.trace))


def _judge_test(test: FinishedTest, settings: Settings, interrupts: Interrupts, memory: LineMemory) -> Outcome:
    outcome = judge_result(test.run, validation.expected_path(test.path, settings))
    outcome = add_traffic(outcome, test.traffic, settings.cross.limit_pct)
    if outcome.failure is None or outcome.status is not Status.FAILED or not settings.collect.probe_failures:
        return outcome
    targets = diagnosis_targets(settings, test.run.engine, test.path, outcome.measurement.server, memory.known)
    asker = Asker(test.enter, test.env, interrupts)
    during = DuringTest(test.stalled, summarize_traffic(test.traffic))
    failure, findings = diagnose(outcome.failure, targets, asker, during)
    return replace(outcome, failure=failure, findings=findings)


def summarize_traffic(traffic: TrafficAccount) -> TrafficSummary | None:
    """Return what a test received and sent, and for how long nothing came; None where nothing was counted.

    Where a test shares the uplink, what others received is counted with it: it came over the same line.
    """
    if traffic.trace is None or not traffic.trace.samples:
        return None
    shared = traffic.received is None
    received = [sample[2 if shared else 0] for sample in traffic.trace.samples]
    sent = sum(sample[3 if shared else 1] for sample in traffic.trace.samples)
    gaps = [len(list(group)) for silent, group in groupby(received, lambda count: not count) if silent]
    last = gaps[-1] if gaps and not received[-1] else 0
    interval_s = traffic.trace.interval_ms / 1000
    return TrafficSummary(
        sum(received), sent, len(received) * interval_s, max(gaps, default=0) * interval_s, last * interval_s
    )


def judge_result(ran: EngineRun, expected_path: ExpectedPath) -> Outcome:
    """Return the outcome of an engine that ran: a complete result counts, whatever else it printed."""
    engine, ended = ran.engine, ran.ended
    parsed = engine.parse(ended.stdout, ended.stderr)
    signal_code = None if ended.interrupted is None else EXIT_SIGNAL_BASE + ended.interrupted
    raw = _to_raw_output(engine, ended)
    if parsed.measurement is not None:
        measurement = replace(parsed.measurement, engine_version=ran.version)
        doubts = validation.path_remarks(measurement, parsed.local, expected_path)
        return Outcome(engine.name, Status.OK, signal_code or EXIT_MEASURED, measurement, raw=raw, remarks=doubts)
    failure = classify(engine, ended, parsed, ran.launcher, ran.timeout_s)
    status = Status.INTERRUPTED if failure.kind is FailureKind.INTERRUPTED else Status.FAILED
    code = EXIT_NO_NAMESPACE if failure.kind is FailureKind.NAMESPACE else EXIT_FAILED
    incomplete = Measurement(engine_version=ran.version, server=parsed.server)
    return Outcome(engine.name, status, signal_code or code, incomplete, failure, raw)


def add_traffic(outcome: Outcome, traffic: TrafficAccount, limit_pct: float) -> Outcome:
    """Return the outcome with what the kernel counted, and with the doubts that this casts on a result."""
    doubts = validation.traffic_remarks(outcome.measurement, traffic, limit_pct) if outcome.status is Status.OK else ()
    return replace(
        outcome,
        remarks=(*outcome.remarks, *doubts),
        trace=traffic.trace,
        cross_rx_bps=traffic.cross_rx_bps,
        cross_tx_bps=traffic.cross_tx_bps,
    )


def _to_raw_output(engine: Engine, ended: ProcessResult) -> RawOutput:
    """Return the output without its hundreds of progress events, which are of no use after the test."""
    lines = ended.stdout.decode("utf-8", "replace").split("\n")
    stdout = "\n".join(line for line in lines if engine.progress(line) is None)
    return RawOutput(_truncate(stdout), _truncate(ended.stderr.decode("utf-8", "replace")))


def _truncate(output: str) -> str:
    # PostgreSQL stores no NUL in a text.
    return output[-RAW_LIMIT:].replace("\0", "\N{REPLACEMENT CHARACTER}")
