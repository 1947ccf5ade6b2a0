"""The verdict on a failure: each rule by the evidence that calls for it, and what holds for any evidence; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from evidence_maker import (
    HOME,
    ROUTER,
    SERVER,
    SILENCE,
    TARGETS,
    UPLINK,
    WITNESSES,
    answers,
    far,
    far_names,
    inside,
    make_evidence,
    names,
    on_host,
    side,
)
from hypothesis import given
from hypothesis import strategies as st

from monitor.diagnosis import verdict
from monitor.diagnosis.verdict import MAX_MESSAGE, apply_verdict, judge, to_namespace_failure
from monitor.model import Failure, FailureKind, Scope
from netns.probe import findings as found
from netns.probe.findings import InnerLink, NameAnswer, Neighbour, ProbeAnswer, ProcRoute, TrafficSummary

if TYPE_CHECKING:
    from monitor.diagnosis.evidence import FailureEvidence

UNREACHED = {"neighbours": (Neighbour(ROUTER, "eth0", resolved=False),), "router": ProbeAnswer(ROUTER, "ETIMEDOUT")}

ONLY_NETWORK = (ProcRoute("192.168.1.0/24", None, "eth0"),)


def uplink(**changes: object) -> dict[str, object]:
    """Return links with a changed uplink, without a default route."""
    return {"links": (InnerLink("lo", up=True, mtu=65536), replace(UPLINK, **changes)), "routes": ()}  # type: ignore[arg-type]


MUCH = TrafficSummary(5_000_000, 10_000, 12.0, 3.0, 0.5)

PORTAL = answers(tls=found.TLS_FOREIGN, certificate="ab")

REFUSED_NEAR = {"hosts": answers("ECONNREFUSED", ttl=63), "far": far("ECONNREFUSED", ttl=63)}

NXDOMAIN = {"names": names("NXDOMAIN"), "far_names": far_names("NXDOMAIN")}

SERVFAIL_AT_ROUTER = {"names": names("SERVFAIL", ROUTER, ttl=64), "far_names": far_names("SERVFAIL", ROUTER, ttl=64),
                      "servers": (ProbeAnswer(ROUTER),)}  # fmt: skip

NAMES_AT_ROUTER = {"names": names(None, ROUTER, ttl=64), "far_names": far_names(None, ROUTER, ttl=64),
                   "servers": (ProbeAnswer(ROUTER),)}  # fmt: skip

NO_NAMES = {"names": names("ETIMEDOUT"), "far_names": far_names("ETIMEDOUT")}

BLOCKED = (*answers("ETIMEDOUT", WITNESSES[:2]), *answers(targets=WITNESSES[2:]))

CASES: dict[str, tuple[FailureEvidence, Scope, str]] = {
    # The line.
    "nobody answers": (make_evidence(both=SILENCE), Scope.LINE, "line silent"),
    "nobody answers, host": (on_host(**SILENCE), Scope.LINE, "line silent"),
    "router gone": (make_evidence(both=SILENCE, host=UNREACHED), Scope.LINE, "line silent"),
    "router's servers fail": (make_evidence(both=SILENCE | SERVFAIL_AT_ROUTER), Scope.LINE, "line silent"),
    "no carrier": (make_evidence(both=SILENCE, host=uplink(carrier=False)), Scope.LINE, "no carrier"),
    "all refused by the router": (make_evidence(both=SILENCE | REFUSED_NEAR), Scope.LINE, "all refused"),
    "all cut": (make_evidence(both={"hosts": answers(tls=found.TLS_CUT), "far": far(tls=found.TLS_CUT)}), Scope.LINE,
                "all refused"),
    "portal's certificate": (make_evidence(FailureKind.TLS, Scope.CONFIG, both={"hosts": PORTAL, "far": far(
        tls=found.TLS_FOREIGN, certificate="ab")}), Scope.LINE, "captive portal"),
    "portal's page": (make_evidence(both=SILENCE | {"pages": (ProbeAnswer("1.1.1.1:80", said="login 302 login.example"),)}),
                      Scope.LINE, "captive portal"),
    "portal's names": (make_evidence(both=SILENCE | {"servers": (ProbeAnswer(ROUTER),), "names": names(
        None, ROUTER, ttl=64, said="192.168.1.1")}), Scope.LINE, "captive portal"),
    "large packets": (make_evidence(both={"hosts": answers(tls=found.TLS_SMALL)}), Scope.LINE, "large packets"),
    "large packets up": (make_evidence(both={"hosts": answers(tls=found.TLS_STUCK)}), Scope.LINE, "large packets"),
    "loss": (make_evidence(both={"hosts": answers(sent=5, lost=2)}), Scope.LINE, "packets lost"),
    "names silent": (make_evidence(both=NO_NAMES), Scope.LINE, "name servers silent"),
    "names fail at the router": (make_evidence(both=SERVFAIL_AT_ROUTER), Scope.LINE, "name servers silent"),
    "no name exists": (make_evidence(both=NXDOMAIN), Scope.LINE, "name servers silent"),
    "died with the test": (make_evidence(both=SILENCE, traffic=MUCH), Scope.LINE, "line died"),
    "flap": (make_evidence(stalled=replace(inside(**SILENCE), host=side(**SILENCE))), Scope.LINE,
             "while it stood still: line silent"),
    # This machine.
    "namespace link down": (make_evidence(path={"links": (InnerLink("lo", up=False, mtu=1),)}), Scope.LOCAL,
                            "namespace broken"),
    "namespace without address": (make_evidence(path={"addresses": ()}), Scope.LOCAL, "namespace broken"),
    "namespace without route": (make_evidence(path={"routes": ()}), Scope.LOCAL, "namespace broken"),
    "namespace cut off": (make_evidence(path=SILENCE), Scope.LOCAL, "namespace cut off"),
    "uplink down": (make_evidence(both=SILENCE, host=uplink(up=False, carrier=False)), Scope.LOCAL, "uplink down"),
    "address lost": (make_evidence(both=SILENCE, host=uplink(address=None)), Scope.LOCAL, "no address"),
    "route lost": (make_evidence(both=SILENCE, host={"routes": ONLY_NETWORK}), Scope.LOCAL, "no default route"),
    "route and router lost": (make_evidence(both=SILENCE, host={"routes": ONLY_NETWORK} | UNREACHED), Scope.UNKNOWN,
                              "no default route"),
    "own firewall refuses": (make_evidence(both=SILENCE, path={"hosts": answers("ECONNREFUSED", ttl=64), "far": ()}),
                             Scope.LOCAL, "refused here"),
    "own firewall, ICMP": (make_evidence(both=SILENCE, path={"hosts": answers("ECONNREFUSED", sender="192.168.1.10")}),
                           Scope.LOCAL, "refused here"),
    "own firewall denies, host": (on_host(**SILENCE | {"hosts": answers("EPERM")}), Scope.LOCAL, "refused here"),
    "own firewall resets, host": (on_host(hosts=answers("ECONNREFUSED", ttl=64, first_hop="ECONNREFUSED"), far=()),
                                  Scope.LOCAL, "refused here"),
    "nothing leaves": (on_host(**SILENCE | {"links": (replace(UPLINK, left=1),)}), Scope.LOCAL, "nothing leaves"),
    "clock": (make_evidence(FailureKind.TLS, Scope.CONFIG, both={"hosts": answers(tls=found.TLS_DATE), "far": far(
        tls=found.TLS_DATE)}), Scope.LOCAL, "clock wrong"),
    "no issuers": (make_evidence(FailureKind.TLS, Scope.CONFIG, both={"hosts": answers(tls=found.TLS_UNCHECKED)}),
                   Scope.CONFIG, "no issuers"),
    "no name server": (make_evidence(both={"servers": (), "names": (), "far_names": ()}), Scope.CONFIG, "no name server"),
    "own name servers": (make_evidence(both=NO_NAMES, targets=replace(TARGETS, own_dns=True)), Scope.CONFIG,
                         "own name servers"),
    "name server answers the host": (make_evidence(path=NO_NAMES), Scope.LOCAL, "answers the host only"),
    "copy out of date": (make_evidence(path={"servers": (ProbeAnswer("203.0.113.54"),), "names": names(
        "ETIMEDOUT", "203.0.113.54"), "far_names": far_names("ETIMEDOUT", "203.0.113.54")}), Scope.LOCAL, "copy out of date"),
    "local name server": (on_host(servers=(ProbeAnswer("127.0.0.53"),), names=names("ECONNREFUSED", "127.0.0.53"),
                                  far_names=far_names("ECONNREFUSED", "127.0.0.53")), Scope.LOCAL, "local name server"),
    "name server at home": (make_evidence(both={"servers": (ProbeAnswer("192.168.1.2"),), "names": names(
        "ETIMEDOUT", "192.168.1.2"), "far_names": far_names("ETIMEDOUT", "192.168.1.2")}), Scope.CONFIG, "name server at home"),
    "name blocked": (make_evidence(FailureKind.DNS, Scope.LINE, both={"far_names": far_names(said="0.0.0.0"),  # noqa: S104

                                                                      "far": far("ENAME")}), Scope.CONFIG, "name blocked"),
    "hidden by the router": (make_evidence(both={"servers": (ProbeAnswer(ROUTER),), "names": names(None, ROUTER, ttl=64),
        "far_names": (*far_names("NXDOMAIN", ROUTER), *far_names(None, "1.1.1.1"))}), Scope.CONFIG, "name blocked"),
    "own server's name": (make_evidence(FailureKind.DNS, targets=replace(TARGETS, own_server=True), both={
        "far_names": far_names("NXDOMAIN")}), Scope.CONFIG, "provider's name"),
    # The provider.
    "all works": (make_evidence(), Scope.PROVIDER, "all works"),
    "provider silent": (make_evidence(both={"far": far("ETIMEDOUT")}), Scope.PROVIDER, "provider silent"),
    "provider refuses": (make_evidence(FailureKind.REFUSED, both={"far": far("ECONNREFUSED", ttl=50)}), Scope.PROVIDER,
                         "provider silent"),
    "provider refuses, two witnesses blocked": (make_evidence(both={"hosts": BLOCKED, "far": far("ECONNREFUSED", ttl=50)}),
                                                Scope.PROVIDER, "provider silent"),
    "refusal from afar": (make_evidence(both=SILENCE | NAMES_AT_ROUTER | {"far": far("ECONNREFUSED", ttl=50)}), Scope.PROVIDER,
                          "provider silent"),
    "certificate expired": (make_evidence(FailureKind.TLS, Scope.CONFIG, both={"far": far(tls=found.TLS_DATE)}),
                            Scope.PROVIDER, "provider's certificate"),
    "certificate of another": (make_evidence(FailureKind.TLS, Scope.CONFIG, both={"far": far(tls=found.TLS_FOREIGN)}),
                               Scope.PROVIDER, "provider's certificate"),
    "status 503": (make_evidence(FailureKind.PROVIDER_DOWN, Scope.PROVIDER, message="document (503)", both=SILENCE),
                   Scope.PROVIDER, "engine's words"),
    "rate limit": (make_evidence(FailureKind.RATE_LIMITED, Scope.PROVIDER, both=SILENCE), Scope.PROVIDER, "engine's words"),
    "provider's name": (make_evidence(FailureKind.DNS, Scope.LINE, both={"far_names": far_names("SERVFAIL"), "far": far(
        "ENAME")}), Scope.PROVIDER, "provider's name"),
    "stood still, strangers answered": (make_evidence(stalled=replace(inside(), host=side())), Scope.PROVIDER, "all works"),
    # Nobody can tell.
    "only names": (make_evidence(both={"hosts": answers("ETIMEDOUT"), "far": far("ETIMEDOUT")}), Scope.UNKNOWN,
                   "only names"),
    "unreachable, and all works": (make_evidence(FailureKind.UNREACHABLE, Scope.LINE), Scope.UNKNOWN, "works again"),
    "half of the known witnesses gone": (make_evidence(targets=replace(TARGETS, known=frozenset(WITNESSES)), both={
        "hosts": BLOCKED, "far": far("ETIMEDOUT")}), Scope.UNKNOWN, "half of the world"),
    "refused near": (make_evidence(both={"far": far("ECONNREFUSED", ttl=63)}), Scope.UNKNOWN, "refused near"),
    # Others.
    "own firewall refuses the provider": (make_evidence(both={"far": far("ECONNREFUSED", ttl=64)}), Scope.LOCAL,
                                          "refused here"),
    "engine refuses a valid certificate": (make_evidence(FailureKind.TLS, Scope.CONFIG), Scope.CONFIG, "engine refuses"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_evidence_comes_to_a_verdict(name: str):
    """Each rule decides the evidence that it is made for, and says why."""
    evidence, scope, rule = CASES[name]
    judged = judge(evidence)
    assert (judged.scope, judged.rule) == (scope, rule), judged.reason
    assert len(judged.reason) > 20


def test_witness_that_never_answered_is_none():
    """Where the witnesses that have answered before are known, the silence of another means nothing."""
    known = frozenset(WITNESSES[2:])
    evidence = make_evidence(both={"hosts": BLOCKED}, targets=replace(TARGETS, known=known))
    assert [answer.target for answer in evidence.path.witnesses] == [*WITNESSES[2:]]


def test_witness_in_the_own_network_is_none():
    """What answers without a router says nothing of the line."""
    near = ProbeAnswer("nas.example:80", None, said="192.168.1.7", sent=1)
    assert judge(make_evidence(both=SILENCE | {"hosts": (near, *answers("ETIMEDOUT"))})).rule == "line silent"


@pytest.mark.parametrize(
    ("server", "ttl", "proves"),
    [
        (SERVER, 57, True),
        (SERVER, 64, False),
        (ROUTER, 64, False),
        ("100.100.100.100", 64, False),
        ("9.9.9.9", 120, True),
    ],
)
def test_answer_about_a_name_proves_the_line_if_it_comes_from_beyond_the_router(server: str, ttl: int, proves: bool):
    """The time to live tells what came from the router itself, whatever address it used."""
    evidence = on_host(**SILENCE | {"servers": (ProbeAnswer(server),), "names": names("SERVFAIL", server, ttl=ttl)})
    assert bool(evidence.proofs) is proves


LINE_DOWN = {"line silent", "no carrier"}

PROOFS: dict[str, dict[str, object]] = {
    "certificate": {"hosts": (*answers(targets=WITNESSES[:1]), *answers("ETIMEDOUT", WITNESSES[1:]))},
    "names": {"names": names("NXDOMAIN", "9.9.9.9")},
    "refusal": {"far": far("ECONNREFUSED", ttl=50)},
    "provider": {"far": far()},
}


@given(
    st.sampled_from(sorted(CASES)),
    st.sampled_from(sorted(PROOFS)),
    st.sampled_from(sorted(FailureKind)),
)
def test_no_proof_of_the_line_ends_in_a_line_that_is_down(case: str, proof: str, kind: FailureKind):
    """Whatever else was found, and whatever the engine said: with one answer over the line it is not down."""
    evidence = CASES[case][0]
    evidence = replace(evidence, failure=replace(evidence.failure, kind=kind))
    proven = replace(evidence, findings=replace(evidence.findings, **PROOFS[proof]))
    if proven.path.proofs:
        assert judge(proven).rule not in LINE_DOWN


@given(st.sampled_from(sorted(CASES)), st.integers(0, 3), st.sampled_from(sorted(FailureKind)))
def test_a_witness_that_answers_never_turns_a_verdict_to_the_line(case: str, number: int, kind: FailureKind):
    """One more valid certificate, on both sides: who was not blamed on the line before is not blamed on it now."""
    evidence = CASES[case][0]
    evidence = replace(evidence, failure=replace(evidence.failure, kind=kind))
    answered = replace(evidence, findings=_with_answer(evidence, number))
    before, after = judge(evidence), judge(answered)
    if before.scope is not Scope.LINE and not after.rule.startswith("name"):
        assert after.scope is not Scope.LINE, (before, after)


def _with_answer(evidence: FailureEvidence, number: int) -> found.Findings:
    findings = evidence.findings

    def answer(of: found.Findings) -> found.Findings:
        hosts = tuple(
            replace(answers(targets=(host.target,))[0], said=host.said) if at == number else host
            for at, host in enumerate(of.hosts)
        )
        return replace(of, hosts=hosts)

    return replace(answer(findings), host=answer(findings.host) if findings.host else None)


@given(st.sampled_from(sorted(CASES)), st.text(max_size=400))
def test_a_message_has_room_for_the_reason(case: str, message: str):
    """However much the engine printed, the message keeps to its limit and has the reason, or its beginning."""
    evidence = CASES[case][0]
    judged = judge(evidence)
    told = apply_verdict(replace(evidence.failure, message=message), judged).message
    assert len(told) <= MAX_MESSAGE
    assert judged.reason[:100] in told


@pytest.mark.parametrize(
    ("kind", "case", "expected"),
    [
        (FailureKind.TIMEOUT, "nobody answers", FailureKind.UNREACHABLE),
        (FailureKind.TIMEOUT, "names silent", FailureKind.DNS),
        (FailureKind.STAGE_FAILED, "provider refuses", FailureKind.REFUSED),
        (FailureKind.TIMEOUT, "provider silent", FailureKind.TIMEOUT),
        (FailureKind.BAD_OUTPUT, "portal's certificate", FailureKind.BAD_OUTPUT),
        (FailureKind.TLS, "namespace cut off", FailureKind.NAMESPACE),
        (FailureKind.REFUSED, "own firewall refuses", FailureKind.UNREACHABLE),
    ],
)
def test_the_kind_of_the_engine_stays_where_it_says_more(kind: FailureKind, case: str, expected: FailureKind):
    """A vague kind, or one that the evidence overrules, gives way; stage and exit code stay."""
    told = apply_verdict(Failure(kind, Scope.UNKNOWN, "download", "words", 1), judge(CASES[case][0]))
    assert told.kind is expected
    assert (told.stage, told.exit_code) == ("download", 1)
    assert told.message.startswith("words; diagnosis: ")


def test_login_page_is_called_a_captive_portal():
    """The message has the words that a user would look up, and nothing that the portal sent is a proof."""
    evidence = CASES["portal's page"][0]
    judged = judge(evidence)
    assert "captive portal" in judged.reason
    assert verdict.to_stored(judged, evidence).proofs == ()


def test_flap_names_its_times():
    """The reason says when nobody answered, and when somebody did."""
    reason = judge(CASES["flap"][0]).reason
    assert reason.count("UTC") == 2
    assert "1.1.1.1:443 showed its certificate" in reason


def test_namespace_that_broke_during_the_test():
    """A namespace that went away during the test is this machine's failure, whatever the engine said."""
    completed = to_namespace_failure(
        Failure(FailureKind.DNS, Scope.LINE, "configuration", "no such name"), "it is gone"
    )
    assert (completed.kind, completed.scope) == (FailureKind.NAMESPACE, Scope.LOCAL)
    assert completed.message == "no such name; diagnosis: it is gone"


def test_home_of_the_provider_is_asked_by_name():
    """The evidence says whom it asked."""
    assert HOME in judge(CASES["provider silent"][0]).reason


def test_names_of_others_are_asked_at_each_server():
    """An answer about a name says which server gave it."""
    assert {type(name) for name in names()} == {NameAnswer}
