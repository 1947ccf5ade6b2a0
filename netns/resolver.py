"""Which DNS servers the namespace uses, and the text of its resolv.conf and nsswitch.conf. Pure.

A resolver on a loopback address cannot be reached from inside, so its upstream servers are used, else the router.
glibc may ask the host's resolver through a UNIX socket, which ignores network namespaces: so nsswitch.conf is limited
to files and DNS.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from netns.spec import NamespaceSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

# In this order; the later files list the upstreams of a local stub (systemd-resolved, NetworkManager, resolvconf).
SOURCES = (
    "/etc/resolv.conf",
    "/run/systemd/resolve/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
    "/run/dnsmasq/resolv.conf",
)

NSSWITCH = "/etc/nsswitch.conf"
FILE_MARK = "# Written by speedmon"

# The C libraries use no more (MAXNS in resolv.h).
MAX_SERVERS = 3


class Resolver(Struct, frozen=True):
    """Name servers (IPv4) and search domains."""

    servers: tuple[str, ...]
    search: tuple[str, ...] = ()


def choose_resolver(spec: NamespaceSpec, sources: Iterable[str | None], router: str | None) -> Resolver:
    """Return the servers of the spec, else those of the first source with reachable ones, else the router."""
    texts = [text for text in sources if text]
    search = tuple(dict.fromkeys(domain for text in texts for domain in _parse_search_domains(text)))
    if spec.dns:
        return Resolver(tuple(str(server) for server in spec.dns[:MAX_SERVERS]), search)
    for text in texts:
        if reachable := tuple(server for server in parse_servers(text) if _is_reachable(server, spec)):
            return Resolver(reachable[:MAX_SERVERS], search)
    return Resolver((router,) if router else (), search)


def reachable_servers(sources: Iterable[str | None]) -> tuple[str, ...]:
    """Return the servers of the first source that has any outside this host."""
    return choose_resolver(NamespaceSpec(), sources, None).servers


def resolv_conf(resolver: Resolver, name: str) -> str:
    """Return the text of resolv.conf (resolv.conf(5)) for the namespace."""
    lines = [f"{FILE_MARK} for the namespace {name}; the next setup-netns replaces it."]
    lines += [f"nameserver {server}" for server in resolver.servers]
    if resolver.search:
        lines.append(f"search {' '.join(resolver.search)}")
    # Without this option (glibc 2.36), the error of an IPv6 attempt would hide why a test failed.
    lines.append("options no-aaaa")
    return "\n".join(lines) + "\n"


def nsswitch_conf(host: str, name: str) -> str:
    """Return the host's nsswitch.conf (nsswitch.conf(5)) with host names looked up in files and DNS only."""
    other_lines = [line for line in host.splitlines() if not re.match(r"\s*hosts\s*:", line)]
    return "\n".join([f"{FILE_MARK} for the namespace {name}.", *other_lines, "hosts: files dns"]) + "\n"


def is_own_file(text: str) -> bool:
    """Return whether a file in /etc/netns was written by us and may be replaced."""
    return text.startswith(FILE_MARK)


def parse_servers(text: str) -> list[str]:
    """Return the servers of a resolv.conf(5) text, in order."""
    return [words[1] for words in map(str.split, text.splitlines()) if len(words) > 1 and words[0] == "nameserver"]


def _parse_search_domains(text: str) -> list[str]:
    lines = [words[1:] for words in map(str.split, text.splitlines()) if words and words[0] in {"search", "domain"}]
    return [domain for domain in (lines[-1] if lines else []) if domain != "."]


def _is_reachable(server: str, spec: NamespaceSpec) -> bool:
    try:
        address = ipaddress.IPv4Address(server)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address in spec.subnet)
