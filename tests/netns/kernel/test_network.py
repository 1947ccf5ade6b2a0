"""The links, addresses and routes that are read, compared with what `ip` prints on the same machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from netns.kernel import netlink

if TYPE_CHECKING:
    from home_network import HomeNetwork

READ = "import msgspec, sys; from netns.kernel import network; name = sys.argv[1] if sys.argv[1:] else None;"

READ += "print(msgspec.json.encode(network.read_network(name)).decode())"

WAY_OUT = "from netns.kernel import network; print(network.find_default_uplink(network.read_network(None)))"

PINNED = "from netns.kernel import network; print(network.find_pinned_uplink(network.read_network(None), 'eth1'))"

TWO_METRICS = "ip route delete default; ip route add default via 203.0.113.1 metric 20;"

TWO_METRICS += "ip route add default via 10.50.0.2 metric 9"

BESIDE = "ip route replace default via 10.50.0.2 dev eth1 table 77"


def ip(home: HomeNetwork, *arguments: str) -> list[dict[str, Any]]:
    """Return what `ip -j` prints."""
    objects: list[dict[str, Any]] = json.loads(home.run(["ip", "-j", "-d", *arguments]).stdout)
    return objects


@pytest.mark.parametrize("netns", [None, "isp"])
def test_links_match_ip(home: HomeNetwork, netns: str | None):
    """Index, kind, state, MTU, other end, mark and IPv4 addresses of each link."""
    home.shell("ip link set eth0 mtu 1492 alias here; ip address add 10.9.9.1 peer 10.9.9.2/32 dev eth0")
    read_links = json.loads(home.python(READ, *[netns] if netns else []).stdout)["links"]
    there = ["-n", netns] if netns else []
    wanted = {link["ifname"]: link for link in ip(home, *there, "-4", "address")}
    for name, link in {entry["ifname"]: entry for entry in ip(home, *there, "link")}.items():
        assert read_links[name]["index"] == link["ifindex"]
        assert read_links[name]["kind"] == link.get("linkinfo", {}).get("info_kind")
        assert (read_links[name]["up"], read_links[name]["mtu"]) == ("UP" in link["flags"], link["mtu"])
        assert (read_links[name]["alias"], read_links[name]["peer_index"]) == (
            link.get("ifalias"),
            link.get("link_index"),
        )
        addresses = wanted.get(name, {}).get("addr_info", [])
        assert set(read_links[name]["addresses"]) == {
            f"{a.get('address', a['local'])}/{a['prefixlen']}" for a in addresses
        }


def test_routes_match_ip(home: HomeNetwork):
    """Network, table, metric, link, router and maker of each unicast route of all tables, one for each next hop."""
    home.shell(f"{BESIDE}; ip route add 10.8.0.0/16 metric 7 nexthop via 10.50.0.2 nexthop via 203.0.113.1")
    home.shell("ip route add blackhole 10.66.0.0/16; ip route add 10.67.1.0/24 dev eth1")
    links = {link["ifname"]: link["ifindex"] for link in ip(home, "link")}
    wanted = set()
    for route in ip(home, "-N", "-4", "route", "show", "table", "all", "type", "unicast"):
        network = "0.0.0.0/0" if route["dst"] == "default" else route["dst"]
        for hop in route.get("nexthops", [route]):
            where = (int(route.get("table", 254)), route.get("metric", 0))
            whose = (int(route["protocol"]), "nexthops" in route)
            wanted.add((network, *where, links[hop["dev"]], hop.get("gateway"), *whose))
    read_links = [route for route in json.loads(home.python(READ).stdout)["routes"] if route.pop("unicast")]
    assert {tuple(route.values()) for route in read_links} == wanted


def test_rules_match_ip(home: HomeNetwork):
    """Priority, table, incoming link, source and maker of each policy rule for IPv4."""
    home.shell("ip rule add priority 70 from 10.8.0.0/16 iif eth1 lookup 7000 protocol 99; ip rule add table 77")
    wanted = set()
    for rule in ip(home, "-N", "-4", "rule"):
        source = None if rule["src"] == "all" else f"{rule['src']}/{rule['srclen']}"
        wanted.add((rule["priority"], int(rule["table"]), rule.get("iif"), source, int(rule["protocol"])))
    assert {tuple(rule.values()) for rule in json.loads(home.python(READ).stdout)["rules"]} == wanted
    assert len(wanted) == 5


@pytest.mark.parametrize(
    ("script", "uplink"),
    [
        ("true", "Uplink(link='eth0', mtu=1500, router='203.0.113.1')"),
        (BESIDE, "Uplink(link='eth0', mtu=1500, router='203.0.113.1')"),
        (f"{BESIDE}; ip rule add table 77", "Uplink(link='eth1', mtu=1500, router='10.50.0.2')"),
        ("ip route add default via 10.50.0.2 metric 9", "Uplink(link='eth0', mtu=1500, router='203.0.113.1')"),
        (
            TWO_METRICS,
            "Uplink(link='eth1', mtu=1500, router='10.50.0.2')",
        ),
        (
            "ip route add 0.0.0.0/1 via 10.50.0.2; ip route add 128.0.0.0/1 via 10.50.0.2",
            "Uplink(link='eth1', mtu=1500, router='10.50.0.2')",
        ),
        ("ip route replace default dev eth1", "Uplink(link='eth1', mtu=1500, router=None)"),
        ("ip route add unreachable default metric 0; ip route delete default via 203.0.113.1", "None"),
        ("ip route replace blackhole default", "None"),
        ("ip route replace prohibit default", "None"),
        ("ip route delete default", "None"),
    ],
)
def test_uplink_is_the_one_that_the_kernel_uses(home: HomeNetwork, script: str, uplink: str):
    """Metrics, rules, the halves that VPNs route and routes that say no are judged as for any program of the host."""
    home.shell(script, check=False)
    assert home.python(WAY_OUT).stdout.strip() == uplink


def test_several_next_hops_are_one_uplink(home: HomeNetwork):
    """Of a default route with two next hops one is taken, and the same the next time."""
    home.shell("ip route replace default nexthop via 203.0.113.1 nexthop via 10.50.0.2")
    assert home.python(WAY_OUT).stdout == home.python(WAY_OUT).stdout != "None\n"


@pytest.mark.parametrize(
    ("script", "router"),
    [("true", None), (BESIDE, "10.50.0.2"), (f"{BESIDE}; ip route add default via 10.50.0.3 metric 9", "10.50.0.3")],
)
def test_router_of_a_pinned_uplink(home: HomeNetwork, script: str, router: str | None):
    """It is that of a default route over it, of the main table before any other's; there may be none."""
    home.shell(script)
    assert home.python(PINNED).stdout.strip() == f"Uplink(link='eth1', mtu=1500, router={router!r})"


@pytest.mark.parametrize("text", [b"", b"\1", b"\0\0\0\0", b"\3\0\1\0", b"\xff\xff\1\0"])
def test_attributes_of_anything_end(text: bytes):
    """Attributes that are cut off or of impossible length do not loop."""
    assert netlink.parse_attributes(text).get(2) is None


def test_nothing_to_do_needs_no_pyroute2(home: HomeNetwork):
    """A second set-up does not import it."""
    home.speedmon("setup-netns", "--no-launcher")
    imports = "import sys; from netns import setup; from netns.spec import NamespaceSpec"
    again = "setup.set_up_namespace(NamespaceSpec(launcher=False))"
    assert home.python(f"{imports}; {again}; print([m for m in sys.modules if 'pyroute2' in m])").stdout == "[]\n"
