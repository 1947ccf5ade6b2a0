"""A default route over our own link is no way out, and a tunnel that becomes the uplink is noticed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from places import SUPPORT
from recordings import read_recording

if TYPE_CHECKING:
    from home_network import HomeNetwork

NETWORKD = "/run/systemd/netif/links"
SET_UP = ("setup-netns", "-q", "--no-launcher")
STREAM = read_recording("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl").decode()
OWN_ROUTE = "ip route add default via 192.168.200.2 dev ip4only-root proto dhcp metric 5"
CONFIG = (
    '[collect]\\nengine = "ookla"\\nprobe_failures = false\\n[retry]\\nattempts = 1\\n'
    '[ookla]\\nbinary = "/run/engine/speedtest"\\naccept_license = true\\n'
)


def host_link_line(home: HomeNetwork) -> dict[str, Any]:
    """Return the line of `check` about the host's end of the link."""
    lines = json.loads(home.speedmon("check", "--json", check=False).stdout)
    line: dict[str, Any] = next(line for line in lines if line["name"] == "host-link")
    return line


@pytest.mark.parametrize(
    ("sign", "words"),
    [
        ("mkdir -p /run/dhcpcd", ["dhcpcd made it", "denyinterfaces ip4only-root", "/etc/dhcpcd.conf"]),
        ("mkdir -p /run/NetworkManager", ["NetworkManager made it", "unmanaged-devices=interface-name:ip4only-root"]),
        (
            f"mkdir -p {NETWORKD}; echo ADMIN_STATE=configured >{NETWORKD}/$(cat /sys/class/net/ip4only-root/ifindex)",
            ["systemd-networkd made it", "Unmanaged=yes", "/etc/systemd/network/"],
        ),
        ("true", ["it was made by a DHCP client"]),
    ],
)
def test_a_default_route_over_our_own_link_is_no_way_out(home: HomeNetwork, sign: str, words: list[str]):
    """Set-up takes the real uplink, the namespace works, and `check` names who made the route and how to stop it."""
    home.speedmon(*SET_UP)
    home.shell(f"{sign}; {OWN_ROUTE}; ip route change default via 203.0.113.1 dev eth0 metric 50 2>/dev/null || :")
    home.speedmon(*SET_UP)
    assert 'elements = { "eth0" }' in home.shell("nft list table inet speedmon").stdout
    assert home.shell("ip netns exec ip4only ping -qc1 -W5 203.0.113.1", check=False).returncode == 0
    line = host_link_line(home)
    assert not line["ok"]
    for word in ["a default route leads over ip4only-root", *words, "ip route delete default dev ip4only-root"]:
        assert word in line["message"] + line["fix"]
    home.shell("ip route delete default dev ip4only-root")
    home.speedmon(*SET_UP)
    assert host_link_line(home)["ok"]


@pytest.mark.root
def test_a_tunnel_that_becomes_the_uplink_is_not_followed_in_silence(home: HomeNetwork):
    """The run over it is doubtful until the user chooses that uplink; over the old one it never was."""
    home.shell("mkdir -p /run/engine /etc/speedmon")
    shutil.copy(SUPPORT / "ookla_stand_in.py", home.path("/run/engine/speedtest"))
    home.path("/run/engine/script.json").write_text(json.dumps({"stdout": STREAM}))
    home.path("/etc/speedmon/config.toml").write_text(CONFIG.replace("\\n", "\n"))
    home.shell("ip tuntap add vpn0 mode tun; ip address add 10.77.0.2/24 dev vpn0; ip link set vpn0 up")
    home.speedmon(*SET_UP)
    assert "uplink_changed" not in remarks(home, "host") + remarks(home, "ip4only")
    home.shell("ip route replace default via 10.77.0.1 dev vpn0")
    home.speedmon(*SET_UP)
    assert "uplink_changed" in remarks(home, "host")
    assert "uplink_changed" in remarks(home, "ip4only")
    home.speedmon(*SET_UP, "--uplink", "vpn0")
    assert "uplink_changed" not in remarks(home, "ip4only")


def remarks(home: HomeNetwork, path: str) -> list[str]:
    """Return the kinds of the remarks on a new test."""
    done = home.speedmon("collect", "--json", "--anyway", "--path", path, check=False)
    return [remark["kind"] for remark in json.loads(done.stdout).get("remarks") or []]
