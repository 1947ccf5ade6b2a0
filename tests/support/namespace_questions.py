"""What a user expects of an IPv4-only namespace, each as a question that is asked of a real one.

An answer is "yes", or what happened instead. To add one: a function here, a row in `namespace_rounds`, and a run of
`python benchmarks/baseline.py` for docs/namespace.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from namespace_baseline import STRANGER, USER
from router_advertisement import ADVERTISE_CODE, COUNT_RECEIVED_COMMAND, ENABLE_IPV6_COMMAND
from waiting import until

from netns.observe import TUNING_KEYS

if TYPE_CHECKING:
    from namespace_baseline import NamespaceHome

YES = "yes"
ISP, LAN = ("ip", "netns", "exec", "isp"), ("ip", "netns", "exec", "lan")
DISABLE_IPV6_INSIDE = "/proc/sys/net/ipv6/conf/ip4only-ns/disable_ipv6"
INHERIT_SOCKET_CODE = """
import os, socket, sys
outside = socket.socket(socket.AF_INET6)
outside.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
os.dup2(outside.fileno(), 9)
os.execvp("ip4only", ["ip4only", "/usr/bin/python3", "-c", sys.argv[1]])
"""

USE_SOCKET_CODE = """
import socket
line = socket.socket(fileno=9)
line.connect(("2001:db8::1", 8080))
print(line.recv(99).decode())
"""


def gets_out(at: NamespaceHome) -> str:
    """Connect to the ISP, which replies with the address that it sees."""
    with at.serving(8080, *ISP):
        address = at.call("203.0.113.1", 8080)
    return YES if address == "203.0.113.10" else "no answer arrives"


def pings(at: NamespaceHome) -> str:
    """Ping the ISP as an unprivileged user, with a ping that has no capability."""
    done = at.inside("/run/ping", "-c1", "-W5", "203.0.113.1")
    return YES if done.returncode == 0 else "operation not permitted"


def finds_names(at: NamespaceHome) -> str:
    """Look a name up as any program does."""
    done = at.inside("getent", "ahostsv4", "www.speedtest.net")
    servers = at.inside("grep", "nameserver", "/etc/resolv.conf").stdout.strip()
    return YES if "203.0.113.80" in done.stdout else f"`{servers}`, where nothing answers inside"


def hides_name_cache(at: NamespaceHome) -> str:
    """Look for the socket of nscd, which would answer over the host's network."""
    return YES if at.inside("ls", "/run/nscd/socket").returncode else "`/run/nscd` is visible inside"


def fits_the_uplink(at: NamespaceHome) -> str:
    """Read the MTU of the link inside."""
    mtu = at.inside("ip", "-o", "link", "show", "ip4only-ns").stdout.partition(" mtu ")[2].split()[0]
    return YES if mtu == "1492" else f"packets of {mtu} bytes"


def takes_over_tcp(at: NamespaceHome) -> str:
    """Compare the TCP and UDP sysctls that affect a measurement."""
    read = ("sh", "-c", "cd /proc/sys; for key; do echo $key $(cat $key); done", "sh", *TUNING_KEYS)
    outside, inside = at.home.run(read).stdout.splitlines(), at.inside(*read).stdout.splitlines()
    differ = [f"`{line.split()[0].rpartition('/')[2]}`" for line in inside if line not in outside]
    return YES if not differ else f"{', '.join(differ)} are not the host's"


def has_no_ipv6(at: NamespaceHome) -> str:
    """Look for an IPv6 address inside."""
    output = at.inside("ip", "-6", "-o", "address", "show", "dev", "ip4only-ns").stdout
    return "an address of `fe80::/10`" if "fe80::" in output else YES


