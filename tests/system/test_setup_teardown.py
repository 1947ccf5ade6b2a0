"""setup-netns, teardown-netns and exec on a real network: links, nftables, sysctls, ping and a stranger's traffic."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from namespace_faults import FAULTS

if TYPE_CHECKING:
    from home_network import HomeNetwork

# Answers one connection with the address that it came from.
ECHO = (
    "import socket; server = socket.create_server(('', 8080)); print('ready', flush=True);"
    "client, address = server.accept(); client.sendall(address[0].encode())"
)

CALL = "import socket, sys; print(socket.create_connection((sys.argv[1], 8080), 5).recv(99).decode())"
READY = "namespace ip4only is ready"
SAME = "nothing changed"


def setup(home: HomeNetwork, *arguments: str) -> str:
    """Set up without the launcher, which has its own tests."""
    return home.speedmon("setup-netns", "--no-launcher", *arguments).stdout


def inside(home: HomeNetwork, *argv: str) -> tuple[int, str]:
    """Run a command in the namespace."""
    done = home.speedmon("exec", "--", *argv, check=False)
    return done.returncode, done.stdout + done.stderr


def test_ping_works_over_ipv4_and_fails_at_once_over_ipv6(home: HomeNetwork):
    """The ISP answers over IPv4; over IPv6 there is no network to ask."""
    setup(home)
    assert inside(home, "ping", "-c1", "-W5", "203.0.113.1")[0] == 0
    code, output = inside(home, "ping", "-6", "-c1", "-W5", "2001:db8::1")
    assert (code, "Network is unreachable" in output) == (2, True)


def test_rules_of_the_host_are_left_alone(home: HomeNetwork):
    """The host's own nftables and iptables rules are neither flushed nor changed."""
    home.shell(
        "nft add table inet mine; nft add chain inet mine c; nft add rule inet mine c tcp dport 22 counter accept"
    )
    home.shell("iptables -A INPUT -p tcp --dport 2222 -j DROP; iptables -P FORWARD ACCEPT")
    rules = "nft list table inet mine; iptables -S"
    before = home.shell(rules).stdout
    setup(home)
    assert home.shell(rules).stdout == before
    home.speedmon("teardown-netns")
    assert home.shell(rules).stdout == before


def test_only_the_two_links_involved_forward(home: HomeNetwork):
    """The host is made no router: forwarding is on for the uplink and for our own link, and for nothing else."""
    setup(home)
    forwarding = home.shell("cat /proc/sys/net/ipv4/ip_forward; grep -l 1 /proc/sys/net/ipv4/conf/*/forwarding").stdout
    assert forwarding.split() == [
        "0",
        *(f"/proc/sys/net/ipv4/conf/{link}/forwarding" for link in ("eth0", "ip4only-root")),
    ]


def test_services_of_the_host_are_out_of_reach_inside(home: HomeNetwork):
    """A program in the namespace cannot connect to what listens on the host, at any of its addresses."""
    setup(home)
    server = home.popen(["python3", "-c", ECHO], stdout=-1)
    with server:
        assert server.stdout.readline() == "ready\n"
        for address in ("192.168.200.1", "203.0.113.10", "10.50.0.1"):
            assert "No route to host" in inside(home, "python3", "-c", CALL, address)[1]
        server.kill()


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]], ids=["set-up", "dry run"])
def test_user_who_does_not_exist_is_reported_first(home: HomeNetwork, arguments: list[str]):
    """A mistyped name is one line and exit code 2, before a step is shown or done."""
    before = home.snapshot()
    failed = home.speedmon("setup-netns", "--user", "nobdy", *arguments, check=False)
    output = "speedmon: there is no user 'nobdy' to put into group speedmon\n"
    assert (failed.returncode, failed.stdout, failed.stderr) == (2, "", output)
    assert home.snapshot() == before


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_next_call_repairs(home: HomeNetwork, fault: str):
    """Whatever was broken by hand, one more set-up repairs it, and the far end answers again."""
    setup(home)
    home.shell(fault)
    assert READY in setup(home)
    assert inside(home, "ping", "-c1", "-W5", "203.0.113.1")[0] == 0
    assert inside(home, "ip", "-6", "address", "show", "dev", "ip4only-ns")[1] == ""
    assert SAME in setup(home)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_teardown_works_from_any_state(home: HomeNetwork, fault: str):
    """Whatever was deleted by hand before, teardown leaves no trace."""
    before = home.snapshot()
    setup(home)
    home.shell(fault)
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


