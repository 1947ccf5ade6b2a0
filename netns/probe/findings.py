"""What a probe finds inside the namespace, as frozen data that is passed on as JSON, and pure parsers of /proc/net."""

from __future__ import annotations

import ipaddress
import re
import sys
from dataclasses import dataclass

import msgspec

# RTF_UP and RTF_REJECT of linux/route.h.
_UP, _REJECT = 0x1, 0x200

# ATF_COM and ATF_PERM of linux/if_arp.h, and the last column of /proc/net/arp.
_RESOLVED, _PERMANENT, _ARP_DEVICE = 0x2, 0x4, 5

# A local address in fib_trie: the address, and "/32 host LOCAL" in the next line.
_LOCAL = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\n +/32 host LOCAL")


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The result of one step: its target, the error's symbol (ETIMEDOUT, NXDOMAIN, …) or None, and the time in ms.

    Attributes:
        said: the answer, such as the address of a name, or status and destination of a page ("302 login.example").
        tls: what a TLS handshake showed, one of the `TLS_` constants; None: none was tried.
        certificate: the beginning of the SHA-256 of a certificate that is not valid for the host.
        sent: connection attempts or queries that were sent.
        lost: those that got no answer.
        ttl: time to live of the answering packet, as far as it is known (a refusal: at least this).
        sender: who sent the ICMP error that ended the attempt.
        source: the local address that the kernel chose.
        first_hop: of a connection that was refused, the error where its packets may not pass any router: the same
            error if this host itself refuses.
    """

    target: str
    error: str | None = None
    ms: float = 0.0
    said: str | None = None
    tls: str | None = None
    certificate: str | None = None
    sent: int = 0
    lost: int = 0
    ttl: int | None = None
    sender: str | None = None
    source: str | None = None
    first_hop: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it worked."""
        return self.error is None


# What a TLS handshake showed: a certificate valid for the host; one that only the date makes invalid; that of another
# host or an unknown issuer; one that cannot be checked, as this machine knows no issuers; bytes that are not TLS; a
# connection cut during the handshake; silence; a valid certificate only with small segments; silence after a large one.
TLS_VALID, TLS_DATE, TLS_FOREIGN, TLS_UNCHECKED = "valid", "date", "foreign", "unchecked"
TLS_PLAIN, TLS_CUT, TLS_SILENT, TLS_SMALL, TLS_STUCK = "plain", "cut", "silent", "small", "stuck"


@dataclass(frozen=True, slots=True)
class NameAnswer:
    """What a name server said about a name: `answer.target` is the server, its text the first address."""

    name: str
    answer: ProbeAnswer


