"""Which DNS servers the namespace gets, and the files that say so inside. Pure: texts in, texts out.

A resolver on a loopback address is out of reach inside, so its real upstreams are used; without any, the router is.
glibc may ask the host's resolver through a UNIX socket that knows no namespaces: nsswitch.conf is narrowed as well.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from netns.model import NamespaceSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

# In this order; the later ones list the upstreams of a local stub (systemd-resolved, NetworkManager, resolvconf).
SOURCES = (
    "/etc/resolv.conf",
    "/run/systemd/resolve/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
    "/run/dnsmasq/resolv.conf",
)
NSSWITCH = "/etc/nsswitch.conf"
MARK = "# Written by speedmon"
# The C libraries read no more (MAXNS in resolv.h).
MOST_SERVERS = 3


class Resolver(Struct, frozen=True):
    """Name servers (IPv4) and search domains."""

    servers: tuple[str, ...]
    search: tuple[str, ...] = ()


def choose(spec: NamespaceSpec, sources: Iterable[str | None], router: str | None) -> Resolver:
    """Return the given servers, else those of the first source that has any in reach, else the router."""
    texts = [text for text in sources if text]
    search = tuple(dict.fromkeys(domain for text in texts for domain in _search(text)))
    if spec.dns:
        return Resolver(tuple(str(server) for server in spec.dns[:MOST_SERVERS]), search)
    for text in texts:
        if found := tuple(server for server in _servers(text) if _reachable(server, spec)):
            return Resolver(found[:MOST_SERVERS], search)
    return Resolver((router,) if router else (), search)


def within_reach(sources: Iterable[str | None]) -> tuple[str, ...]:
    """Return the servers of the first source that has any outside of this host."""
    return choose(NamespaceSpec(), sources, None).servers


def resolv_conf(resolver: Resolver, name: str) -> str:
    """Return the text of resolv.conf (resolv.conf(5)) for the namespace."""
    lines = [f"{MARK} for the namespace {name}; the next setup-netns replaces it."]
    lines += [f"nameserver {server}" for server in resolver.servers]
    if resolver.search:
        lines.append(f"search {' '.join(resolver.search)}")
    # With IPv6 addresses (glibc 2.36) a failed test ends with the error of trying those, which hides what failed.
    lines.append("options no-aaaa")
    return "\n".join(lines) + "\n"


def nsswitch_conf(host: str, name: str) -> str:
    """Return the host's nsswitch.conf (nsswitch.conf(5)) with host names looked up in files and DNS only."""
    kept = [line for line in host.splitlines() if not re.match(r"\s*hosts\s*:", line)]
    return "\n".join([f"{MARK} for the namespace {name}.", *kept, "hosts: files dns"]) + "\n"


def is_ours(text: str) -> bool:
    """Tell whether a file in /etc/netns was written by us and may be replaced."""
    return text.startswith(MARK)


def _servers(text: str) -> list[str]:
    return [words[1] for words in map(str.split, text.splitlines()) if len(words) > 1 and words[0] == "nameserver"]


def _search(text: str) -> list[str]:
    lines = [words[1:] for words in map(str.split, text.splitlines()) if words and words[0] in {"search", "domain"}]
    return [domain for domain in (lines[-1] if lines else []) if domain != "."]


def _reachable(server: str, spec: NamespaceSpec) -> bool:
    try:
        address = ipaddress.IPv4Address(server)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address in spec.subnet)