def ignores_advertisements(at: NamespaceHome) -> str:
    """Send one over the veth, and check its effect once it has been received."""
    switch = "/proc/sys/net/ipv6/conf/ip4only-root/disable_ipv6"
    before, was = at.home.shell(COUNT_RECEIVED_COMMAND).stdout, at.home.shell(f"cat {switch}").stdout
    at.home.shell(ENABLE_IPV6_COMMAND.format("ip4only-root"))
    at.home.python(ADVERTISE_CODE, "ip4only-root")
    until(lambda: at.home.shell(COUNT_RECEIVED_COMMAND).stdout != before)
    until(
        lambda: (
            at.inside("cat", DISABLE_IPV6_INSIDE).stdout == "1\n"
            or count_packets(at, "Icmp6InRouterAdvertisements") > 0
        )
    )
    at.home.shell(f"echo {was} > {switch}")
    output = at.inside("ip", "-6", "route", "show", "default").stdout + at.inside("ip", "-6", "address").stdout
    return "it adds an address and a default route" if "proto ra" in output and "2001:db8:bad:" in output else YES


def sends_no_ipv6(at: NamespaceHome) -> str:
    """Ask the kernel how much was sent, at the latest when each address has been checked for duplicates."""
    until(lambda: count_packets(at, "Ip6OutRequests") > 0 or "tentative" not in at.inside("ip", "-6", "address").stdout)
    return "some are sent" if count_packets(at, "Ip6OutRequests") else YES


def count_packets(at: NamespaceHome, name: str) -> int:
    """Return an IPv6 counter of the kernel inside."""
    return int(at.inside("awk", f"/^{name} / {{print $2}}", "/proc/net/snmp6").stdout)


def lan_stays_in(at: NamespaceHome) -> str:
    """Have the LAN neighbour, whose default route is the host, send to the internet."""
    return "they get out" if at.gets_through("lan", "isp", "203.0.113.1") else YES


def strangers_stay_out_of_the_lan(at: NamespaceHome) -> str:
    """Have the ISP, which has a route to the LAN, send into it."""
    return "they get in" if at.gets_through("isp", "lan", "10.50.0.2") else YES


def strangers_stay_out_of_the_namespace(at: NamespaceHome) -> str:
    """Have the ISP, which has a route to the subnet, send into the namespace."""
    return "they get in" if at.gets_through("isp", "ip4only", "192.168.200.2") else YES


def host_is_out_of_reach(at: NamespaceHome) -> str:
    """Connect from inside to a service of the host, at each of its addresses."""
    with at.serving(8080):
        reached = [to for to in ("192.168.200.1", "203.0.113.10", "10.50.0.1") if at.call(to, 8080)]
    return f"reachable at {len(reached)} of 3 addresses" if reached else YES


def lan_is_out_of_reach(at: NamespaceHome) -> str:
    """Connect from inside to a service of the LAN neighbour."""
    with at.serving(8080, *LAN):
        return "reachable" if at.call("10.50.0.2", 8080) else YES


def only_those_named_may_enter(at: NamespaceHome) -> str:
    """Enter as a user who was not given with --user."""
    return YES if at.inside("true", user=STRANGER).returncode else "any user may"


def leaves_sockets_outside(at: NamespaceHome) -> str:
    """Pass an IPv6 socket of the host's network to the command, which connects it."""
    with at.serving(8080, *ISP):
        done = at.home.python(INHERIT_SOCKET_CODE, USE_SOCKET_CODE, user=USER, check=False)
    return "it reaches the internet over IPv6" if "2001:db8::10" in done.stdout else YES


def holds_no_capability(at: NamespaceHome) -> str:
    """Read the capabilities of the command."""
    fields = at.inside("grep", "-E", "Cap(Inh|Prm|Eff|Amb)", "/proc/self/status").stdout.split()
    return YES if {*fields[1::2]} == {"0" * 16} else "it holds some"


