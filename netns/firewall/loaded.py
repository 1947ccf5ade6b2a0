"""Reads our own rules as they are loaded now, from nft or iptables. Changes nothing."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from netns.errors import MissingToolError
from netns.firewall import iptables, iptables_rules, nft, nft_rules
from netns.firewall.iptables_rules import COUNTERS
from netns.state import Backend

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from netns.firewall.iptables_rules import SavedTable
    from netns.spec import NamespaceSpec

IF_INET6 = Path("/proc/net/if_inet6")


class LoadedRules(Struct, frozen=True):
    """A digest of our loaded rules, packet counts by counter name, and rules of others ahead of ours."""

    digest: str
    counters: Mapping[str, int] = field(default_factory=dict)
    rules_ahead: tuple[str, ...] = ()


def find_backend() -> Backend:
    """Return the program for our rules: nft if it is installed, else the host's kind of iptables.

    Raises:
        MissingToolError: neither is installed.
    """
    if nft.is_installed():
        return Backend()
    program = iptables.find_program()
    if program is None:
        raise MissingToolError("neither nft nor iptables is installed, but NAT needs one of them: apt install nftables")
    return Backend(program, ipv6=iptables.has_ip6tables(program) and IF_INET6.exists())


def read_loaded(spec: NamespaceSpec, backend: Backend) -> LoadedRules | None:
    """Return the rules that are loaded for `spec`, None if there are none.

    Raises:
        StepError: the program refused to list it.
    """
    if backend.is_nft:
        return _from_table(nft.list_table(spec.table))
    return _from_chains(
        [iptables_rules.parse_table(spec.alias, text) for text in iptables.save_own_tables(backend.program)]
    )


def read_counters(spec: NamespaceSpec, backend: Backend) -> Mapping[str, int]:
    """Return the packet counts of our counters by name.

    Raises:
        StepError: the program refused to list them.
    """
    if backend.is_nft:
        return nft.read_counters(spec.table)
    loaded_rules = read_loaded(spec, backend)
    return dict.fromkeys(COUNTERS, 0) | dict(loaded_rules.counters if loaded_rules else {})


def _from_table(objects: list[dict[str, Any]] | None) -> LoadedRules | None:
    if objects is None:
        return None
    named_counters = (entry["counter"] for entry in objects if "counter" in entry)
    return LoadedRules(
        nft_rules.digest_rules(objects), {counter["name"]: counter["packets"] for counter in named_counters}
    )


def _from_chains(saved_tables: Iterable[SavedTable]) -> LoadedRules | None:
    tables = list(saved_tables)
    lines = [line for table in tables for line in table.listing()]
    if not lines:
        return None
    counts = {name: packets for table in tables for name, packets in table.counters().items()}
    return LoadedRules(
        nft_rules.digest_rules(lines), counts, tuple(rule.text for table in tables for rule in table.rules_ahead())
    )
