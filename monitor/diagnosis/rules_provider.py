"""Rules for a line that works: the provider is left, unless the evidence contradicts itself. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.diagnosis.rules import Verdict, describe_answers, is_settled, list_targets, name_time
from monitor.diagnosis.side import SILENT
from monitor.model import FailureKind, Scope
from netns.probe import findings as found

if TYPE_CHECKING:
    from monitor.diagnosis.evidence import FailureEvidence
    from netns.probe.findings import ProbeAnswer


_CERTIFICATES = {
    found.TLS_DATE: "shows a certificate that has expired",
    found.TLS_FOREIGN: "shows a certificate that is not its own",
    found.TLS_PLAIN: "does not speak TLS",
    found.TLS_CUT: "cuts the connection",
    found.TLS_SILENT: "opens a connection and is silent",
}

# The engine says that packets did not get through, which an answer a moment later does not explain.
_DENIED_KINDS = frozenset({FailureKind.UNREACHABLE, FailureKind.DNS})


def judge_settled(evidence: FailureEvidence) -> Verdict | None:
    """The provider, or the engine's own end, has said what is wrong."""
    if not is_settled(evidence):
        return None
    status = evidence.http_status
    said = f"the provider answered the engine with HTTP status {status}" if status else "the engine's words are certain"
    return Verdict(evidence.failure.scope, "engine's words", said)


def judge_proxy(evidence: FailureEvidence) -> Verdict | None:
    """A box in between answers for everybody on port 80, and the line works."""
    if evidence.proxy_status is None:
        return None
    said = f"somebody in between answers every page with HTTP status {evidence.proxy_status}"
    return Verdict(Scope.UNKNOWN, "proxy", f"{said}, and {_describe_proofs(evidence)}")


def judge_kept_in_far(evidence: FailureEvidence) -> Verdict | None:
    """Packets to a stranger leave this host, those to the provider or to a port of the test do not, or are refused."""
    path, findings = evidence.path, evidence.findings
    if is_settled(evidence):
        return None
    silent = [answer for answer in (*findings.far, *findings.ports) if not answer.ok and answer.error != "ENAME"]
    kept = [answer for answer in silent if answer.error == "ETIMEDOUT" and answer.target in path.kept_in]
    kept += [answer for answer in silent if path.is_own_refusal(answer) or path.is_denied_here(answer)]
    if not kept:
        near = [answer for answer in silent if answer in findings.ports and path.is_near_refusal(answer)]
        return _refused_near(near) if near else None
    reason = f"what is sent to {list_targets(kept)} does not leave this host: see its firewall and routes"
    return Verdict(Scope.LOCAL, "refused here", reason, FailureKind.REFUSED)


def _refused_near(refused: list[ProbeAnswer]) -> Verdict:
    reason = f"the router or something near refuses {list_targets(refused)}, and nothing else"
    return Verdict(Scope.UNKNOWN, "refused near", reason, FailureKind.REFUSED)


def judge_contradiction(evidence: FailureEvidence) -> Verdict | None:
    """Something came over the line during the test, and nothing a moment later."""
    if evidence.path.proofs or not evidence.test_proofs:
        return None
    tried = (*evidence.path.witnesses, *evidence.findings.far)
    reason = (
        f"{evidence.test_proofs[0]}, and {name_time(evidence.findings.at)} nobody answers: {describe_answers(tried)}"
    )
    return Verdict(Scope.UNKNOWN, "contradiction", reason)


def judge_only_names(evidence: FailureEvidence) -> Verdict | None:
    """Name servers answer, and nobody else: they may know by heart what they say."""
    sides = [evidence.path, *([evidence.host] if evidence.host else [])]
    asked = [answer for side in sides for answer in (*side.witnesses, *side.findings.far) if answer.sent]
    strangers = {answer.target for answer in evidence.path.witnesses if answer.sent}
    if evidence.test_proofs or not strangers or any(a.error not in SILENT for a in asked):
        return None
    reason = f"name servers answer ({_describe_proofs(evidence)}), and nobody else: {describe_answers(asked)}"
    return Verdict(Scope.UNKNOWN, "only names", reason)


