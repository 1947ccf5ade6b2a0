"""Evidence for tests of the verdict: a failure on a line on which everything works, and changes to that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from monitor.diagnosis.evidence import DiagnosisTargets, FailureEvidence
from monitor.model import Failure, FailureKind, Scope
from netns.probe import findings as found
from netns.probe.findings import Findings, InnerLink, NameAnswer, Neighbour, ProbeAnswer, ProcRoute

WITNESSES = ("1.1.1.1:443", "9.9.9.9:443", "www.google.com:443", "www.wikipedia.org:443")

HOME = "www.speedtest.net:443"

ROUTER, SERVER = "192.168.1.1", "203.0.113.53"

# Addresses of the internet answer with this time to live on the host, and with one less inside.
FAR_TTL = 57

TARGETS = DiagnosisTargets(WITNESSES, (HOME,), host_link="ip4only-root", uplink="eth0", router=ROUTER)

INNER_ROUTES = (
    ProcRoute("0.0.0.0/0", "192.168.200.1", "ip4only-ns"),
    ProcRoute("192.168.200.0/24", None, "ip4only-ns"),
)

HOST_ROUTES = (ProcRoute("0.0.0.0/0", ROUTER, "eth0"), ProcRoute("192.168.1.0/24", None, "eth0"))

UPLINK = InnerLink("eth0", up=True, mtu=1500, carrier=True, carrier_changes=2, address="192.168.1.10", left=200)

OTHERS = ("www.google.com", "www.wikipedia.org", "example.com")


def answers(error: str | None = None, targets: tuple[str, ...] = WITNESSES, **more: Any) -> tuple[ProbeAnswer, ...]:
    """Return the same answer of several targets: a valid certificate, or an error."""
    tls = None if error or "tls" in more else found.TLS_VALID
    fields = {"sent": 3, "tls": tls, "ms": 12.0} | more
    return tuple(ProbeAnswer(target, error, said=f"8.8.{n}.4", **fields) for n, target in enumerate(targets))


def far(error: str | None = None, **more: Any) -> tuple[ProbeAnswer, ...]:
    """Return an answer of the provider."""
    return answers(error, (HOME,), **more)


def names(
    error: str | None = None, server: str = SERVER, asked: tuple[str, ...] = OTHERS, ttl: int = FAR_TTL, **more: Any
) -> tuple[NameAnswer, ...]:
    """Return what a name server says about some names."""
    silent = error is not None and error.startswith("E")
    source = "192.168.1.10" if ttl != FAR_TTL - 1 else None
    return tuple(
        NameAnswer(
            name,
            ProbeAnswer(
                server,
                error,
                3.0,
                **(
                    {
                        "said": None if error else f"9.9.{number}.1",
                        "sent": 1,
                        "ttl": None if silent else ttl,
                        "source": source,
                    }
                    | more
                ),
            ),
        )
        for number, name in enumerate(asked)
    )


def far_names(error: str | None = None, server: str = SERVER, **more: Any) -> tuple[NameAnswer, ...]:
    """Return what a name server says about the provider's name."""
    return names(error, server, ("www.speedtest.net",), **more)


def side(**changes: Any) -> Findings:
    """Return what is found on the host of a line on which everything works, with changes."""
    works = {
        "links": (InnerLink("lo", up=True, mtu=65536), UPLINK),
        "addresses": ("192.168.1.10",),
        "routes": HOST_ROUTES,
        "servers": (ProbeAnswer(SERVER),),
        "hosts": answers(),
        "far": far(),
        "names": names(),
        "far_names": far_names(),
        "router": ProbeAnswer(ROUTER, None, 1.0),
        "neighbours": (Neighbour(ROUTER, "eth0", resolved=True),),
        "at": 1_796_000_000.0,
    }
    return Findings(**(works | changes))


def inside(**changes: Any) -> Findings:
    """Return the same of the namespace."""
    inner = {
        "links": (InnerLink("lo", up=True, mtu=65536), InnerLink("ip4only-ns", up=True, mtu=1500)),
        "addresses": ("192.168.200.2",),
        "routes": INNER_ROUTES,
        "neighbours": (),
        "names": names(ttl=FAR_TTL - 1),
        "far_names": far_names(ttl=FAR_TTL - 1),
    }
    return side(**(inner | changes))


SILENCE: dict[str, Any] = {
    "hosts": answers("ETIMEDOUT", lost=3),
    "far": far("ETIMEDOUT"),
    "names": names("ETIMEDOUT"),
    "far_names": far_names("ETIMEDOUT"),
}


def make_evidence(
    kind: FailureKind = FailureKind.TIMEOUT,
    scope: Scope = Scope.UNKNOWN,
    *,
    path: dict[str, Any] | None = None,
    host: dict[str, Any] | None = None,
    both: dict[str, Any] | None = None,
    targets: DiagnosisTargets = TARGETS,
    **more: Any,
) -> FailureEvidence:
    """Return evidence of a failure in the namespace; `more` are fields of the findings, such as traffic."""
    shared, message = both or {}, more.pop("message", "words")
    outside = side(**(shared | (host or {})))
    findings = replace(inside(**(shared | (path or {}))), host=outside, **more)
    return FailureEvidence(Failure(kind, scope, "download", message, 1), findings, targets)


def on_host(
    kind: FailureKind = FailureKind.TIMEOUT, targets: DiagnosisTargets = TARGETS, **changes: Any
) -> FailureEvidence:
    """Return evidence of a failure on the host's own path."""
    return FailureEvidence(
        Failure(kind, Scope.UNKNOWN, None, "words", 1), side(**changes), replace(targets, inside=False)
    )