@dataclass(frozen=True, slots=True)
class InnerLink:
    """A network link where the look was taken: in the namespace, or on the host.

    For `uplink` and for the links of the host's own look, `carrier` and `carrier_changes` are those of sysfs, `address`
    is its IPv4 address, and `left` the packets that it sent during the look. None: not known.
    """

    name: str
    up: bool
    mtu: int
    carrier: bool | None = None
    carrier_changes: int | None = None
    address: str | None = None
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An IPv4 neighbour in /proc/net/arp; `resolved`: the kernel knows its hardware address.

    `permanent`: somebody entered that address.
    """

    address: str
    link: str
    resolved: bool
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class TrafficSummary:
    """What the kernel counted on the link of a test: bytes received and sent, and for how long nothing came.

    `silent_s` is the longest time without a byte received, `silent_end_s` that before the end; None: not known.
    """

    received: int
    sent: int
    seconds: float
    silent_s: float | None = None
    silent_end_s: float | None = None


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """The verdict on a failure: the rule that decided it, its reason, and what came back over the line, in words."""

    scope: str
    rule: str
    reason: str
    kind: str | None = None
    proofs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """The network as seen from one side, and the answers of everything that was asked.

    `ipv6_open` names the links, including `all` and `default`, on which IPv6 is not disabled; `ipv6` is the attempt
    to connect over IPv6, which must fail. `gateway` is None if there is no default route; `servers` are the name
    servers of resolv.conf; `hosts` are the hosts of the configuration, `far` those of the engine's provider. `names`
    are the answers of each name server about names of others, `far_names` about the provider's; `pages` are HTTP
    requests that a login page would answer; `router` is the host's own router, and `former` the one of the last good
    test if that is another. `ports` are the answers where a test connects. `expired` tells of a witness
    and of those whether packets to them leave this host: without an error, they expired one router later, as they had
    to. `hosts_file` are the provider's names in /etc/hosts. `undelivered` are packets that came for this host and that
    no program got.

    A diagnosis adds the host's side (`host`), what was found while the test stood still (`stalled`), what the kernel
    counted during the test, and the verdict. Older rows have `direct`, the same hosts asked from the host, and
    `uplink`, the link of its default route (`up`: it has a carrier; None: there is no such route, or nobody looked).
    """

    links: tuple[InnerLink, ...] = ()
    addresses: tuple[str, ...] = ()
    routes: tuple[ProcRoute, ...] = ()
    ipv6_addresses: tuple[str, ...] = ()
    ipv6_routes: tuple[str, ...] = ()
    ipv6_open: tuple[str, ...] = ()
    ipv6: ProbeAnswer = ProbeAnswer("")
    gateway: ProbeAnswer | None = None
    servers: tuple[ProbeAnswer, ...] = ()
    hosts: tuple[ProbeAnswer, ...] = ()
    far: tuple[ProbeAnswer, ...] = ()
    direct: tuple[ProbeAnswer, ...] = ()
    uplink: InnerLink | None = None
    names: tuple[NameAnswer, ...] = ()
    far_names: tuple[NameAnswer, ...] = ()
    pages: tuple[ProbeAnswer, ...] = ()
    router: ProbeAnswer | None = None
    former: ProbeAnswer | None = None
    ports: tuple[ProbeAnswer, ...] = ()
    expired: tuple[ProbeAnswer, ...] = ()
    hosts_file: tuple[NameAnswer, ...] = ()
    undelivered: int | None = None
    neighbours: tuple[Neighbour, ...] = ()
    at: float | None = None
    host: Findings | None = None
    stalled: Findings | None = None
    traffic: TrafficSummary | None = None
    verdict: StoredVerdict | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What a probe asks, passed to it as JSON.

    Attributes:
        name: asked at each name server; in a thorough look, the first name of the provider.
        hosts: `ADDRESS:PORT` or `NAME:PORT` of witnesses.
        far: the same of the provider.
        names: names of others, asked at each name server.
        resolvers: name servers that are asked besides those of resolv.conf.
        router: the host's router, which is pinged.
        former: another router, over which the last good test ran.
        ports: `HOST:PORT` where a test connects.
        expire_after: the routers from here to the host's own one, which packets may pass before they expire; None:
            nobody asks that.
        thorough: whether handshakes are checked, attempts repeated and pages asked for; else TCP connections do.
    """

    name: str
    hosts: tuple[str, ...] = ()
    far: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    router: str | None = None
    former: str | None = None
    ports: tuple[str, ...] = ()
    expire_after: int | None = None
    thorough: bool = False


