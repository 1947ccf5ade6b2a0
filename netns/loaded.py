"""Reads our own rules as they are loaded now, from nft or iptables. Changes nothing."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from netns import firewall, iptables, iptables_saved, ruleset
from netns.backend import Backend
from netns.errors import MissingToolError
from netns.iptables_ruleset import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from netns.iptables_saved import Saved
    from netns.model import NamespaceSpec

IPV6_LINKS = Path("/proc/net/if_inet6")


class Loaded(Struct, frozen=True):
    """A digest of our loaded rules, packet counts by counter name, and rules of others ahead of ours."""

    digest: str
    counters: Mapping[str, int] = field(default_factory=dict)
    rules_ahead: tuple[str, ...] = ()


def find_backend() -> Backend:
    """Return the program for our rules: nft if it is installed, else the host's kind of iptables.

    Raises:
        MissingToolError: neither is installed.
    """
    if firewall.is_there():
        return Backend()
    program = iptables.kind()
    if program is None:
        raise MissingToolError("neither nft nor iptables is installed, but NAT needs one of them: apt install nftables")
    return Backend(program, ipv6=iptables.has_ipv6(program) and IPV6_LINKS.exists())


def read(spec: NamespaceSpec, backend: Backend) -> Loaded | None:
    """Return the rules that are loaded for `spec`, None if there are none.

    Raises:
        StepError: the program refused to list it.
    """
    if backend.is_nft:
        return _table(firewall.listing(spec.table))
    return _chains([iptables_saved.read(spec.alias, text) for text in iptables.tables(backend.program)])


def counters(spec: NamespaceSpec, backend: Backend) -> Mapping[str, int]:
    """Return the packet counts of our counters by name.

    Raises:
        StepError: the program refused to list them.
    """
    if backend.is_nft:
        return firewall.counters(spec.table)
    loaded_rules = read(spec, backend)
    return dict.fromkeys(COUNTERS, 0) | dict(loaded_rules.counters if loaded_rules else {})


def _table(objects: list[dict[str, Any]] | None) -> Loaded | None:
    if objects is None:
        return None
    named_counters = (entry["counter"] for entry in objects if "counter" in entry)
    return Loaded(ruleset.digest(objects), {counter["name"]: counter["packets"] for counter in named_counters})


def _chains(saved_tables: Iterable[Saved]) -> Loaded | None:
    tables = list(saved_tables)
    lines = [line for table in tables for line in table.listing()]
    if not lines:
        return None
    counts = {name: packets for table in tables for name, packets in table.counters().items()}
    return Loaded(ruleset.digest(lines), counts, tuple(rule.text for table in tables for rule in table.rules_ahead()))
