"""The rule sets and openings of a namespace as data, whichever program loads them. Pure.

Each rule of an opening in another firewall has a comment that begins with the tag of its namespace, so that it is found
even after the uplink has changed, and that contains what the rule depends on, so that an outdated rule is recognised
without parsing it.
"""

from __future__ import annotations

import shutil

from msgspec import Struct

FORWARD, INPUT, DOCKER_USER = "FORWARD", "INPUT", "DOCKER-USER"

# The nftables chains that iptables-nft manages.
IPTABLES_NFT_CHAINS = frozenset({"ip filter FORWARD", "ip filter INPUT"})

OWN_TABLE_PREFIX = "speedmon"

# Where distributions install nft and iptables; a user's PATH often lacks /usr/sbin.
SBIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
TIMEOUT_S = 30


def find_tool(name: str) -> str | None:
    """Return the path of a program that root runs: the system's own before any other on PATH; None if there is none."""
    return shutil.which(name, path=SBIN_PATH) or shutil.which(name)


def is_own_table(table: str) -> bool:
    """Return whether an nftables table belongs to one of our namespaces."""
    return table == OWN_TABLE_PREFIX or table.startswith(f"{OWN_TABLE_PREFIX}_")


class Opening(Struct, frozen=True):
    """What may be forwarded: IPv4 from `subnet` on `host_link` to `uplink`, and the replies."""

    tag: str
    host_link: str
    uplink: str
    subnet: str

    @property
    def comments(self) -> tuple[str, str]:
        """The comments of the two rules, in order."""
        return f"{self.tag} out {self.uplink} {self.subnet}", f"{self.tag} back {self.uplink} {self.subnet}"

    def iptables(self) -> tuple[str, str]:
        """Return the two rules in iptables syntax."""
        forward, reply = (f'-m comment --comment "{comment}" -j ACCEPT' for comment in self.comments)
        replies = "-m conntrack --ctstate RELATED,ESTABLISHED"
        return (
            f"-i {self.host_link} -o {self.uplink} -s {self.subnet} {forward}",
            f"-i {self.uplink} -o {self.host_link} -d {self.subnet} {replies} {reply}",
        )

    def nft(self) -> tuple[str, str]:
        """Return the two rules in nft syntax."""
        forward, reply = (f'accept comment "{comment}"' for comment in self.comments)
        replies = "ct state related,established"
        return (
            f'iifname "{self.host_link}" oifname "{self.uplink}" ip saddr {self.subnet} {forward}',
            f'iifname "{self.uplink}" oifname "{self.host_link}" ip daddr {self.subnet} {replies} {reply}',
        )


class DnsOpening(Struct, frozen=True):
    """What may reach the host itself: DNS queries to the name servers that it runs at `servers`."""

    tag: str
    host_link: str
    subnet: str
    servers: tuple[str, ...]

    @property
    def comments(self) -> tuple[str, ...]:
        """The comments of the rules, in order."""
        return tuple(f"{self.tag} names {protocol} {server} {self.subnet}" for protocol, server in self._transports)

    def iptables(self) -> tuple[str, ...]:
        """Return the rules in iptables syntax."""
        start = f"-i {self.host_link} -s {self.subnet}"
        return tuple(
            f'{start} -d {server} -p {protocol} --dport 53 -m comment --comment "{comment}" -j ACCEPT'
            for (protocol, server), comment in zip(self._transports, self.comments, strict=True)
        )

    def nft(self) -> tuple[str, ...]:
        """Return the rules in nft syntax."""
        start = f'iifname "{self.host_link}" ip saddr {self.subnet}'
        return tuple(
            f'{start} ip daddr {server} {protocol} dport 53 accept comment "{comment}"'
            for (protocol, server), comment in zip(self._transports, self.comments, strict=True)
        )

    @property
    def _transports(self) -> tuple[tuple[str, str], ...]:
        return tuple((protocol, server) for server in self.servers for protocol in ("udp", "tcp"))


def has_tag(comment: str, tag: str) -> bool:
    """Return whether a rule with this comment belongs to the opening with this tag."""
    return comment.partition(" ")[0] == tag


class RuleSet(Struct, frozen=True):
    """What the rules depend on. `host_dns`: name servers on the host; `guard`: only we made the uplink forward."""

    table: str
    host_link: str
    subnet: str
    uplink: str
    host_dns: tuple[str, ...] = ()
    guard: bool = False
