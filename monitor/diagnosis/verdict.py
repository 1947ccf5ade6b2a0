"""Whose fault a failure is: a pure function of the evidence. Its rules are read from top to bottom, and give reasons.

Each rule returns a verdict or None; the first verdict counts. The order: this machine, somebody who answers in the
place of others, silence, then what works: names, packets, the moment of the failure, and at last the provider. A rule
that calls the line down must first see that nothing at all came back over it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.diagnosis import rules_here, rules_line, rules_names, rules_provider
from monitor.model import FailureKind, Scope
from netns.probe.findings import StoredVerdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.diagnosis.evidence import FailureEvidence
    from monitor.diagnosis.rules import Verdict
    from monitor.model import Failure

    Rule = Callable[[FailureEvidence], Verdict | None]


# Of the message that is stored, and of the engine's part in it if the reason is long.
MAX_MESSAGE, MIN_ENGINE_MESSAGE = 300, 40

# Failures of these kinds never reached the network, so a diagnosis finds nothing.
NON_NETWORK_KINDS = frozenset(
    {
        FailureKind.NOT_INSTALLED,
        FailureKind.WRONG_BINARY,
        FailureKind.LICENCE,
        FailureKind.NAMESPACE,
        FailureKind.INTERRUPTED,
        FailureKind.BIND,
    }
)

# These kinds say too little about what failed, so that of the verdict takes their place.
_VAGUE_KINDS = frozenset(
    {FailureKind.NO_SERVER, FailureKind.STAGE_FAILED, FailureKind.UNKNOWN, FailureKind.UNREACHABLE, FailureKind.DNS}
)

# The kinds of verdicts that take the place of any other.
_CERTAIN_KINDS = frozenset({FailureKind.NAMESPACE, FailureKind.UNREACHABLE, FailureKind.DNS})

# From top to bottom; the first verdict counts.
HERE: tuple[Rule, ...] = (
    rules_here.judge_namespace,
    rules_here.judge_clock,
    rules_here.judge_issuers,
    rules_here.judge_way_out,
)

NOBODY: tuple[Rule, ...] = (
    rules_line.judge_portal,
    rules_here.judge_uplink,
    rules_here.judge_kept_in,
    rules_line.judge_refusals,
    rules_line.judge_silence,
    rules_line.judge_death,
)

SOMEBODY: tuple[Rule, ...] = (
    rules_provider.judge_proxy,
    rules_provider.judge_settled,
    rules_provider.judge_contradiction,
    rules_provider.judge_only_names,
    rules_line.judge_size,
)

SOMETHING: tuple[Rule, ...] = (
    rules_provider.judge_mute,
    rules_names.judge_queries_kept_in,
    rules_names.judge_names,
)

NOW: tuple[Rule, ...] = (*HERE, *NOBODY, *SOMEBODY, rules_line.judge_loss, *SOMETHING)

STALLED: tuple[Rule, ...] = (*HERE, *NOBODY, *SOMEBODY, rules_line.judge_loss_under_load, *SOMETHING)

PROVIDER: tuple[Rule, ...] = (
    rules_names.judge_hosts_file,
    rules_names.judge_provider_name,
    rules_provider.judge_kept_in_far,
    rules_provider.judge_far,
    rules_provider.judge_own_tls,
    rules_names.judge_first_server,
    rules_provider.judge_denied,
)


def judge(evidence: FailureEvidence) -> Verdict:
    """Return whose fault a failure is."""
    now = _first(NOW, evidence)
    return now or _judge_stalled(evidence) or _first(PROVIDER, evidence) or rules_provider.judge_rest(evidence)


def _first(rules: tuple[Rule, ...], evidence: FailureEvidence) -> Verdict | None:
    verdicts = (rule(evidence) for rule in rules)
    return next((verdict for verdict in verdicts if verdict), None)


def _judge_stalled(evidence: FailureEvidence) -> Verdict | None:
    """The line works now; while the test stood still, it did not, or this machine kept it from working."""
    stalled = evidence.stalled
    then = _first(STALLED, stalled) if stalled else None
    if then is None or then.scope not in {Scope.LINE, Scope.LOCAL, Scope.CONFIG}:
        return None
    return replace(then, rule=f"while it stood still: {then.rule}", reason=rules_line.describe_flap(then, evidence))


def apply_verdict(failure: Failure, verdict: Verdict) -> Failure:
    """Return the failure with the scope of the verdict, its reason, and its kind where the engine's is vague."""
    certain = verdict.kind in _CERTAIN_KINDS and verdict.scope is not Scope.UNKNOWN
    kind = verdict.kind if verdict.kind and (certain or failure.kind in _VAGUE_KINDS) else failure.kind
    message = append_reason(failure.message, verdict.reason)
    return replace(failure, kind=kind, scope=verdict.scope, message=message)


def to_namespace_failure(failure: Failure, message: str) -> Failure:
    """Return the failure of a test during which the namespace went away or broke."""
    return replace(
        failure, kind=FailureKind.NAMESPACE, scope=Scope.LOCAL, message=append_reason(failure.message, message)
    )


def to_stored(verdict: Verdict, evidence: FailureEvidence) -> StoredVerdict:
    """Return the verdict as it is stored with the run; a login page proves nothing of the line."""
    proofs = () if verdict.rule == rules_line.PORTAL else evidence.proofs
    return StoredVerdict(verdict.scope, verdict.rule, verdict.reason, verdict.kind, proofs)


def append_reason(engine_message: str, reason: str) -> str:
    """Return both messages as one of limited length; the engine's is shortened where necessary."""
    suffix = _shorten(f"; diagnosis: {reason}", MAX_MESSAGE - MIN_ENGINE_MESSAGE)
    return _shorten(engine_message, MAX_MESSAGE - len(suffix)) + suffix


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
