"""What the rules of a verdict share: the verdict itself, and evidence put into words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor.diagnosis.evidence import ANSWERED_KINDS
from monitor.model import FailureKind, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.diagnosis.evidence import FailureEvidence
    from netns.probe.findings import ProbeAnswer


# The provider, or this machine, has said what is wrong; what works a moment later does not change it.
SETTLED_KINDS = ANSWERED_KINDS | {FailureKind.SERVER_GONE, FailureKind.CRASHED}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whose fault a failure is: by which rule, why, and of which kind; None keeps the kind of the engine's words."""

    scope: Scope
    rule: str
    reason: str
    kind: FailureKind | None = None


def describe_answers(answers: Iterable[ProbeAnswer]) -> str:
    """Return targets, each with its error or what its handshake showed."""
    return ", ".join(f"{answer.target} {answer.error or answer.tls or 'answered'}" for answer in answers)


def list_targets(answers: Iterable[ProbeAnswer]) -> str:
    """Return the targets of answers, each once."""
    return ", ".join(dict.fromkeys(answer.target for answer in answers))


def name_time(at: float | None) -> str:
    """Return a time of day in UTC, "then" where it is not known."""
    return "then" if at is None else f"at {datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"


def is_settled(evidence: FailureEvidence) -> bool:
    """Whether somebody answered the engine with what is wrong, and not a box in between."""
    return evidence.failure.kind in SETTLED_KINDS and evidence.proxy_status is None
