"""Addresses and routes are read from the kernel's own text files."""

from __future__ import annotations

from netns.probe import findings
from netns.probe.findings import ProcRoute

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0132A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
*\t0000000A\t00000000\t0200\t0\t0\t0\t000000FF\t0\t0\t0
"""

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 192.168.200.0/24 2 0 2
        |-- 192.168.200.0
           /24 link UNICAST
        |-- 192.168.200.2
           /32 host LOCAL
        |-- 192.168.200.10
           /32 host LOCAL
Local:
     |-- 192.168.200.2
        /32 host LOCAL
"""

IF_INET6 = """\
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""

ZEROS = "0" * 32
IPV6_ROUTES = f"""\
fe800000000000000000000000000000 40 {ZEROS} 00 {ZEROS} 00000100 00000002 00000000 00000001     eth0
{ZEROS} 00 {ZEROS} 00 {ZEROS} ffffffff 00000001 00000000 00200200       lo
"""


def test_routes_come_best_first_without_refusals():
    """The metric orders them; a network on the link has no gateway; an unreachable route leads nowhere."""
    assert findings.parse_routes(ROUTES) == [
        ProcRoute("192.0.2.0/24", None, "eth0", 0),
        ProcRoute("0.0.0.0/0", "192.0.2.1", "eth0", 100),
        ProcRoute("0.0.0.0/0", "192.168.50.1", "wlan0", 600),
    ]


def test_default_route_is_known():
    """It is the one to everywhere."""
    assert [route.link for route in findings.parse_routes(ROUTES) if route.is_default] == ["eth0", "wlan0"]


def test_each_address_is_listed_once_without_loopback():
    """Broadcast addresses and networks are none."""
    assert findings.parse_addresses(FIB_TRIE) == ["192.168.200.2", "192.168.200.10"]


def test_ipv6_addresses_include_loopback():
    """Any of them means that IPv6 is not switched off."""
    assert findings.parse_ipv6_addresses(IF_INET6) == ["fe80::fc:ff:fe00:1%eth0", "::1%lo"]


def test_permanent_unreachable_route_of_ipv6_is_ignored():
    """The kernel's own entry on lo is left out."""
    assert findings.parse_ipv6_routes(IPV6_ROUTES) == ["fe80::/64 dev eth0"]


def test_empty_files_hold_nothing():
    """As on a kernel without IPv6, or in a namespace that was just made."""
    readers = (
        findings.parse_routes,
        findings.parse_addresses,
        findings.parse_ipv6_addresses,
        findings.parse_ipv6_routes,
    )
    assert [reader("") for reader in readers] == [[], [], [], []]