def test_failed_step_undoes_the_others(home: HomeNetwork):
    """When one step cannot be done, the message names it and the machine is as before."""
    home.shell("mkdir /etc/netns; touch /etc/netns/ip4only")
    before = home.snapshot()
    failed = home.speedmon("setup-netns", "--no-launcher", check=False)
    assert failed.returncode == 5
    assert "mkdir -m 755 /etc/netns/ip4only` failed" in failed.stderr
    assert home.snapshot() == before


# Fails at the last folder, and takes away what the way back would remove.
SPOILT_WAY_BACK = """
import os, subprocess
from netns import setup
from netns.spec import NamespaceSpec
from netns.plan.host_steps import MakeDirectory
def spoil(step):
    if isinstance(step, MakeDirectory):
        subprocess.run(["ip", "link", "delete", "ip4only-root"])
setup.set_up_namespace(NamespaceSpec(launcher=False), on_step=spoil)
"""


def test_what_could_not_be_undone_is_not_forgotten(home: HomeNetwork):
    """When the way back fails too, the message says so, and teardown still knows what was changed."""
    home.shell("mkdir /etc/netns; touch /etc/netns/ip4only")
    before = home.snapshot()
    failed = home.python(SPOILT_WAY_BACK, check=False)
    assert "could not be undone: `ip link delete ip4only-root` failed" in failed.stderr
    assert home.path("/var/lib/speedmon-netns-ip4only.json").exists()
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


def test_two_calls_at_once_do_not_collide(home: HomeNetwork):
    """Four set-ups started together all succeed."""
    with ThreadPoolExecutor(4) as pool:
        printed = list(pool.map(lambda _: setup(home), range(4)))
    assert sum(READY in output for output in printed) == 1
    assert sum(SAME in output for output in printed) == 3


def test_pinned_uplink_and_subnet(home: HomeNetwork):
    """--uplink, --router and --subnet are taken as given."""
    setup(home, "--uplink", "eth1", "--router", "10.50.0.2", "--subnet", "10.77.0.0/30")
    assert 'elements = { "eth1" }' in home.shell("nft list table inet speedmon").stdout
    assert inside(home, "ping", "-c1", "-W5", "10.77.0.1")[0] == 0


def test_two_namespaces_stand_side_by_side(home: HomeNetwork):
    """A second namespace with another name has its own links, rules and way back."""
    setup(home)
    before = home.snapshot()
    setup(home, "--name", "wan2", "--subnet", "192.168.201.0/24", "--uplink", "eth1", "--router", "10.50.0.2")
    assert "inet 192.168.201.2/24" in home.shell("ip -n wan2 address").stdout
    home.speedmon("teardown-netns", "--name", "wan2")
    assert home.snapshot() == before


def test_mtu_is_that_of_the_uplink(home: HomeNetwork):
    """A line with smaller packets, such as PPPoE, gets a namespace with smaller packets."""
    home.shell("ip link set eth0 mtu 1492")
    setup(home)
    assert "mtu 1492" in inside(home, "ip", "link", "show", "ip4only-ns")[1]


def test_tcp_settings_are_those_of_the_host(home: HomeNetwork):
    """A tuned host gets a tuned namespace, so that a test inside is the test outside."""
    home.shell("sysctl -qw net.ipv4.tcp_mtu_probing=1 net.ipv4.tcp_slow_start_after_idle=0")
    setup(home)
    keys = "net.ipv4.tcp_mtu_probing", "net.ipv4.tcp_slow_start_after_idle"
    assert inside(home, "sysctl", "-n", *keys) == (0, "1\n0\n")


def test_name_server_on_the_host_itself_is_let_through(home: HomeNetwork):
    """A host that is its own name server may be asked from inside, also where its own nftables rules drop that."""
    rules = "type filter hook input priority 0; policy drop; ct state established accept; tcp dport 22 accept;"
    home.shell(f"nft 'add table inet filter {{ chain input {{ {rules} }}; }}'")
    home.shell("echo 'nameserver 10.50.0.1' > /etc/resolv.conf")
    before = home.rules()
    setup(home)
    server = home.popen(["python3", "-c", ECHO.replace("8080", "53")], stdout=-1)
    with server:
        assert server.stdout.readline() == "ready\n"
        assert inside(home, "python3", "-c", CALL.replace("8080", "53"), "10.50.0.1") == (0, "192.168.200.2\n")
    assert SAME in setup(home)
    home.speedmon("teardown-netns")
    assert home.rules() == before


