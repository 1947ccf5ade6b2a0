"""What one test says for or against each state, in words. Pure.

What it says of the line itself is decided in `monitor.analysis.line_condition`, for the page too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from monitor.analysis.line_condition import DEFAULT_LIMITS, HOUR_S, StateLimits, find_line_fault, find_slow_rate
from monitor.analysis.watches import WatchRule
from monitor.model import (
    Doubt,
    ExpectedRates,
    FailureKind,
    NetworkPath,
    Plan,
    Run,
    Scope,
    Status,
    describe_failure,
)
from monitor.output.units import format_rate

if TYPE_CHECKING:
    from monitor.config.settings import Settings

WRONG_PATH = frozenset({Doubt.WRONG_FAMILY, Doubt.WRONG_INTERFACE, Doubt.WRONG_ISP})

BUDGET_STAGE = "budget"

# One test with `--anyway` does not end the state.
BUDGET_RULE = WatchRule(1, 1, 2)

PATH_RULE = WatchRule(2, 2, 2)

NAMESPACE_RULE = WatchRule(2, 2, 1)

_NO_PLAN = Plan()


class AlertKind(StrEnum):
    """The states, by the names that `notify.states` uses."""

    DOWN = "down"
    SLOW = "slow"
    STALE = "stale"
    PATH = "path"
    ISP = "isp"
    ADDRESS = "address"
    BUDGET = "budget"
    NAMESPACE = "namespace"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class StateRules:
    """The settings that decide about notices; `remind_s` in seconds, 0 for never."""

    kinds: frozenset[AlertKind] = frozenset(AlertKind) - {AlertKind.PROVIDER}
    limits: StateLimits = field(default=DEFAULT_LIMITS)
    remind_s: int = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> StateRules:
        """Return the rules."""
        kinds = frozenset(map(AlertKind, settings.notify.states))
        return cls(kinds, StateLimits.from_settings(settings), settings.notify.remind_h * HOUR_S)

    def rule_of(self, kind: AlertKind) -> WatchRule:
        """Return how many tests make a state of a path."""
        fixed = {AlertKind.PATH: PATH_RULE, AlertKind.NAMESPACE: NAMESPACE_RULE, AlertKind.BUDGET: BUDGET_RULE}
        return self.limits.slow if kind is AlertKind.SLOW else fixed.get(kind, self.limits.failing)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run with its primary key and the plan that it was stored with."""

    pk: int
    run: Run
    plan: Plan = _NO_PLAN


def judge_result(row: StoredRun, normal: ExpectedRates, below_pct: float) -> dict[AlertKind, str | None]:
    """Return the evidence against each state of a path that a test gives: empty if it is good, None if it has none."""
    return {
        AlertKind.DOWN: _line_evidence(row.run),
        AlertKind.PROVIDER: _provider_evidence(row.run),
        AlertKind.SLOW: _slow_evidence(row, normal, below_pct),
        AlertKind.PATH: _path_evidence(row.run),
        AlertKind.NAMESPACE: _namespace_evidence(row.run),
    }


def judge_budget(run: Run) -> str | None:
    """Return the evidence that the month's data is used up."""
    if run.status is Status.SKIPPED and run.failure and run.failure.stage == BUDGET_STAGE:
        return run.failure.message
    return "" if run.status in {Status.OK, Status.FAILED} else None


def _line_evidence(run: Run) -> str | None:
    is_down = find_line_fault(run)
    return describe_failure(run, with_stage=True) if is_down else None if is_down is None else ""


def _provider_evidence(run: Run) -> str | None:
    if run.failure and run.failure.scope is Scope.PROVIDER:
        return describe_failure(run, with_stage=True)
    return "" if run.status is Status.OK else None


def _path_evidence(run: Run) -> str | None:
    if run.status is not Status.OK:
        return None
    return "; ".join(remark.message for remark in run.remarks if remark.kind in WRONG_PATH)


def _namespace_evidence(run: Run) -> str | None:
    if run.path is not NetworkPath.IP4ONLY:
        return None
    failed = run.failure is not None and run.failure.kind is FailureKind.NAMESPACE
    return describe_failure(run) if failed else "" if run.status is Status.OK or _was_on_network(run) else None


def _was_on_network(run: Run) -> bool:
    return run.failure is not None and run.failure.scope in {Scope.LINE, Scope.PROVIDER}


def _slow_evidence(row: StoredRun, normal: ExpectedRates, below_pct: float) -> str | None:
    sold = ExpectedRates(row.plan.download_bps, row.plan.upload_bps)
    slow = find_slow_rate(row.run, sold, normal, below_pct)
    if slow is None or isinstance(slow, bool):
        return None if slow is None else ""
    expected = format_rate(slow.expected)
    of = f"the plan's {expected}" if slow.of_plan else f"the recent median of {expected}"
    return f"{slow.name} {format_rate(slow.measured)}, {100 * slow.measured / slow.expected:.0f} % of {of}"
