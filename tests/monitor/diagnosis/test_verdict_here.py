"""The verdict where this machine, or a box in between, hides behind a line that looks dead or a provider that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from evidence_maker import (
    HOME,
    ROUTER,
    SERVER,
    SILENCE,
    WITNESSES,
    answers,
    far,
    make_evidence,
    names,
    on_host,
)

from monitor.diagnosis.verdict import judge
from monitor.model import FailureKind, Scope
from netns.probe.findings import (
    NameAnswer,
    Neighbour,
    ProbeAnswer,
    ProcRoute,
    parse_hosts_file,
    parse_neighbours,
    parse_undelivered,
)

if TYPE_CHECKING:
    from monitor.diagnosis.evidence import FailureEvidence

ELSEWHERE = {
    "routes": (ProcRoute("0.0.0.0/0", "192.168.1.77", "eth0"), ProcRoute("192.168.1.0/24", None, "eth0")),
    "router": ProbeAnswer("192.168.1.77", "ETIMEDOUT"),
    "neighbours": (Neighbour("192.168.1.77", "eth0", resolved=False),),
}

FORMER = {"former": ProbeAnswer(ROUTER, None, 1.0)}

NO_GATEWAY = {"routes": (ProcRoute("0.0.0.0/0", None, "eth0"),), "router": None, "neighbours": ()}

BY_HAND = {"neighbours": (Neighbour(ROUTER, "eth0", resolved=True, permanent=True),),
           "router": ProbeAnswer(ROUTER, "ETIMEDOUT")}  # fmt: skip

LEFT = ProbeAnswer(WITNESSES[0], sender=ROUTER)

PORT = "www.speedtest.net:8080"


def kept(target: str) -> dict[str, object]:
    """Return what shows that packets to a target do not leave this host."""
    return {"expired": (LEFT, ProbeAnswer(target, "ETIMEDOUT"))}


def pages(said: str, ttl: int = 63) -> tuple[ProbeAnswer, ...]:
    """Return the same page of three strangers, by default from the router."""
    return tuple(ProbeAnswer(f"{host}:80", said=said, ttl=ttl) for host in ("1.1.1.1", "9.9.9.9", "www.google.com"))


def engine_got(status: int, **both: object) -> FailureEvidence:
    """Return the evidence of an engine that got an HTTP status."""
    message = f"HTTP Error {status}: Words"
    return make_evidence(FailureKind.PROVIDER_DOWN, Scope.PROVIDER, both=both, message=message)


HIJACKED = tuple(
    NameAnswer(name, ProbeAnswer(SERVER, said="203.0.113.99", ttl=57)) for name in ("a.example", "b.example")
)

IN_HOSTS = {"hosts_file": (NameAnswer("www.speedtest.net", ProbeAnswer("/etc/hosts", said="127.0.0.1")),)}

KEPT_QUERIES = {"names": names("EPERM"), "far_names": names("EPERM", asked=("www.speedtest.net",)),
                "hosts": answers("ENAME"), "far": far("ENAME")}  # fmt: skip

CASES: dict[str, tuple[FailureEvidence, Scope, str]] = {
    "wrong gateway": (on_host(**SILENCE | ELSEWHERE | FORMER), Scope.LOCAL, "wrong router"),
    "no gateway": (on_host(**SILENCE | NO_GATEWAY | FORMER), Scope.LOCAL, "wrong router"),
    "another gateway that answers": (
        on_host(**SILENCE | ELSEWHERE | FORMER | {"router": ProbeAnswer("192.168.1.77", None, 1.0)}),
        Scope.UNKNOWN,
        "another router",
    ),
    "wrong gateway from the start": (
        on_host(**SILENCE | ELSEWHERE | {"names": names(None, "192.168.1.2", ttl=64),
                                         "servers": (ProbeAnswer("192.168.1.2"),)}),
        Scope.UNKNOWN,
        "router or route",
    ),
    "router's address by hand": (on_host(**SILENCE | BY_HAND), Scope.LOCAL, "router's address"),
    "replies dropped here": (on_host(**SILENCE | {"undelivered": 40}), Scope.LOCAL, "replies dropped"),
    "provider kept in": (
        make_evidence(path={"far": far("ETIMEDOUT")} | kept(HOME)), Scope.LOCAL, "refused here",
    ),
    "test's port kept in": (
        make_evidence(FailureKind.NO_SERVER, path={"ports": (ProbeAnswer(PORT, "ETIMEDOUT"),)} | kept(PORT)),
        Scope.LOCAL,
        "refused here",
    ),
    "test's port refused here": (
        make_evidence(
            FailureKind.NO_SERVER, path={"ports": (ProbeAnswer(PORT, "ECONNREFUSED", sender="192.168.200.1"),)}
        ),
        Scope.LOCAL,
        "refused here",
    ),
    "test's port refused near": (
        make_evidence(FailureKind.NO_SERVER, path={"ports": (ProbeAnswer(PORT, "ECONNREFUSED", sender=ROUTER),)}),
        Scope.UNKNOWN,
        "refused near",
    ),
    "test's port silent beyond": (
        make_evidence(
            FailureKind.NO_SERVER,
            path={"ports": (ProbeAnswer(PORT, "ETIMEDOUT"),), "expired": (LEFT, ProbeAnswer(PORT, sender=ROUTER))},
        ),
        Scope.PROVIDER,
        "all works",
    ),
    "router refuses, and reports too few packets": (
        make_evidence(
            FailureKind.NO_SERVER, path={"ports": (ProbeAnswer(PORT, "ECONNREFUSED", sender=ROUTER),)} | kept(PORT)
        ),
        Scope.UNKNOWN,
        "refused near",
    ),
    "nobody reports expired packets": (
        make_evidence(path={"far": far("ETIMEDOUT"), "expired": (ProbeAnswer(WITNESSES[0], "ETIMEDOUT"),
                                                                 ProbeAnswer(HOME, "ETIMEDOUT"))}),
        Scope.PROVIDER,
        "provider silent",
    ),
    "route denies the provider": (on_host(far=far("EHOSTUNREACH")), Scope.LOCAL, "refused here"),
    "hosts file": (make_evidence(both={"far": far("ECONNREFUSED", ttl=64)} | IN_HOSTS), Scope.CONFIG, "hosts file"),
    "one address": (make_evidence(both={"names": HIJACKED, "far": far("ETIMEDOUT")}), Scope.LINE, "one address"),
    "queries refused": (on_host(**KEPT_QUERIES | {"hosts": (*answers(targets=WITNESSES[:2]),
                                                            *answers("ENAME", WITNESSES[2:]))}),
                        Scope.LOCAL, "queries refused here"),
    "proxy, dead line": (engine_got(503, **SILENCE, pages=pages("page 503")), Scope.LINE, "line silent"),
    "proxy, line works": (engine_got(403, pages=pages("page 403")), Scope.UNKNOWN, "proxy"),
    "provider's own status": (engine_got(503, pages=pages("page 404")), Scope.PROVIDER, "engine's words"),
    "strangers alike": (engine_got(503, pages=pages("page 503", ttl=56)), Scope.PROVIDER, "engine's words"),
    "portal with one stranger": (
        make_evidence(both={"hosts": (*answers(targets=WITNESSES[:1]), *answers("ETIMEDOUT", WITNESSES[1:])),
                            "far": far("ETIMEDOUT"), "pages": pages("login 302 login.example")}),
        Scope.LINE,
        "captive portal",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_verdict_names_who_is_behind_it(name: str):
    """By the rule that is meant."""
    evidence, scope, rule = CASES[name]
    verdict = judge(evidence)
    assert (verdict.scope, verdict.rule) == (scope, rule), verdict.reason


def test_server_of_the_users_own_may_be_in_the_hosts_file():
    """A name in /etc/hosts is wrong only where the provider does not answer there."""
    entries = {"hosts_file": (NameAnswer("www.speedtest.net", ProbeAnswer("/etc/hosts", said="151.101.2.219")),)}
    evidence = make_evidence(both=entries)
    assert judge(evidence).rule == "all works"


SNMP = """Ip: DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers
Ip: 64 100 1 2 30 3 0 40
Icmp: InMsgs
Icmp: 3
"""  # fmt: skip


def test_parsers_read_what_the_kernel_and_the_hosts_file_say():
    """Packets that nobody got, names of the first line, and neighbours that somebody entered."""
    assert parse_undelivered(SNMP) == 24
    assert parse_undelivered("") is None
    assert parse_hosts_file("# x\n127.0.0.1 localhost a\n::1 six\n10.0.0.1 A b # c\n\n") == {
        "localhost": "127.0.0.1",
        "a": "127.0.0.1",
        "b": "10.0.0.1",
    }
    arp = "IP HW Flags\n192.168.1.1 0x1 0x6 02:00:00:00:00:99 * eth0\n192.168.1.2 0x1 0x2 02:00:00:00:00:98 * eth0\n"
    assert [(entry.resolved, entry.permanent) for entry in parse_neighbours(arp)] == [(True, True), (True, False)]
