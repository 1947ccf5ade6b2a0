"""Pure: our own rules in nft or iptables: the steps that load and remove them, and their name in messages.

After nft was installed, or `iptables` switched to the other kind, the former program may still hold rules of ours:
these strays are removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns import iptables_ruleset, iptables_steps, ruleset, steps
from netns.backend import IPTABLES_LEGACY, IPTABLES_NFT, NFT
from netns.errors import MissingToolError

if TYPE_CHECKING:
    from netns.backend import Backend
    from netns.foreign import Chain, Firewalls
    from netns.model import Journal, NamespaceSpec, Observed
    from netns.ruleset import Rules
    from netns.steps import Step


def title(spec: NamespaceSpec, backend: Backend) -> str:
    """Return the name of our table or chains, for messages."""
    if backend.is_nft:
        return f"the table inet {spec.table}"
    return f"the set of chains {iptables_ruleset.prefix(spec.alias)}* in {backend.program}"


def load(spec: NamespaceSpec, backend: Backend, rules: Rules, *, fresh: bool) -> tuple[Step, str]:
    """Return the step that replaces our rules, and their digest; `fresh`: there are none yet."""
    if backend.is_nft:
        commands = ruleset.commands(rules)
        wanted = ruleset.first(commands) if fresh else commands
        return steps.LoadTable(rules.table, wanted), ruleset.digest(commands)
    tables = iptables_ruleset.tables(rules, spec.alias, ipv6=backend.ipv6)
    chains = iptables_steps.LoadChains(backend.program, spec.alias, tables)
    return chains, ruleset.digest([backend.program, *(table.lines() for table in tables)])


def delete(spec: NamespaceSpec, program: str) -> Step:
    """Return the step that removes our rules from a program."""
    return steps.DeleteTable(spec.table) if program == NFT else iptables_steps.DeleteChains(program, spec.alias)


def strays(spec: NamespaceSpec, backend: Backend, firewalls: Firewalls) -> list[Step]:
    """Return the steps that remove our chains from a program that is no longer used for them."""
    programs = dict.fromkeys(chain.program for chain in firewalls.chains if _has_jump(spec, chain))
    return [delete(spec, program) for program in programs if program != backend.program]


def others(spec: NamespaceSpec, backend: Backend, firewalls: Firewalls) -> Firewalls:
    """Return the firewalls that may need an opening: not the program in which our own chains come first."""
    visible = openable(spec, firewalls)
    if backend.is_nft:  # an accept in our own table does not override a drop elsewhere
        return visible
    return replace(visible, chains=tuple(chain for chain in visible.chains if chain.program != backend.program))


def openable(spec: NamespaceSpec, firewalls: Firewalls) -> Firewalls:
    """Return the firewalls without the jumps to our own chains, which are not openings."""
    return replace(firewalls, chains=tuple(_without_jumps(spec, chain) for chain in firewalls.chains))


def refuse_out_of_reach(spec: NamespaceSpec, observed: Observed, journal: Journal) -> None:
    """Refuse to go on while an nftables table of ours is loaded but nft is not installed.

    Raises:
        MissingToolError: names the table and the fix.
    """
    if journal.table is not None and journal.program == NFT and not observed.backend.is_nft:
        raise MissingToolError(
            f"the rules of {spec.name} are the nftables table inet {spec.table}, but nft is no longer installed:"
            " apt install nftables, or restart this machine"
        )


def notes(spec: NamespaceSpec, backend: Backend) -> list[str]:
    """Return notes for the user about what the program cannot do."""
    if backend.ipv6:
        return []
    message = f"no ip6tables: IPv6 is disabled in {spec.name} and on its link, but no rule would drop or count it"
    return [f"{message}; to fix that: apt install nftables"]


def _has_jump(spec: NamespaceSpec, chain: Chain) -> bool:
    return _without_jumps(spec, chain) != chain


def _without_jumps(spec: NamespaceSpec, chain: Chain) -> Chain:
    if chain.program not in {IPTABLES_NFT, IPTABLES_LEGACY}:
        return chain
    own_prefix = iptables_ruleset.prefix(spec.alias)
    return replace(chain, rules=tuple(r for r in chain.rules if not r.target.startswith(own_prefix)))