def question_from_json(text: str) -> Question:
    """Return the question of a JSON text.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return msgspec.json.decode(text, type=Question)


def question_to_json(question: Question) -> str:
    """Return a question as JSON."""
    return msgspec.json.encode(question).decode()


def to_json(findings: Findings) -> bytes:
    """Return the findings as one JSON object, without what is not known and what is empty."""
    return msgspec.json.encode(_drop_empty(msgspec.to_builtins(findings)))


def _drop_empty(value: object) -> object:
    """Return a value without the keys of what is not known; a route without a gateway says so."""
    if isinstance(value, dict):
        required = "network" in value
        return {key: _drop_empty(part) for key, part in value.items() if required or part not in (None, ())}
    return [_drop_empty(part) for part in value] if isinstance(value, tuple) else value


def from_json(text: bytes) -> Findings | None:
    """Return the findings of a JSON text, None for any other text."""
    try:
        return msgspec.json.decode(text, type=Findings)
    except (msgspec.DecodeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class ProcRoute:
    """An IPv4 route of the main table; `gateway` is None for a network on the link itself."""

    network: str
    gateway: str | None
    link: str
    metric: int = 0

    @property
    def is_default(self) -> bool:
        """Whether it is a default route."""
        return self.network == "0.0.0.0/0"


def parse_routes(text: str) -> list[ProcRoute]:
    """Return the usable routes of /proc/net/route, lowest metric first."""
    rows = (line.split() for line in text.splitlines()[1:])
    entries = [_parse_route(row) for row in rows if int(row[3], 16) & (_UP | _REJECT) == _UP]
    return sorted(entries, key=lambda route: route.metric)


def _parse_route(row: list[str]) -> ProcRoute:
    link, destination, gateway, metric, mask = row[0], row[1], row[2], row[6], row[7]
    network = ipaddress.IPv4Network(f"{_to_ipv4(destination)}/{_to_ipv4(mask)}", strict=False)
    return ProcRoute(str(network), None if gateway == "00000000" else _to_ipv4(gateway), link, int(metric))


def _to_ipv4(word: str) -> str:
    """Return the address of a hexadecimal word that the kernel printed in its own byte order."""
    return str(ipaddress.IPv4Address(int(word, 16).to_bytes(4, sys.byteorder)))


def parse_neighbours(text: str) -> list[Neighbour]:
    """Return the neighbours of /proc/net/arp."""
    rows = (line.split() for line in text.splitlines()[1:])
    flags = [(row, int(row[2], 16)) for row in rows if len(row) > _ARP_DEVICE]
    return [Neighbour(row[0], row[5], bool(word & _RESOLVED), bool(word & _PERMANENT)) for row, word in flags]


def parse_hosts_file(text: str) -> dict[str, str]:
    """Return the IPv4 address of each name in a hosts(5) text; the first line of a name counts."""
    addresses: dict[str, str] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if "." in address:
            addresses = {name.lower(): address for name in names} | addresses
    return addresses


def parse_undelivered(text: str) -> int | None:
    """Return how many packets in /proc/net/snmp came and were neither delivered, forwarded, nor in error."""
    rows = [line.split()[1:] for line in text.splitlines() if line.startswith("Ip:")]
    if len(rows) != 2:  # noqa: PLR2004  names and values
        return None
    values = dict(zip(rows[0], map(int, rows[1]), strict=True))
    gone = ("InDelivers", "ForwDatagrams", "InHdrErrors", "InAddrErrors", "InUnknownProtos")
    return values["InReceives"] - sum(values[name] for name in gone)


def parse_addresses(text: str) -> list[str]:
    """Return the IPv4 addresses that /proc/net/fib_trie lists as local, except loopback, in order."""
    entries = {ipaddress.IPv4Address(word) for word in _LOCAL.findall(text)}
    return [str(address) for address in sorted(entries) if not address.is_loopback]


def parse_ipv6_addresses(text: str) -> list[str]:
    """Return the addresses of /proc/net/if_inet6, each with its link, loopback included."""
    rows = (line.split() for line in text.splitlines())
    return [f"{_to_ipv6(row[0])}%{row[5]}" for row in rows]


def parse_ipv6_routes(text: str) -> list[str]:
    """Return the routes of /proc/net/ipv6_route, except over lo, where the kernel always has an unreachable route."""
    rows = (line.split() for line in text.splitlines())
    return [f"{_to_ipv6(row[0])}/{int(row[1], 16)} dev {row[9]}" for row in rows if row[9] != "lo"]


def _to_ipv6(word: str) -> str:
    return str(ipaddress.IPv6Address(bytes.fromhex(word)))
