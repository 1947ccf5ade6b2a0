"""Plans our own rules, in nft or iptables, and the openings that a namespace needs in other firewalls. Pure.

After nft was installed, or `iptables` switched to the other kind, the former program may still hold rules of ours:
these strays are removed. Another firewall's chain gets an opening only if it can drop packets; no rule or policy of
others is changed. In iptables it goes into DOCKER-USER, which Docker leaves to the user, if FORWARD jumps there, else
to the head of FORWARD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns.errors import MissingToolError
from netns.firewall import iptables_rules, nft_rules
from netns.firewall.rules import DOCKER_USER, FORWARD, INPUT, DnsOpening, Opening, has_tag
from netns.plan import firewall_steps, steps
from netns.state import IPTABLES_LEGACY, IPTABLES_NFT, NFT

if TYPE_CHECKING:
    from netns.firewall.rules import RuleSet
    from netns.plan.steps import Step
    from netns.spec import NamespaceSpec
    from netns.state import Backend, FilterChain, FirewallState, Journal, ObservedState


def plan_openings(
    spec: NamespaceSpec, uplink: str, firewalls: FirewallState, journal: Journal, host_dns: tuple[str, ...] = ()
) -> list[Step]:
    """Plan the openings that are missing, and the removal of those that are no longer needed.

    `host_dns` are the name servers of the namespace that run on this host.
    """
    opening = Opening(spec.alias, spec.host_link, uplink, str(spec.subnet))
    names = DnsOpening(spec.alias, spec.host_link, str(spec.subnet), host_dns)
    wanted: list[tuple[FilterChain, Opening | DnsOpening]] = [(chain, opening) for chain in _forward_chains(firewalls)]
    wanted += [(chain, names) for chain in _input_chains(firewalls) if host_dns]
    wanted_chains = [chain for chain, _ in wanted]
    return [
        *(
            _close_chain(chain, spec.alias)
            for chain in firewalls.chains
            if chain not in wanted_chains and _has_tag(chain, spec.alias)
        ),
        *(
            firewall_steps.OpenChain(chain.program, chain.name, rules)
            for chain, rules in wanted
            if not _is_open(chain, rules)
        ),
        *(firewall_steps.DistrustSource(source) for source in journal.trusted if source != opening.subnet),
        *([firewall_steps.TrustSource(opening.subnet)] if _needs_trust(firewalls, opening.subnet) else []),
    ]


def plan_openings_removal(spec: NamespaceSpec, firewalls: FirewallState, journal: Journal) -> list[Step]:
    """Plan the removal of all openings of this namespace, for any uplink."""
    return [
        *(_close_chain(chain, spec.alias) for chain in firewalls.chains if _has_tag(chain, spec.alias)),
        *(firewall_steps.DistrustSource(source) for source in journal.trusted),
    ]


def find_chains_to_open(firewalls: FirewallState, *, names: bool) -> list[FilterChain]:
    """Return the chains that need an opening; `names`: the namespace uses a name server on this host."""
    return [*_forward_chains(firewalls), *(_input_chains(firewalls) if names else ())]


def trusted_sources_after(planned: tuple[Step, ...], journal: Journal) -> tuple[str, ...]:
    """Return the sources that firewalld trusts because of us, after the steps."""
    added = {step.subnet for step in planned if isinstance(step, firewall_steps.TrustSource)}
    removed = {step.subnet for step in planned if isinstance(step, firewall_steps.DistrustSource)}
    return tuple(sorted({*journal.trusted, *added} - removed))


def _forward_chains(firewalls: FirewallState) -> list[FilterChain]:
    """Return the chains that need an opening for forwarded packets."""
    filters = (
        {chain.name: chain for chain in firewalls.chains if chain.program == program}
        for program in _iptables_programs(firewalls)
    )
    entrances = [_entrance_chain(chains) for chains in filters if FORWARD in chains and chains[FORWARD].may_drop]
    return [*_dropping_nft_chains(firewalls, "forward"), *entrances]


def _input_chains(firewalls: FirewallState) -> list[FilterChain]:
    """Return the chains that need an opening for DNS queries to the host itself."""
    inputs = [chain for chain in firewalls.chains if (chain.program != NFT, chain.name) == (True, INPUT)]
    return [*_dropping_nft_chains(firewalls, "input"), *(chain for chain in inputs if chain.may_drop)]


def _dropping_nft_chains(firewalls: FirewallState, hook: str) -> list[FilterChain]:
    return [chain for chain in firewalls.chains if (chain.program, chain.hook) == (NFT, hook) and chain.may_drop]


def _iptables_programs(firewalls: FirewallState) -> list[str]:
    return list(dict.fromkeys(chain.program for chain in firewalls.chains if chain.program != NFT))


def _entrance_chain(chains: dict[str, FilterChain]) -> FilterChain:
    """Return where to put a rule: DOCKER-USER if FORWARD jumps there before any rule that may drop, else FORWARD."""
    for rule in chains[FORWARD].rules:
        if rule.target == DOCKER_USER and DOCKER_USER in chains:
            return chains[DOCKER_USER]
        if rule.may_drop:
            break
    return chains[FORWARD]


def _has_tag(chain: FilterChain, tag: str) -> bool:
    return any(has_tag(rule.comment, tag) for rule in chain.rules)


def _is_open(chain: FilterChain, opening: Opening | DnsOpening) -> bool:
    """Return whether the chain has exactly these rules of ours, and none before them that may drop a packet."""
    ours = [i for i, rule in enumerate(chain.rules) if has_tag(rule.comment, opening.tag)]
    if tuple(chain.rules[i].comment for i in ours) != opening.comments:
        return False
    return not any(rule.may_drop for rule in chain.rules[: ours[-1]])


def _close_chain(chain: FilterChain, tag: str) -> Step:
    return firewall_steps.CloseChain(chain.program, chain.name, tag)


def _needs_trust(firewalls: FirewallState, subnet: str) -> bool:
    return firewalls.trusted is not None and subnet not in firewalls.trusted


def describe_rules(spec: NamespaceSpec, backend: Backend) -> str:
    """Return the name of our table or chains, for messages."""
    if backend.is_nft:
        return f"the table inet {spec.table}"
    return f"the set of chains {iptables_rules.chain_prefix(spec.alias)}* in {backend.program}"


def plan_rules(spec: NamespaceSpec, backend: Backend, rules: RuleSet, *, fresh: bool) -> tuple[Step, str]:
    """Return the step that replaces our rules, and their digest; `fresh`: there are none yet."""
    if backend.is_nft:
        commands = nft_rules.to_commands(rules)
        wanted = nft_rules.to_first_load(commands) if fresh else commands
        return steps.LoadTable(rules.table, wanted), nft_rules.digest_rules(commands)
    tables = iptables_rules.to_tables(rules, spec.alias, ipv6=backend.ipv6)
    chains = firewall_steps.LoadChains(backend.program, spec.alias, tables)
    return chains, nft_rules.digest_rules([backend.program, *(table.lines() for table in tables)])


def plan_rules_removal(spec: NamespaceSpec, program: str) -> Step:
    """Return the step that removes our rules from a program."""
    return steps.DeleteTable(spec.table) if program == NFT else firewall_steps.DeleteChains(program, spec.alias)


def plan_stray_removal(spec: NamespaceSpec, backend: Backend, firewalls: FirewallState) -> list[Step]:
    """Return the steps that remove our chains from a program that is no longer used for them."""
    programs = dict.fromkeys(chain.program for chain in firewalls.chains if _has_own_jump(spec, chain))
    return [plan_rules_removal(spec, program) for program in programs if program != backend.program]


def firewalls_to_open(spec: NamespaceSpec, backend: Backend, firewalls: FirewallState) -> FirewallState:
    """Return the firewalls that may need an opening: not the program in which our own chains come first."""
    visible = hide_own_jumps(spec, firewalls)
    if backend.is_nft:  # an accept in our own table does not override a drop elsewhere
        return visible
    return replace(visible, chains=tuple(chain for chain in visible.chains if chain.program != backend.program))


def hide_own_jumps(spec: NamespaceSpec, firewalls: FirewallState) -> FirewallState:
    """Return the firewalls without the jumps to our own chains, which are not openings."""
    return replace(firewalls, chains=tuple(_strip_own_jumps(spec, chain) for chain in firewalls.chains))


def refuse_unreachable_rules(spec: NamespaceSpec, observed: ObservedState, journal: Journal) -> None:
    """Refuse to go on while an nftables table of ours is loaded but nft is not installed.

    Raises:
        MissingToolError: names the table and the fix.
    """
    if journal.table is not None and journal.program == NFT and not observed.backend.is_nft:
        raise MissingToolError(
            f"the rules of {spec.name} are the nftables table inet {spec.table}, but nft is no longer installed:"
            " apt install nftables, or restart this machine"
        )


def backend_notes(spec: NamespaceSpec, backend: Backend) -> list[str]:
    """Return notes for the user about what the program cannot do."""
    if backend.ipv6:
        return []
    message = f"no ip6tables: IPv6 is disabled in {spec.name} and on its link, but no rule would drop or count it"
    return [f"{message}; to fix that: apt install nftables"]


def _has_own_jump(spec: NamespaceSpec, chain: FilterChain) -> bool:
    return _strip_own_jumps(spec, chain) != chain


def _strip_own_jumps(spec: NamespaceSpec, chain: FilterChain) -> FilterChain:
    if chain.program not in {IPTABLES_NFT, IPTABLES_LEGACY}:
        return chain
    own_prefix = iptables_rules.chain_prefix(spec.alias)
    return replace(chain, rules=tuple(r for r in chain.rules if not r.target.startswith(own_prefix)))