def test_dry_run_prints_the_steps_and_changes_nothing(home: HomeNetwork):
    """Each step is printed as the command a person would type."""
    before = home.snapshot()
    printed = home.speedmon("setup-netns", "--dry-run").stdout.splitlines()
    assert printed[0] == "ip netns add ip4only"
    assert "sysctl -w net/ipv4/conf/eth0/forwarding=1" in printed
    assert home.snapshot() == before
    setup(home)
    assert "ip netns delete ip4only" in home.speedmon("teardown-netns", "--dry-run").stdout
    assert SAME in setup(home)


@pytest.mark.parametrize(
    ("before", "arguments", "code", "output"),
    [
        ("ip route delete default", (), 5, "no IPv4 default route"),
        ("ip netns add ip4only", (), 5, "ip netns delete ip4only"),
        ("ip link add ip4only-root type veth peer name x", (), 5, "ip link delete ip4only-root"),
        ("ip address add 192.168.200.77/25 dev eth1", (), 2, "--subnet 192.168.201.0/24"),
        ("true", ("--uplink", "eth9"), 2, "eth9"),
        ("true", ("--uplink", "eth1"), 5, "no router is known on eth1"),
        ("true", ("--uplink", "eth1", "--router", "10.51.0.2"), 2, "in no network of eth1 (10.50.0.0/24)"),
        ("true", ("--uplink", "eth1", "--router", "fe80::1"), 2, "not an IPv4 address"),
        ("true", ("--router", "10.50.0.2"), 2, "--uplink"),
        ("ip rule add priority 1 table 77", ("--uplink", "eth0"), 5, "leaves no room"),
        ("true", ("--subnet", "192.168.300.0/24"), 2, "192.168.300.0/24"),
        ("true", ("--subnet", "192.168.200.0/31"), 2, "too small"),
        ("true", ("--name", "Über"), 2, "cannot name a namespace"),
        ("true", ("--dns", "2001:db8::53"), 2, "not an IPv4 address"),
    ],
)
def test_what_stands_in_the_way_is_one_line(
    home: HomeNetwork, before: str, arguments: tuple[str, ...], code: int, output: str
):
    """Each obstacle is one line that names it and the fix, with its exit code, and nothing is changed."""
    home.shell(before)
    state = home.snapshot()
    failed = home.speedmon("setup-netns", *arguments, check=False)
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (code, "", 1)
    assert output in failed.stderr
    assert home.snapshot() == state


@pytest.mark.root
@pytest.mark.parametrize("command", ["setup-netns", "teardown-netns"])
def test_without_root_it_says_so(home: HomeNetwork, command: str):
    """A plain user gets a message with the command to type, and exit code 6."""
    home.add_user("ann", 4001)
    failed = home.speedmon(command, check=False, user="ann")
    assert (failed.returncode, failed.stderr) == (6, f"speedmon: {command} needs root: sudo speedmon {command}\n")


@pytest.mark.root
def test_user_of_the_group_gets_in_and_others_do_not(home: HomeNetwork):
    """A user given with --user enters without capabilities; another gets a message with what to ask for."""
    home.add_user("ann", 4001)
    home.add_user("bob", 4002)
    home.speedmon("setup-netns", "--user", "ann")
    entered = home.speedmon(
        "exec", "--", "sh", "-c", "id -un; ip -o -4 address; grep CapEff /proc/self/status", user="ann"
    )
    assert entered.stdout.startswith("ann\n")
    assert "192.168.200.2/24" in entered.stdout
    assert "CapEff:\t0000000000000000" in entered.stdout
    assert home.run(["ip4only", "id", "-un"], user="ann").stdout == "ann\n"
    refused = home.speedmon("exec", "--", "id", user="bob", check=False)
    assert refused.returncode == 6
    assert "sudo speedmon setup-netns --user" in refused.stderr
