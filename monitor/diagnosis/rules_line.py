"""Rules about the line: login pages, silence, large packets, loss, and a line that came back. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from monitor.diagnosis.rules import Verdict, describe_answers, is_settled, list_targets, name_time
from monitor.diagnosis.side import GENUINE, IMPOSTOR, count_lost, resolves
from monitor.model import FailureKind, Scope
from netns.probe import findings as found

if TYPE_CHECKING:
    from monitor.diagnosis.evidence import FailureEvidence
    from monitor.diagnosis.side import Side
    from netns.probe.findings import ProbeAnswer


# A line that loses this share of the packets spoils a test; fewer lost packets than this may be chance.
_LOSSY_SHARE, _LOSSY_SHARE_UNDER_LOAD, _LOST_PACKETS = 0.15, 0.5, 3

PORTAL = "captive portal"

_UNSTABLE_KINDS = frozenset(
    {
        FailureKind.TIMEOUT,
        FailureKind.DNS,
        FailureKind.UNREACHABLE,
        FailureKind.NO_SERVER,
        FailureKind.STAGE_FAILED,
        FailureKind.TLS,
        FailureKind.UNKNOWN,
    }
)


def judge_portal(evidence: FailureEvidence) -> Verdict | None:
    """Nobody proves who he is, and one and the same box answers for several, or with a login page."""
    sides = [evidence.path, *([evidence.host] if evidence.host else [])]
    if any(side.proven or side.genuine for side in sides):
        return _judge_open_portal(evidence, sides)
    signs = _portal_signs(evidence.path)
    if not signs or (is_settled(evidence) and not _login_pages(evidence.path)):
        return None
    return Verdict(Scope.LINE, PORTAL, f"captive portal: {signs[0]}; log in with a browser, then test again")


def _judge_open_portal(evidence: FailureEvidence, sides: list[Side]) -> Verdict | None:
    """A portal may let one stranger through, whose certificate its users need; not the provider."""
    proven = {answer.target for side in sides for answer in (*side.proven, *side.genuine)}
    strangers = {answer.target for answer in evidence.path.findings.hosts}
    pages = {page.said: page.target for page in _login_pages(evidence.path)}
    logins = Counter(page.said for page in _login_pages(evidence.path)).most_common(1)
    if is_settled(evidence) or len(proven) > 1 or not proven <= strangers or not logins or logins[0][1] < 2:  # noqa: PLR2004
        return None
    said = logins[0][0]
    reason = f"captive portal: {pages[said]} and others answer with a login page ({said})"
    return Verdict(Scope.LINE, PORTAL, f"{reason}; log in with a browser, then test again")


def _portal_signs(side: Side) -> list[str]:
    findings = side.findings
    signs = []
    if logins := _login_pages(side):
        signs.append(f"{logins[0].target} answers with a login page ({logins[0].said})")
    foreign = [answer for answer in (*side.witnesses, *findings.far) if answer.tls == found.TLS_FOREIGN]
    same = Counter(answer.certificate for answer in foreign if answer.certificate).most_common(1)
    if same and same[0][1] > 1:
        signs.append(f"{list_targets(foreign)} show one certificate that is not theirs")
    elif len(foreign) > 1 or (foreign and any(map(side.is_near, foreign))):
        signs.append(f"{list_targets(foreign)} shows a certificate of somebody else")
    if shared := find_shared_address(side):
        signs.append(f"a name server gives {shared} as the address of every name")
    plain = [answer for answer in side.witnesses if answer.tls in IMPOSTOR and side.is_near(answer)]
    if len(plain) > 1:
        signs.append(f"somebody answers in the place of {list_targets(plain)}")
    return signs


def _login_pages(side: Side) -> list[ProbeAnswer]:
    """Return the login pages that answered in the place of witnesses; the provider may have one of its own."""
    strangers = {answer.target.rpartition(":")[0] for answer in side.findings.hosts}
    pages = [page for page in side.findings.pages if (page.said or "").startswith("login")]
    return [page for page in pages if page.target.rpartition(":")[0] in strangers or page.said != "login 200"]


def find_shared_address(side: Side) -> str | None:
    """Return the address that a name server gives for names of different operators, None where there is none."""
    for server in side.name_servers:
        names = [name for name in side.findings.names if name.answer.target == server and name.answer.ok]
        addresses = {name.answer.said for name in names}
        if len({name.name for name in names}) > 1 and len(addresses) == 1:
            address = addresses.pop()
            if not any(answer.said == address and answer.tls in GENUINE for answer in side.findings.hosts):
                return address
    return None


def judge_silence(evidence: FailureEvidence) -> Verdict | None:
    """Nothing at all came back over the line, neither to the test, nor to the host, nor during the test."""
    host = evidence.host
    if evidence.proofs or (host is not None and host.proofs):
        return None
    asked = [answer for answer in (*evidence.path.witnesses, *evidence.findings.far) if answer.sent]
    if not asked:
        return None
    return Verdict(Scope.LINE, "line silent", _describe_silence(evidence, asked), FailureKind.UNREACHABLE)


def judge_refusals(evidence: FailureEvidence) -> Verdict | None:
    """Everybody is refused alike: somebody between this host and all of them does that."""
    refused = evidence.path.refused_alike
    if not refused or is_settled(evidence) or evidence.path.proven or (evidence.host and evidence.host.proven):
        return None
    reason = f"somebody in between refuses every connection: {describe_answers(refused)}"
    return Verdict(Scope.LINE, "all refused", reason, FailureKind.UNREACHABLE)


def judge_death(evidence: FailureEvidence) -> Verdict | None:
    """The test received until its end, and then neither strangers nor the name servers that it had used answer."""
    host = evidence.host
    sides = [evidence.path, *([host] if host else [])]
    if any(side.proofs or resolves(side) for side in sides) or evidence.http_status or not evidence.test_proofs:
        return None
    asked = [answer for answer in evidence.path.witnesses if answer.sent]
    if is_settled(evidence) or len(asked) < 2:  # noqa: PLR2004
        return None
    reason = f"the line died with the test: {evidence.test_proofs[0]}, and then {_describe_silence(evidence, asked)}"
    return Verdict(Scope.LINE, "line died", reason, FailureKind.UNREACHABLE)


def _describe_silence(evidence: FailureEvidence, asked: list[ProbeAnswer]) -> str:
    host = evidence.host
    router = host.router_address if host else None
    if host is None or router is None:
        where = ""
    elif host.router_answers:
        where = f", though the router {router} does"
    else:
        where = f", nor does the router {router}"
    return f"nobody answers: {describe_answers(asked)}{where}"


def judge_size(evidence: FailureEvidence) -> Verdict | None:
    """Hosts answer small packets and stay silent after large ones."""
    witnesses = evidence.path.witnesses
    stuck = [answer for answer in witnesses if answer.tls in {found.TLS_SMALL, found.TLS_STUCK}]
    if is_settled(evidence) or not stuck or any(answer.tls == found.TLS_VALID for answer in witnesses):
        return None
    if len(stuck) < 2 and any(answer.tls is not None for answer in witnesses if answer not in stuck):  # noqa: PLR2004
        return None
    reason = f"large packets do not pass: {list_targets(stuck)} answered small ones only"
    host = evidence.host
    if evidence.targets.inside and host and any(answer.tls == found.TLS_VALID for answer in host.witnesses):
        return Verdict(
            Scope.LOCAL,
            "large packets",
            f"{reason}, but from the host they do; run: sudo speedmon setup-netns",
            FailureKind.NAMESPACE,
        )
    return Verdict(Scope.LINE, "large packets", f"{reason} (MTU)")


def judge_loss(evidence: FailureEvidence) -> Verdict | None:
    """Many packets to strangers are lost, on both sides."""
    if evidence.failure.kind not in _UNSTABLE_KINDS or _is_far_gone(evidence):
        return None
    return _judge_loss(evidence, _LOSSY_SHARE)


def judge_loss_under_load(evidence: FailureEvidence) -> Verdict | None:
    """The same while the test ran, which itself fills the queues of a line: only much loss means something."""
    return None if is_settled(evidence) else _judge_loss(evidence, _LOSSY_SHARE_UNDER_LOAD)


def _judge_loss(evidence: FailureEvidence, share: float) -> Verdict | None:
    sides = [evidence.path, *([evidence.host] if evidence.host and evidence.targets.inside else [])]
    counts = [count_lost(answer for answer in side.witnesses if not side.is_near(answer)) for side in sides]
    sent, lost, losers = (sum(column) for column in zip(*counts, strict=True))
    if lost < _LOST_PACKETS or losers <= 1 or any(of_side[1] < of_side[0] * share for of_side in counts):
        return None
    return Verdict(Scope.LINE, "packets lost", f"{lost} of {sent} packets to hosts of others got no answer")


def _is_far_gone(evidence: FailureEvidence) -> bool:
    """Whether the provider does not answer at all, while strangers do: loss does not explain that."""
    far = evidence.findings.far
    return bool(far) and all(not answer.ok and answer.error != "ENAME" for answer in far)


def describe_flap(then: Verdict, evidence: FailureEvidence) -> str:
    """Return what was wrong while the test stood still, and that it works now."""
    findings, stalled = evidence.findings, evidence.findings.stalled
    began = name_time(stalled.at if stalled else None)
    works = f"; {name_time(findings.at)} {evidence.proofs[0]}" if evidence.proofs else ""
    return f"{began}, while the test stood still, {then.reason}{works}"
