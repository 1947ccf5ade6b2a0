"""The host's side of a namespace, from files and, for root, the loaded rules: for `speedmon check`. No pyroute2."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from netns import enter, journal, loaded, network, own_rules, proc_net, resolver
from netns.errors import NetnsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netns.loaded import Loaded
    from netns.model import NamespaceSpec

PROC_NET = Path("/proc/self/net")
SYS_NET = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class Outside:
    """The host's side: problems found by `enter.sound`, local addresses, uplink, MTUs by link, and texts by path."""

    problems: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    uplink: str | None = None
    router: str | None = None
    mtus: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """Our firewall rules: what is wrong with them, if anything, and the packet counts by counter name.

    `title` names the table or chains for messages.
    """

    problem: str | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    title: str = "the set of rules"


def look(spec: NamespaceSpec) -> Outside:
    """Return the host's side of the namespace of `spec`."""
    found_uplink = network.uplink(network.read(None), spec.uplink, spec.router)
    uplink = found_uplink.link if found_uplink else spec.uplink
    return Outside(
        problems=tuple(enter.sound(spec.name)),
        addresses=tuple(proc_net.addresses(_text(PROC_NET / "fib_trie") or "")),
        uplink=uplink,
        router=found_uplink.router if found_uplink else None,
        mtus={link: mtu for link in (spec.host_link, uplink) if link and (mtu := _mtu(link))},
        files={path: _text(Path(path)) for path in _file_paths(spec)},
    )


def link_problems(spec: NamespaceSpec, host_side: Outside) -> list[str]:
    """Return what is wrong with the host's end of the link, one phrase per problem. Pure."""
    problems = list(host_side.problems)
    if str(spec.subnet[1]) not in host_side.addresses:
        problems.append(f"{spec.host_link} has no address {spec.subnet[1]}")
    if host_side.uplink is None:
        problems.append("the host has no IPv4 default route")
    elif host_side.mtus.get(spec.host_link) != host_side.mtus.get(host_side.uplink):
        problems.append(
            f"MTU {host_side.mtus.get(spec.host_link)} of {spec.host_link} is not the"
            f" {host_side.mtus.get(host_side.uplink)} of {host_side.uplink}"
        )
    return problems


def resolver_problems(spec: NamespaceSpec, host_side: Outside) -> list[str]:
    """Return what is wrong with the files for name lookups inside. Pure; files that we did not write are accepted."""
    chosen_resolver = resolver.choose(spec, (host_side.files.get(path) for path in resolver.SOURCES), host_side.router)
    host = host_side.files.get(resolver.NSSWITCH)
    expected = {f"{spec.etc}/resolv.conf": resolver.resolv_conf(chosen_resolver, spec.name)}
    if host is not None:
        expected[f"{spec.etc}/nsswitch.conf"] = resolver.nsswitch_conf(host, spec.name)
    return [
        f"{path} is missing" if current is None else f"{path} does not match this host's resolver"
        for path, text in expected.items()
        if (current := host_side.files.get(path)) is None or (resolver.is_ours(current) and current != text)
    ]


def table(spec: NamespaceSpec) -> Table:
    """Return the state of our firewall rules; only root may list them."""
    try:
        backend = loaded.find_backend()
        rules = loaded.read(spec, backend)
        expected_digest = journal.load(spec.name).table
    except (NetnsError, OSError, subprocess.SubprocessError) as error:
        return Table(f"our rules cannot be listed: {error}")
    title = own_rules.title(spec, backend)
    if rules is None:
        return Table(f"{title} is not loaded", title=title)
    return Table(None if rules.digest == expected_digest else _change(title, rules), rules.counters, title)


def _change(title: str, rules: Loaded) -> str:
    if rules.rules_ahead:
        return f"{title} comes behind a rule of another program: {rules.rules_ahead[0]}"
    return f"{title} was changed since set-up"


def _file_paths(spec: NamespaceSpec) -> tuple[str, ...]:
    return (*resolver.SOURCES, resolver.NSSWITCH, f"{spec.etc}/resolv.conf", f"{spec.etc}/nsswitch.conf")


def _mtu(link: str) -> int:
    return int(_text(SYS_NET / link / "mtu") or 0)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
