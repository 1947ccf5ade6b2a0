"""The findings of a diagnosis show whose fault a failure is; pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.diagnosis.scope import (
    MAX_MESSAGE,
    REVISABLE_KINDS,
    DiagnosisTargets,
    apply_findings,
    judge_findings,
    to_namespace_failure,
)
from monitor.model import Failure, FailureKind, Scope
from netns.probe.findings import Findings, InnerLink, ProbeAnswer, ProcRoute

HOSTS, FAR = ("192.0.2.1:443", "192.0.2.2:443"), ("www.speedtest.net:443",)

TARGETS = DiagnosisTargets(HOSTS, FAR)

DEFAULT = ProcRoute("0.0.0.0/0", "192.168.200.1", "ip4only-ns")

OTHER_NET = ProcRoute("192.168.200.0/24", None, "ip4only-ns")


def answers(targets: tuple[str, ...], *errors: str | None) -> tuple[ProbeAnswer, ...]:
    """Return an answer of each target; an error that is missing means that it answered."""
    return tuple(
        ProbeAnswer(target, error, 1.0)
        for target, error in zip(targets, errors + (None,) * (len(targets) - len(errors)), strict=True)
    )


def make_findings(**changes: Any) -> Findings:
    """Return the findings of a line on which everything works, with changes."""
    works = {
        "links": (InnerLink("lo", up=True, mtu=65536), InnerLink("ip4only-ns", up=True, mtu=1500)),
        "addresses": ("192.168.200.2",),
        "routes": (DEFAULT,),
        "servers": answers(("192.0.2.53",)),
        "hosts": answers(HOSTS),
        "far": answers(FAR),
        "direct": answers(HOSTS),
        "uplink": InnerLink("eth0", up=True, mtu=1500),
    }
    return Findings(**(works | changes))


DEAD = {name: answers(HOSTS, "ETIMEDOUT", "ETIMEDOUT") for name in ("hosts", "direct")} | {
    "far": answers(FAR, "ENAME"),
    "servers": answers(("192.0.2.53",), "ETIMEDOUT"),
}


@pytest.mark.parametrize(
    ("changes", "scope", "kind", "words"),
    [
        ({}, Scope.PROVIDER, None, "a moment later the line, its DNS and a connection to the provider worked"),
        ({"far": ()}, Scope.PROVIDER, None, "a moment later the line and its DNS worked"),
        (
            {"links": (InnerLink("lo", up=False, mtu=1),)},
            Scope.LOCAL,
            FailureKind.NAMESPACE,
            "in the namespace lo is down",
        ),
        ({"addresses": ()}, Scope.LOCAL, FailureKind.NAMESPACE, "in the namespace there is no address"),
        ({"routes": (OTHER_NET,)}, Scope.LOCAL, FailureKind.NAMESPACE, "in the namespace there is no default route"),
        (
            DEAD,
            Scope.LINE,
            FailureKind.UNREACHABLE,
            "nothing answers: 192.0.2.1:443 ETIMEDOUT, 192.0.2.2:443 ETIMEDOUT, ",
        ),
        (DEAD | {"uplink": None}, Scope.LINE, FailureKind.UNREACHABLE, "the host has no IPv4 default route"),
        (
            DEAD | {"uplink": InnerLink("eth0", up=False, mtu=1500)},
            Scope.LINE,
            FailureKind.UNREACHABLE,
            "uplink eth0 has no carrier",
        ),
        (
            DEAD | {"direct": answers(HOSTS)},
            Scope.LOCAL,
            FailureKind.NAMESPACE,
            "the host reaches 192.0.2.1:443, 192.0.2.2",
        ),
        ({"hosts": answers(HOSTS, "ETIMEDOUT")}, Scope.PROVIDER, None, "a moment later"),
        # Hosts that the user chose badly say nothing of a line over which the provider answers.
        ({"hosts": DEAD["hosts"], "direct": DEAD["hosts"]}, Scope.PROVIDER, None, "a moment later"),
        ({"servers": DEAD["servers"]}, Scope.LINE, FailureKind.DNS, "no name server answers: 192.0.2.53 ETIMEDOUT"),
        ({"servers": ()}, Scope.CONFIG, FailureKind.DNS, "no name server in resolv.conf"),
        (
            {"far": answers(FAR, "ECONNREFUSED")},
            Scope.PROVIDER,
            FailureKind.REFUSED,
            "not the far end: www.speedtest.net:443",
        ),
        ({"far": answers(FAR, "ETIMEDOUT")}, Scope.PROVIDER, FailureKind.PROVIDER_DOWN, "not the far end"),
    ],
)
def test_findings_come_to_a_verdict(changes: dict[str, Any], scope: Scope, kind: FailureKind | None, words: str):
    """The nearest thing that does not work is the culprit; where all of it works, the provider is left."""
    verdict = judge_findings(make_findings(**changes), TARGETS)
    assert (verdict.scope, verdict.kind) == (scope, kind)
    assert words in verdict.message


def test_own_name_servers_are_the_users():
    """Name servers that the configuration names and that do not answer are a matter of the configuration."""
    assert (
        judge_findings(make_findings(servers=DEAD["servers"]), DiagnosisTargets(HOSTS, FAR, own_dns=True)).scope
        is Scope.CONFIG
    )


def test_on_the_host_the_namespace_is_not_judged():
    """A test beside the namespace has nothing to do with its links."""
    verdict = judge_findings(
        make_findings(links=(), addresses=(), direct=()), DiagnosisTargets(HOSTS, FAR, inside=False)
    )
    assert verdict.scope is Scope.PROVIDER


@pytest.mark.parametrize(
    ("kind", "scope", "changes", "expected"),
    [
        (FailureKind.TIMEOUT, Scope.UNKNOWN, {}, (FailureKind.TIMEOUT, Scope.PROVIDER)),
        (FailureKind.TIMEOUT, Scope.UNKNOWN, DEAD, (FailureKind.UNREACHABLE, Scope.LINE)),
        (
            FailureKind.STAGE_FAILED,
            Scope.UNKNOWN,
            {"far": answers(FAR, "ECONNREFUSED")},
            (FailureKind.REFUSED, Scope.PROVIDER),
        ),
        (FailureKind.BAD_OUTPUT, Scope.UNKNOWN, {}, (FailureKind.BAD_OUTPUT, Scope.PROVIDER)),
        # The engine noticed that the line failed, and the diagnosis came too late.
        (FailureKind.DNS, Scope.LINE, {}, (FailureKind.DNS, Scope.LINE)),
        (FailureKind.DNS, Scope.LINE, DEAD, (FailureKind.UNREACHABLE, Scope.LINE)),
        # Somebody far away said so, whatever happened since.
        (FailureKind.PROVIDER_DOWN, Scope.PROVIDER, DEAD, (FailureKind.PROVIDER_DOWN, Scope.PROVIDER)),
        (FailureKind.RATE_LIMITED, Scope.PROVIDER, DEAD, (FailureKind.RATE_LIMITED, Scope.PROVIDER)),
        (FailureKind.TLS, Scope.CONFIG, {}, (FailureKind.TLS, Scope.CONFIG)),
    ],
)
def test_engine_and_diagnosis_together_name_the_failure(
    kind: FailureKind, scope: Scope, changes: dict[str, Any], expected: tuple[FailureKind, Scope]
):
    """The kind of the engine's message stays where it is certain, and is completed or corrected elsewhere."""
    completed = apply_findings(Failure(kind, scope, "download", "words", 1), make_findings(**changes), TARGETS)
    assert (completed.kind, completed.scope) == expected
    assert (completed.stage, completed.exit_code) == ("download", 1)
    assert completed.message.startswith("words; diagnosis: ")


@given(st.sampled_from(sorted(REVISABLE_KINDS)), st.text(max_size=400), st.sampled_from([{}, DEAD]))
def test_a_message_has_room_for_the_diagnosis(kind: FailureKind, message: str, changes: dict[str, Any]):
    """However much the engine printed, the message keeps to its limit and has the diagnosis."""
    completed = apply_findings(Failure(kind, Scope.UNKNOWN, None, message), make_findings(**changes), TARGETS)
    assert len(completed.message) <= MAX_MESSAGE
    assert judge_findings(make_findings(**changes), TARGETS).message in completed.message
    assert completed.scope is not Scope.UNKNOWN


def test_namespace_that_broke_during_the_test():
    """A namespace that went away during the test is this machine's failure, whatever the engine said."""
    completed = to_namespace_failure(
        Failure(FailureKind.DNS, Scope.LINE, "configuration", "no such name"), "it is gone"
    )
    assert (completed.kind, completed.scope) == (FailureKind.NAMESPACE, Scope.LOCAL)
    assert completed.message == "no such name; diagnosis: it is gone"
