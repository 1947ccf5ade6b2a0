"""What other firewalls of this host make of a namespace: what `check` looks at, and only root may. Changes nothing.

Where a packet is lost, it is followed by the table that `netns.trace` has for a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from netns import blocked, journal, loaded, observe, openings, own_rules, resolver

if TYPE_CHECKING:
    from netns.model import NamespaceSpec
    from netns.outside import Outside


class Beside(Struct, frozen=True):
    """The other firewalls that may drop packets.

    Attributes:
        met: their chains on the namespace's way, such as "iptables-nft FORWARD", and firewalld.
        missing: what set-up would still do there, as a person would type it; nothing where all openings are in place.
        blocked: which rule drops a packet from inside, with the mend; None when it left this host.
    """

    met: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    blocked: str | None = None


def look(spec: NamespaceSpec, outside: Outside) -> Beside:
    """Return what stands beside, and what becomes of a packet from inside.

    Raises:
        NetnsError: the rules cannot be looked at.
    """
    backend = loaded.find_backend()
    seen = own_rules.others(spec, backend, observe.firewalls(nft=backend.is_nft))
    servers = resolver.choose(spec, (outside.files.get(path) for path in resolver.SOURCES), outside.router).servers
    host_dns = tuple(server for server in servers if server in outside.addresses)
    steps = openings.setup(spec, outside.uplink or "", seen, journal.load(spec.name), host_dns)
    met = [f"{chain.program} {chain.name}" for chain in openings.places(seen, names=bool(host_dns))]
    met += ["firewalld"] if seen.trusted is not None else []
    return Beside(tuple(met), tuple(map(str, steps)), blocked.explain(spec))