def judge_mute(evidence: FailureEvidence) -> Verdict | None:
    """Strangers and the provider open connections, and nobody says anything more."""
    far, witnesses = evidence.findings.far, evidence.path.witnesses
    mute = [answer for answer in (*witnesses, *far) if answer.tls in {found.TLS_SILENT, found.TLS_CUT}]
    if is_settled(evidence) or len({answer.target for answer in mute} & {answer.target for answer in witnesses}) < 2:  # noqa: PLR2004
        return None
    if evidence.path.proven or any(answer.ok and answer not in mute for answer in far):
        return None
    reason = f"connections are opened, and nobody says anything more: {describe_answers(mute)}"
    return Verdict(Scope.UNKNOWN, "mute", reason)


def judge_far(evidence: FailureEvidence) -> Verdict | None:
    """Strangers answer, the provider does not, or with a certificate that is wrong."""
    far = evidence.findings.far
    lost = [answer for answer in far if not answer.ok and answer.error != "ENAME"]
    odd = [answer for answer in far if answer.tls in _CERTIFICATES]
    if not lost and not odd:
        return None
    works = _describe_proofs(evidence)
    if not lost:
        reason = ", ".join(f"{answer.target} {_CERTIFICATES[answer.tls or '']}" for answer in odd)
        return Verdict(Scope.PROVIDER, "provider's certificate", f"{works}, and {reason}", _odd_kind(odd))
    if blocked := [answer for answer in lost if evidence.path.is_near_refusal(answer)]:
        return _refused_near(blocked)
    gone = _gone_strangers(evidence)
    if len(gone) >= max(2, len(evidence.path.genuine)) and all(answer.error in SILENT for answer in lost):
        reason = f"some hosts answer ({works}), others do not: {describe_answers((*gone, *lost))}"
        return Verdict(Scope.UNKNOWN, "half of the world", reason)
    refused = any(answer.error == "ECONNREFUSED" for answer in lost)
    kind = FailureKind.REFUSED if refused else FailureKind.PROVIDER_DOWN
    return Verdict(
        Scope.PROVIDER, "provider silent", f"the line works, but not the far end: {describe_answers(lost)}", kind
    )


def _odd_kind(odd: list[ProbeAnswer]) -> FailureKind:
    certificates = {found.TLS_DATE, found.TLS_FOREIGN, found.TLS_PLAIN}
    return FailureKind.TLS if any(answer.tls in certificates for answer in odd) else FailureKind.PROVIDER_DOWN


def _gone_strangers(evidence: FailureEvidence) -> list[ProbeAnswer]:
    """Return the witnesses that have answered on this line before, and are silent now."""
    known = evidence.targets.known
    return [answer for answer in evidence.path.witnesses if answer.error in SILENT and answer.target in known]


def judge_own_tls(evidence: FailureEvidence) -> Verdict | None:
    """The engine refuses a certificate that this machine finds valid."""
    far = [answer for answer in evidence.findings.far if answer.tls == found.TLS_VALID]
    if evidence.failure.kind is not FailureKind.TLS or not far:
        return None
    reason = f"the certificate of {list_targets(far)} is valid, and the engine refused it; update the engine"
    return Verdict(Scope.CONFIG, "engine refuses", reason)


def judge_denied(evidence: FailureEvidence) -> Verdict | None:
    """The engine says that nothing got through, and all of it works a moment later."""
    if evidence.failure.kind not in _DENIED_KINDS or evidence.failure.scope is not Scope.LINE:
        return None
    works = _describe_proofs(evidence)
    reason = f"the engine got nothing through, and {name_time(evidence.findings.at)} all works ({works})"
    return Verdict(Scope.UNKNOWN, "works again", reason)


def judge_rest(evidence: FailureEvidence) -> Verdict:
    """Everything works a moment later: the provider is left, or nobody, where nothing proves that the line does."""
    if not evidence.proofs:
        return Verdict(Scope.UNKNOWN, "nothing known", "nothing shows whether the line works")
    if evidence.failure.scope in {Scope.CONFIG, Scope.LOCAL}:
        return Verdict(evidence.failure.scope, "engine's words", f"the line works ({_describe_proofs(evidence)})")
    working = "the line, its DNS and a connection to the provider" if evidence.findings.far else "the line and its DNS"
    return Verdict(Scope.PROVIDER, "all works", f"a moment later {working} worked")


def _describe_proofs(evidence: FailureEvidence) -> str:
    return ", ".join(evidence.proofs[:2])
