"""What other firewalls on this host do to packets from the namespace, for `speedmon check` run as root.

Read-only, except that `netns.trace` loads a table of its own for about a second to trace a lost packet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from netns import blocked, journal, loaded, observe, openings, own_rules, resolver

if TYPE_CHECKING:
    from netns.model import NamespaceSpec
    from netns.outside import Outside


class Beside(Struct, frozen=True):
    """The other firewalls that may drop packets from the namespace.

    Attributes:
        chains: their chains that its packets pass, such as "iptables-nft FORWARD", and firewalld.
        missing: the openings that set-up would still add, as shell commands; empty when all are in place.
        blocked: which rule drops a packet from inside, and the fix; None when the packet left this host.
    """

    chains: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    blocked: str | None = None


def look(spec: NamespaceSpec, outside: Outside) -> Beside:
    """Return the other firewalls, and whether they drop a packet from inside.

    Raises:
        NetnsError: the rules cannot be listed.
    """
    backend = loaded.find_backend()
    firewalls = own_rules.others(spec, backend, observe.firewalls(nft=backend.is_nft))
    servers = resolver.choose(spec, (outside.files.get(path) for path in resolver.SOURCES), outside.router).servers
    host_dns = tuple(server for server in servers if server in outside.addresses)
    steps = openings.setup(spec, outside.uplink or "", firewalls, journal.load(spec.name), host_dns)
    chains = [f"{chain.program} {chain.name}" for chain in openings.places(firewalls, names=bool(host_dns))]
    chains += ["firewalld"] if firewalls.trusted is not None else []
    return Beside(tuple(chains), tuple(map(str, steps)), blocked.explain(spec))
