"""Pure: which openings a namespace needs in other firewalls, and the steps that add and remove them.

A chain gets an opening only if it can drop packets; no rule or policy of others is changed. In iptables it goes into
DOCKER-USER, which Docker leaves to the user, if FORWARD jumps there, else to the head of FORWARD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netns import foreign_steps
from netns.backend import NFT
from netns.foreign import DOCKER_USER, FORWARD, INPUT
from netns.opening import NameOpening, Opening, is_tagged

if TYPE_CHECKING:
    from netns.foreign import Chain, Firewalls
    from netns.model import Journal, NamespaceSpec
    from netns.steps import Step


def setup(
    spec: NamespaceSpec, uplink: str, firewalls: Firewalls, journal: Journal, host_dns: tuple[str, ...] = ()
) -> list[Step]:
    """Plan the openings that are missing, and the removal of those that are no longer needed.

    `host_dns` are the name servers of the namespace that run on this host.
    """
    opening = Opening(spec.alias, spec.host_link, uplink, str(spec.subnet))
    names = NameOpening(spec.alias, spec.host_link, str(spec.subnet), host_dns)
    wanted: list[tuple[Chain, Opening | NameOpening]] = [(chain, opening) for chain in _on_the_way_out(firewalls)]
    wanted += [(chain, names) for chain in _before_the_host(firewalls) if host_dns]
    wanted_chains = [chain for chain, _ in wanted]
    return [
        *(
            _close(chain, spec.alias)
            for chain in firewalls.chains
            if chain not in wanted_chains and _has_tag(chain, spec.alias)
        ),
        *(
            foreign_steps.OpenChain(chain.program, chain.name, rules)
            for chain, rules in wanted
            if not _is_open(chain, rules)
        ),
        *(foreign_steps.DistrustSource(source) for source in journal.trusted if source != opening.subnet),
        *([foreign_steps.TrustSource(opening.subnet)] if _wants_trust(firewalls, opening.subnet) else []),
    ]


def teardown(spec: NamespaceSpec, firewalls: Firewalls, journal: Journal) -> list[Step]:
    """Plan the removal of all openings of this namespace, for any uplink."""
    return [
        *(_close(chain, spec.alias) for chain in firewalls.chains if _has_tag(chain, spec.alias)),
        *(foreign_steps.DistrustSource(source) for source in journal.trusted),
    ]


def places(firewalls: Firewalls, *, names: bool) -> list[Chain]:
    """Return the chains that need an opening; `names`: the namespace uses a name server on this host."""
    return [*_on_the_way_out(firewalls), *(_before_the_host(firewalls) if names else ())]


def trusted_after(planned: tuple[Step, ...], journal: Journal) -> tuple[str, ...]:
    """Return the sources that firewalld trusts because of us, after the steps."""
    added = {step.subnet for step in planned if isinstance(step, foreign_steps.TrustSource)}
    removed = {step.subnet for step in planned if isinstance(step, foreign_steps.DistrustSource)}
    return tuple(sorted({*journal.trusted, *added} - removed))


def _on_the_way_out(firewalls: Firewalls) -> list[Chain]:
    """Return the chains that need an opening for forwarded packets."""
    filters = (
        {chain.name: chain for chain in firewalls.chains if chain.program == program}
        for program in _programs(firewalls)
    )
    entrances = [_entrance(chains) for chains in filters if FORWARD in chains and chains[FORWARD].may_drop]
    return [*_dropping_nft(firewalls, "forward"), *entrances]


def _before_the_host(firewalls: Firewalls) -> list[Chain]:
    """Return the chains that need an opening for DNS queries to the host itself."""
    inputs = [chain for chain in firewalls.chains if (chain.program != NFT, chain.name) == (True, INPUT)]
    return [*_dropping_nft(firewalls, "input"), *(chain for chain in inputs if chain.may_drop)]


def _dropping_nft(firewalls: Firewalls, hook: str) -> list[Chain]:
    return [chain for chain in firewalls.chains if (chain.program, chain.hook) == (NFT, hook) and chain.may_drop]


def _programs(firewalls: Firewalls) -> list[str]:
    return list(dict.fromkeys(chain.program for chain in firewalls.chains if chain.program != NFT))


def _entrance(chains: dict[str, Chain]) -> Chain:
    """Return where to put a rule: DOCKER-USER if FORWARD jumps there before any rule that may drop, else FORWARD."""
    for rule in chains[FORWARD].rules:
        if rule.target == DOCKER_USER and DOCKER_USER in chains:
            return chains[DOCKER_USER]
        if rule.may_drop:
            break
    return chains[FORWARD]


def _has_tag(chain: Chain, tag: str) -> bool:
    return any(is_tagged(rule.comment, tag) for rule in chain.rules)


def _is_open(chain: Chain, opening: Opening | NameOpening) -> bool:
    """Return whether the chain has exactly these rules of ours, and none before them that may drop a packet."""
    ours = [i for i, rule in enumerate(chain.rules) if is_tagged(rule.comment, opening.tag)]
    if tuple(chain.rules[i].comment for i in ours) != opening.comments:
        return False
    return not any(rule.may_drop for rule in chain.rules[: ours[-1]])


def _close(chain: Chain, tag: str) -> Step:
    return foreign_steps.CloseChain(chain.program, chain.name, tag)


def _wants_trust(firewalls: Firewalls, subnet: str) -> bool:
    return firewalls.trusted is not None and subnet not in firewalls.trusted
