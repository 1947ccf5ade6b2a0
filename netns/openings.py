"""Pure: which openings a namespace needs in other firewalls, and the steps to them and back.

A chain gets one only if it can drop packets; nothing of others is removed, no policy is changed. In iptables the pair
goes into DOCKER-USER, which Docker keeps for the user, where FORWARD leads there, else at the head of FORWARD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netns import foreign, foreign_steps
from netns.foreign import DOCKER_USER, FORWARD
from netns.opening import Opening, is_tagged

if TYPE_CHECKING:
    from netns.foreign import Chain, Firewalls
    from netns.model import Journal, NamespaceSpec
    from netns.steps import Step


def setup(spec: NamespaceSpec, uplink: str, seen: Firewalls, journal: Journal) -> list[Step]:
    """Plan the openings that are missing, and the removal of those that are no longer wanted."""
    opening = Opening(spec.alias, spec.host_link, uplink, str(spec.subnet))
    wanted = _wanted(seen)
    return [
        *(_close(chain, spec.alias) for chain in seen.chains if chain not in wanted and _has_tag(chain, spec.alias)),
        *(
            foreign_steps.OpenChain(chain.program, chain.name, opening)
            for chain in wanted
            if not _is_open(chain, opening)
        ),
        *(foreign_steps.DistrustSource(source) for source in journal.trusted if source != opening.subnet),
        *([foreign_steps.TrustSource(opening.subnet)] if _wants_trust(seen, opening.subnet) else []),
    ]


def teardown(spec: NamespaceSpec, seen: Firewalls, journal: Journal) -> list[Step]:
    """Plan the removal of every opening of this namespace, whatever uplink it was made for."""
    return [
        *(_close(chain, spec.alias) for chain in seen.chains if _has_tag(chain, spec.alias)),
        *(foreign_steps.DistrustSource(source) for source in journal.trusted),
    ]


def trusted_after(ordered: tuple[Step, ...], journal: Journal) -> tuple[str, ...]:
    """Return the sources that firewalld trusts by our doing, once the steps are done."""
    added = {step.subnet for step in ordered if isinstance(step, foreign_steps.TrustSource)}
    removed = {step.subnet for step in ordered if isinstance(step, foreign_steps.DistrustSource)}
    return tuple(sorted({*journal.trusted, *added} - removed))


def _wanted(seen: Firewalls) -> list[Chain]:
    nft = [chain for chain in seen.chains if chain.program == foreign.NFT and chain.may_drop]
    programs = dict.fromkeys(chain.program for chain in seen.chains if chain.program != foreign.NFT)
    filters = [{chain.name: chain for chain in seen.chains if chain.program == program} for program in programs]
    return [*nft, *(_entrance(chains) for chains in filters if chains[FORWARD].may_drop)]


def _entrance(chains: dict[str, Chain]) -> Chain:
    """Return where a rule is kept and met first: Docker's chain for the user, unless FORWARD may drop before it."""
    for rule in chains[FORWARD].rules:
        if rule.target == DOCKER_USER and DOCKER_USER in chains:
            return chains[DOCKER_USER]
        if rule.may_drop:
            break
    return chains[FORWARD]


def _has_tag(chain: Chain, tag: str) -> bool:
    return any(is_tagged(rule.comment, tag) for rule in chain.rules)


def _is_open(chain: Chain, opening: Opening) -> bool:
    """Tell whether the chain has just our pair, and nothing before it that could drop a packet."""
    ours = [i for i, rule in enumerate(chain.rules) if is_tagged(rule.comment, opening.tag)]
    if tuple(chain.rules[i].comment for i in ours) != opening.comments:
        return False
    return not any(rule.may_drop for rule in chain.rules[: ours[-1]])


def _close(chain: Chain, tag: str) -> Step:
    return foreign_steps.CloseChain(chain.program, chain.name, tag)


def _wants_trust(seen: Firewalls, subnet: str) -> bool:
    return seen.trusted is not None and subnet not in seen.trusted
