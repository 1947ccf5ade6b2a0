"""What a probe found, as frozen data that travels as JSON from inside the namespace to whoever judges it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from netns.proc_net import Route  # noqa: TC001  msgspec reads the annotations at run time


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one step: whom it asked, the error's symbol (ETIMEDOUT, NXDOMAIN, …) or None, and how long it took.

    `said` is what was learnt, such as the address of a name.
    """

    target: str
    error: str | None = None
    ms: float = 0.0
    said: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it worked."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class InnerLink:
    """A link as it is seen from where the probe ran."""

    name: str
    up: bool
    mtu: int


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a probe looked at and asked.

    `ipv6_open` names the links, `all` and `default` among them, on which IPv6 is not switched off; `ipv6` is the
    attempt to connect over IPv6, which must fail. `gateway` is None where there is no default route; `servers` are
    the name servers of resolv.conf; `hosts` are those that the configuration names, `far` those of the engine's
    provider. From the host come `direct`, the same hosts asked from there, and `uplink`, the link of its default
    route (`up`: it has a carrier; None: there is no such route, or nobody looked).
    """

    links: tuple[InnerLink, ...] = ()
    addresses: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    ipv6_addresses: tuple[str, ...] = ()
    ipv6_routes: tuple[str, ...] = ()
    ipv6_open: tuple[str, ...] = ()
    ipv6: Answer = Answer("")
    gateway: Answer | None = None
    servers: tuple[Answer, ...] = ()
    hosts: tuple[Answer, ...] = ()
    far: tuple[Answer, ...] = ()
    direct: tuple[Answer, ...] = ()
    uplink: InnerLink | None = None


def encode(findings: Findings) -> bytes:
    """Return the findings as one JSON object."""
    return msgspec.json.encode(findings)


def decode(text: bytes) -> Findings | None:
    """Return the findings of a JSON text, None for any other text."""
    try:
        return msgspec.json.decode(text, type=Findings)
    except msgspec.DecodeError:
        return None
