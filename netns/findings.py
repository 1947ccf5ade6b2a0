"""What `netns.probe` finds inside the namespace, as frozen data that is passed on as JSON."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from netns.proc_net import Route  # noqa: TC001  msgspec reads the annotations at run time


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one step: its target, the error's symbol (ETIMEDOUT, NXDOMAIN, …) or None, and the time in ms.

    `said` is the answer, such as the address of a name.
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
    """A network link where the look was taken: in the namespace, or on the host for `uplink`."""

    name: str
    up: bool
    mtu: int


@dataclass(frozen=True, slots=True)
class Findings:
    """The network as seen from inside, and the answers of everything that was asked.

    `ipv6_open` names the links, including `all` and `default`, on which IPv6 is not disabled; `ipv6` is the attempt
    to connect over IPv6, which must fail. `gateway` is None if there is no default route; `servers` are the name
    servers of resolv.conf; `hosts` are the hosts of the configuration, `far` those of the engine's provider. The host
    adds `direct`, the same hosts asked from there, and `uplink`, the link of its default route (`up`: it has a
    carrier; None: there is no such route, or it was not looked up).
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
