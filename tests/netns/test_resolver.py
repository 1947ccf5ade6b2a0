"""Which name servers the namespace gets, and the files that say so."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netns import resolver
from netns.spec import NamespaceSpec

SPEC = NamespaceSpec()
ROUTER = "203.0.113.1"


@pytest.mark.parametrize(
    ("sources", "servers"),
    [
        (["nameserver 203.0.113.53\n"], ("203.0.113.53",)),
        (["nameserver 127.0.0.53\n", "nameserver 203.0.113.7\n"], ("203.0.113.7",)),
        (["nameserver 127.0.0.53\n", None, "nameserver 203.0.113.8\n"], ("203.0.113.8",)),
        (["nameserver ::1\nnameserver fe80::1%eth0\nnameserver 2001:db8::53\n"], (ROUTER,)),
        (["nameserver 192.168.200.9\n"], (ROUTER,)),
        (["nameserver 169.254.1.1\nnameserver 0.0.0.0\n"], (ROUTER,)),
        (["# nameserver 203.0.113.9\nnameserver\n"], (ROUTER,)),
        (["\n".join(f"nameserver 203.0.113.{n}" for n in range(1, 6))], ("203.0.113.1", "203.0.113.2", "203.0.113.3")),
        ([None, None], (ROUTER,)),
    ],
)
def test_reachable_servers_are_chosen(sources: list[str | None], servers: tuple[str, ...]):
    """The first source with a server that the namespace can reach wins; without one, the router serves."""
    assert resolver.choose_resolver(SPEC, sources, ROUTER).servers == servers


def test_given_servers_win():
    """A server that the user names is used whatever the host has."""
    spec = NamespaceSpec(dns=(ipaddress.IPv4Address("9.9.9.9"),))
    assert resolver.choose_resolver(spec, ["nameserver 203.0.113.53\n"], ROUTER).servers == ("9.9.9.9",)


def test_search_domains_are_kept():
    """Short names go on working inside; the root domain, systemd's filler, is left out."""
    chosen = resolver.choose_resolver(SPEC, ["domain old\nsearch lan example.org\n", "search .\n"], ROUTER)
    assert "search lan example.org\n" in resolver.resolv_conf(chosen, "ip4only")


def test_resolv_conf_asks_for_ipv4_only():
    """The error of an IPv6 address would be the last one, and hide why the IPv4 address was not reached."""
    assert resolver.resolv_conf(resolver.Resolver(("9.9.9.9",)), "ip4only").endswith("\noptions no-aaaa\n")


def test_host_names_go_to_files_and_dns_only():
    """The C library must not ask the host's resolver through a socket that knows no namespaces."""
    text = resolver.nsswitch_conf("passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n", "ip4only")
    assert [line for line in text.splitlines() if line.startswith("hosts:")] == ["hosts: files dns"]
    assert "passwd: files" in text


def test_our_files_are_recognised():
    """Files that we wrote are distinguished from those of others."""
    chosen = resolver.choose_resolver(SPEC, [], ROUTER)
    assert resolver.is_own_file(resolver.resolv_conf(chosen, "ip4only"))
    assert resolver.is_own_file(resolver.nsswitch_conf("", "ip4only"))
    assert not resolver.is_own_file("nameserver 9.9.9.9\n")


@given(st.lists(st.text(), max_size=4))
def test_any_text_gives_servers_that_are_addresses(sources: list[str]):
    """Whatever stands in the files, what comes out is at most three IPv4 addresses outside our subnet."""
    servers = resolver.choose_resolver(SPEC, sources, ROUTER).servers
    assert 1 <= len(servers) <= 3
    assert all(ipaddress.IPv4Address(server) not in SPEC.subnet for server in servers)