def ignores_preload(at: NamespaceHome) -> str:
    """Set LD_PRELOAD to a library that prints which program has loaded it."""
    done = at.home.run(
        ["ip4only", "true"], user=USER, env={"LD_PRELOAD": "/run/preload.so", "PATH": os.environ["PATH"]}
    )
    assert "setpriv" in done.stdout  # a program that runs before the launcher does
    return "it loads the library" if "ip4only" in done.stdout else YES


def setuid_gives_nothing(at: NamespaceHome) -> str:
    """Run a setuid program, such as sudo, inside."""
    return "it makes its caller root" if at.inside("/run/setuid-id", "-u").stdout == "0\n" else YES


def second_run_changes_nothing(at: NamespaceHome) -> str:
    """Set up again, and compare the machine."""
    before = at.home.snapshot()
    complaints = at.method.set_up(at.home).stderr.splitlines()
    if complaints:
        return f"{len(complaints)} commands fail"
    return YES if at.home.snapshot() == before else "the machine changes"


def follows_the_uplink(at: NamespaceHome) -> str:
    """Move the default route to the neighbour, set up again, and connect to it: it replies with the address it sees."""
    at.home.shell("ip route replace default via 10.50.0.2")
    at.method.set_up(at.home)
    with at.serving(8080, *LAN):
        address = at.call("10.50.0.2", 8080)
    at.home.shell("ip route replace default via 203.0.113.1")
    return YES if address == "10.50.0.1" else f"the far end sees {address}"


def leaves_no_trace(at: NamespaceHome) -> str:
    """Undo, and compare rules, settings and files with those before."""
    at.method.undo(at.home)
    difference = set(at.home.snapshot()) ^ set(at.before)
    files = sorted(line.split()[0] for line in difference if line.startswith(("/etc/", "/usr/local/")))
    signs = {"/proc/sys/net/ipv4/ip_forward:1": "`ip_forward=1`", "MASQUERADE": "a masquerade rule"}
    leftovers = [name for sign, name in signs.items() if any(sign in line for line in difference)]
    leftovers += [f"`{file}`" for file in files if not any(other.startswith(f"{file}/") for other in files)]
    return f"left behind: {', '.join(leftovers)}" if difference else YES


def keeps_rules(at: NamespaceHome) -> str:
    """Check that each rule and policy from before is still there."""
    rules = at.home.rules()
    missing = [line for line in set(at.before) if line.startswith(("-A", ":FORWARD DROP")) and line not in rules]
    return f"{len(missing)} rules are gone" if missing else YES


def keeps_closed_ports(at: NamespaceHome) -> str:
    """Connect to a port of the host that its own rule closes."""
    with at.serving(2222):
        return "it is open to the internet" if at.call_from("isp", "203.0.113.10", 2222) else YES


def keeps_forwarded_ports(at: NamespaceHome) -> str:
    """Connect to a port of the host that is forwarded to the LAN neighbour."""
    with at.serving(8080, *LAN):
        return YES if at.call_from("isp", "203.0.113.10", 8081) == "203.0.113.1" else "it no longer works"


def reports_a_collision(at: NamespaceHome) -> str:
    """Check that the set-up is refused with a fix; if not, where replies to the namespace go."""
    if "--subnet 192.168.201.0/24" in at.method.set_up(at.home).stderr:
        return YES
    misrouted = " dev eth1 " in at.home.shell("ip route get 192.168.200.2").stdout
    return "it is set up, and replies to it go into the LAN" if misrouted else "it is set up"


def survives_a_kill(at: NamespaceHome) -> str:
    """Kill a set-up half-way and run it again."""
    at.method.begin(at.home)
    complaints = at.method.set_up(at.home).stderr.splitlines()
    return f"{len(complaints)} commands fail, then it works" if complaints and gets_out(at) == YES else gets_out(at)


def refuses_a_wrong_file(at: NamespaceHome) -> str:
    """Leave a plain file where the namespace's handle was."""
    at.home.shell("umount /run/netns/ip4only")
    return "the command runs outside" if at.inside("echo", "ran").stdout else YES
