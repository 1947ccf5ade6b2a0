"""A home host with two neighbours: eth0 leads to an ISP, eth1 to a LAN; the host is the private machine itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from private_machine import PrivateMachine

if TYPE_CHECKING:
    from subprocess import CompletedProcess

SPEEDMON = str(Path(sys.executable).with_name("speedmon"))
BUILD_SCRIPT = """
set -e
for name in isp lan; do ip netns add $name; ip -n $name link set lo up; done
ip link add eth0 type veth peer name far netns isp
ip link add eth1 type veth peer name near netns lan
for link in eth0 eth1; do ip link set $link addrgenmode none; done  # no link-local address that appears later
ip -n isp link set far addrgenmode none; ip -n lan link set near addrgenmode none
ip -n isp address add 203.0.113.1/24 dev far; ip -n isp address add 2001:db8::1/64 dev far nodad
ip address add 203.0.113.10/24 dev eth0; ip address add 2001:db8::10/64 dev eth0 nodad
ip address add 10.50.0.1/24 dev eth1; ip -n lan address add 10.50.0.2/24 dev near
ip link set eth0 up; ip link set eth1 up; ip -n isp link set far up; ip -n lan link set near up
ip route add default via 203.0.113.1; ip -6 route add default via 2001:db8::1
ip -n lan route add default via 10.50.0.1; ip -n isp route add 10.50.0.0/24 via 203.0.113.10
ip -n isp route add 192.168.200.0/24 via 203.0.113.10
printf 'nameserver 203.0.113.53\\n' > /etc/resolv.conf
"""

# All rules of all firewalls without counter values; listing legacy iptables would create its tables.
RULES_SCRIPT = r"""{
    nft list ruleset; iptables-nft-save; ! grep -q . /proc/net/ip_tables_names || iptables-legacy-save
} 2>/dev/null | sed -E 's/packets [0-9]+ bytes [0-9]+//; s/\[[0-9:]+\]//; /^#/d'"""

# All that a set-up could change, without counters and timers of the kernel and the backups that groupadd makes.
SNAPSHOT_SCRIPT = r"""
ip -o -d link | sed -E 's/(minmtu|promiscuity|numtxqueues).*//'; ip -o address; ip -6 route show table all
ip route show table all; ip rule; RULES
grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf /proc/sys/net/ipv4/ip_forward 2>/dev/null
find /etc /run /var/lib /usr/local/bin -not -path '/run/netns/*' -not -path '/etc/g*-' -not -name .pwd.lock \
    -printf '%p %m %u %g %s\n' | sort; ls /run/netns
cat /etc/group; cut -d' ' -f3- /proc/self/mountinfo
""".replace("RULES", RULES_SCRIPT)


class HomeNetwork(PrivateMachine):
    """The private machine with its two neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.shell(BUILD_SCRIPT)

    def shell(self, script: str, *, check: bool = True) -> CompletedProcess[str]:
        """Run a shell script on the home host."""
        return self.run(["sh", "-c", script], check=check)

    def speedmon(self, *arguments: str, check: bool = True, user: str | None = None) -> CompletedProcess[str]:
        """Run the product's command line on the home host."""
        return self.run([SPEEDMON, *arguments], check=check, user=user)

    def rules(self) -> list[str]:
        """Return the rules of every firewall, as lines."""
        return self.shell(RULES_SCRIPT).stdout.splitlines()

    def snapshot(self) -> list[str]:
        """Return everything that a set-up could change, as lines."""
        return self.shell(SNAPSHOT_SCRIPT, check=False).stdout.splitlines()
