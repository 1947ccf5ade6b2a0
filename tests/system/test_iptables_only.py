"""The namespace on a host without nft: iptables of either kind does what the nftables table does elsewhere."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from home_network_without_nft import (
    CLIENT_CODE,
    SAVE_SCRIPT,
    SERVER_CODE,
    HomeNetworkWithoutNft,
    find_reached,
    serve_on,
)
from host_kinds import FORWARDS, RULES_DIRECTORY
from namespace_doc import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

SETUP = ("setup-netns", "--no-launcher")
READY, SAME = "is ready", "nothing changed"

# The list of legacy tables is for real root alone.
KINDS = ["nft", pytest.param("legacy", marks=pytest.mark.root)]
USER = ("setpriv", "--reuid=4001", "--regid=4001", "--clear-groups") if os.geteuid() == 0 else ()
INSIDE = ("nsenter", "--net=/run/netns/ip4only", *USER)
FIREWALLS = {
    "none": "true",
    "policies that drop": "iptables -P FORWARD DROP; iptables -P INPUT DROP",
    "rules at the head": "iptables -I FORWARD -j REJECT; iptables -I INPUT -p tcp -j ACCEPT",
    "Docker": f"iptables-restore {RULES_DIRECTORY}/docker-bridge.rules; {FORWARDS}",
}

IPV6 = "import socket; socket.create_connection(('2001:db8::1', 443), 5)"


@pytest.fixture(params=KINDS)
def home(request: pytest.FixtureRequest) -> Iterator[HomeNetworkWithoutNft]:
    """Yield a home host without a namespace and without nft, with iptables of each kind in turn."""
    with HomeNetworkWithoutNft(request.param) as host:
        yield host


@pytest.fixture
def nft_home() -> Iterator[HomeNetworkWithoutNft]:
    """Yield one with iptables-nft, for what does not depend on the kind."""
    with HomeNetworkWithoutNft("nft") as host:
        yield host


def fetch(home: HomeNetworkWithoutNft, address: str) -> str:
    """Return how many bytes came to a plain user inside, or the error's last line."""
    done = home.run([*INSIDE, sys.executable, "-c", CLIENT_CODE, address], check=False)
    return (done.stdout + done.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize("firewall", FIREWALLS.values(), ids=FIREWALLS)
def test_namespace_works(home: HomeNetworkWithoutNft, firewall: str):
    """A plain user's transfer works, the host and its neighbours are protected, and teardown leaves no trace."""
    home.shell(firewall)
    before = home.snapshot()
    assert READY in home.speedmon(*SETUP).stdout
    loaded = home.save_rules()
    assert SAME in home.speedmon(*SETUP).stdout
    assert home.save_rules() == loaded
    with serve_on(home, "ip", "netns", "exec", "isp"):
        assert fetch(home, "203.0.113.1") == "1000000"
    with serve_on(home):
        assert [fetch(home, host)[-16:] for host in ("192.168.200.1", "10.50.0.1")] == ["No route to host"] * 2
    assert find_reached(home) == ""
    assert "Network is unreachable" in home.run([*INSIDE, sys.executable, "-c", IPV6], check=False).stderr
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


@pytest.mark.root
def test_ufw(home: HomeNetworkWithoutNft):
    """Beside ufw it works, a reload of ufw leaves it working, and ufw's rules are afterwards as they were."""
    home.shell("ufw --force enable; ufw reload")  # which adds some of its own
    before = home.snapshot()
    home.speedmon(*SETUP)
    home.shell("ufw reload")
    assert SAME in home.speedmon(*SETUP).stdout
    with serve_on(home, "ip", "netns", "exec", "isp"):
        assert fetch(home, "203.0.113.1") == "1000000"
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


def test_ipv6_is_dropped_and_counted(home: HomeNetworkWithoutNft):
    """Even where root enabled IPv6 again at both ends, none of it passes, and check reports how much was dropped."""
    home.speedmon(*SETUP)
    home.shell("sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.ip4only-root.disable_ipv6=0")
    home.shell(
        "ip address add 2001:db8:1::1/64 dev ip4only-root nodad; ip -n isp -6 route add default via 2001:db8::10"
    )
    inside = "ip netns exec ip4only"
    home.shell(f"{inside} sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.ip4only-ns.disable_ipv6=0")
    home.shell("ip -n ip4only address add 2001:db8:1::2/64 dev ip4only-ns nodad")
    mac = home.shell("cat /sys/class/net/ip4only-root/address").stdout.strip()
    home.shell(f"ip -n ip4only neigh replace 2001:db8:1::1 lladdr {mac} dev ip4only-ns")
    home.shell("ip -n ip4only -6 route add default via 2001:db8:1::1")
    assert home.shell(f"{inside} ping -6 -qc1 -W1 2001:db8::1", check=False).returncode == 1
    before = home.count_packets("ipv6_seen")
    lines = {line["name"]: line for line in json.loads(home.speedmon("check", "--json", check=False).stdout)}
    assert lines["firewall"]["message"].endswith("is as set up")
    text, _, reported = lines["ipv6-seen"]["message"].rpartition(" ")
    assert text == "IPv6 packets that the firewall had to drop:"
    # More may come at any time: router solicitations and multicast reports.
    assert 0 < before <= int(reported) <= home.count_packets("ipv6_seen")


def test_strangers_are_counted_by_the_guard(home: HomeNetworkWithoutNft):
    """What the ISP's network sends to the LAN would be forwarded because of us, and is dropped."""
    home.speedmon(*SETUP)
    home.shell("ip rule del priority 4900; ip netns exec isp ping -qc1 -W1 10.50.0.2", check=False)
    assert home.count_packets("not a router") == 1


def test_spoofed_source_is_dropped(home: HomeNetworkWithoutNft):
    """A packet from inside with an address that is not of the subnet does not pass."""
    home.speedmon(*SETUP)
    home.shell("ip -n ip4only address add 10.9.9.9/32 dev ip4only-ns")
    home.shell("for link in all ip4only-root; do echo 0 > /proc/sys/net/ipv4/conf/$link/rp_filter; done")
    before = home.count_packets("left_host"), home.count_packets("fwd_out")
    home.shell("ip netns exec ip4only ping -I 10.9.9.9 -qc1 -W1 203.0.113.1", check=False)
    assert home.count_packets("anti-spoof") == 1
    assert (home.count_packets("left_host"), home.count_packets("fwd_out")) == before


def test_name_server_on_the_host_is_let_through(nft_home: HomeNetworkWithoutNft):
    """It may be asked on port 53 and nothing else, also through a policy that drops."""
    nft_home.shell("iptables -P INPUT DROP; echo 'nameserver 10.50.0.1' > /etc/resolv.conf")
    nft_home.speedmon(*SETUP)
    with nft_home.popen(["python3", "-c", SERVER_CODE.replace("8080", "53")], stdout=-1) as server:
        assert server.stdout.readline() == "ready\n"
        reply = nft_home.run([*INSIDE, sys.executable, "-c", CLIENT_CODE.replace("8080", "53"), "10.50.0.1"])
        server.kill()
    assert reply.stdout == "1000000\n"


FAULTS = {
    "all flushed": "iptables -F; iptables -t nat -F; ip6tables -F",
    "jump deleted": "iptables -D FORWARD 2",
    "jump of IPv6 deleted": "ip6tables -D INPUT 1",
    "jumps turned round": "iptables -D FORWARD 1; iptables -A FORWARD -i ip4only-root -j speedmon-ip4only-out",
    "rule in our chain": "iptables -I speedmon-ip4only-out -j ACCEPT",
    "drop ahead of ours": "iptables -I FORWARD -j DROP",
    "accept ahead of ours": "iptables -I INPUT -p tcp -j ACCEPT",
    "no masquerade": "iptables -t nat -F speedmon-ip4only-nat",
    "no marks": "iptables -t mangle -F",
    "chain of an older set": "iptables -N speedmon-ip4only-old; iptables -A FORWARD -j speedmon-ip4only-old",
}

# Sets up after each fault, and prints how many steps that took and our rules afterwards.
REPAIR = """
import json, subprocess, sys
from netns import setup
from netns.spec import NamespaceSpec
saved, *faults = sys.argv[1:]
for fault in faults:
    subprocess.run(["sh", "-c", fault], check=True)
    steps = setup.set_up_namespace(NamespaceSpec(launcher=False)).steps
    lines = subprocess.run(["sh", "-c", saved], capture_output=True, text=True).stdout.splitlines()
    print(json.dumps([len(steps), [line for line in lines if "ip4only" in line]]))
"""


def test_next_call_repairs(home: HomeNetworkWithoutNft):
    """Whatever was broken by hand, one more set-up repairs it, and the rules of others stay."""
    home.speedmon(*SETUP)
    sound = [line for line in home.save_rules() if "ip4only" in line]
    output = home.python(REPAIR, SAVE_SCRIPT, *FAULTS.values(), "true").stdout.splitlines()
    assert dict(zip(FAULTS, map(json.loads, output), strict=False)) == {key: [1, sound] for key in FAULTS}
    assert json.loads(output[-1]) == [0, sound]
    assert {"-A FORWARD -j DROP", "-A INPUT -p tcp -j ACCEPT"} <= set(home.save_rules())


FLUSH_ALL = (
    "for table in filter nat mangle; do iptables -t $table -F; iptables -t $table -X; done; ip6tables -F; ip6tables -X"
)

LOOK = "from netns import inspect; from netns import spec; print(inspect.inspect_rules(spec.NamespaceSpec()).problem)"


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("iptables -I FORWARD -j LOG", "None"),
        ("iptables -I INPUT -p tcp -j ACCEPT", "RULES comes behind a rule of another program: INPUT -p tcp -j ACCEPT"),
        ("iptables -F FORWARD", "RULES was changed since set-up"),
        ("iptables -t mangle -F", "RULES was changed since set-up"),
        (FLUSH_ALL, "RULES is not loaded"),
    ],
)
def test_check_reports_what_is_wrong(nft_home: HomeNetworkWithoutNft, fault: str, problem: str):
    """A rule that was put ahead of ours is named, unless it lets packets go on to ours."""
    nft_home.speedmon(*SETUP)
    nft_home.shell(fault)
    output = nft_home.python(LOOK).stdout.strip()
    assert output == problem.replace("RULES", "the set of chains speedmon-ip4only-* in iptables-nft")


def test_namespaces_stand_side_by_side(home: HomeNetworkWithoutNft):
    """Neither set-up disturbs the other, and the removal of one leaves the rules of the other."""
    home.speedmon(*SETUP)
    first = home.save_rules()
    second = ("--name", "wan2", "--subnet", "192.168.201.0/24")
    home.speedmon(*SETUP, *second)
    assert SAME in home.speedmon(*SETUP).stdout
    assert SAME in home.speedmon(*SETUP, *second).stdout
    assert home.shell("ip netns exec wan2 ping -qc1 -W5 203.0.113.1").returncode == 0
    home.speedmon("teardown-netns", "--name", "wan2")
    assert home.save_rules() == first


@pytest.mark.root
def test_other_kind_of_iptables_is_opened(both_home: HomeNetworkWithoutNft):
    """Where the other kind is in use and drops, the namespace gets the tagged pair there, which teardown removes."""
    both_home.shell("iptables-legacy -P FORWARD DROP; iptables -P FORWARD DROP")
    before = both_home.snapshot()
    both_home.speedmon(*SETUP)
    assert both_home.shell("iptables-legacy -S FORWARD").stdout.count("speedmon:ip4only") == 2
    with serve_on(both_home, "ip", "netns", "exec", "isp"):
        assert fetch(both_home, "203.0.113.1") == "1000000"
    both_home.speedmon("teardown-netns")
    assert both_home.snapshot() == before


@pytest.fixture
def both_home() -> Iterator[HomeNetworkWithoutNft]:
    """Yield a home host with both kinds of iptables, of which `iptables` is that on nftables, and without nft."""
    with HomeNetworkWithoutNft("nft", both=True) as host:
        yield host


@pytest.mark.root
def test_rules_move_when_iptables_changes_its_kind(both_home: HomeNetworkWithoutNft):
    """Rules of ours in the kind that is no longer in use are removed."""
    both_home.speedmon(*SETUP)
    alternative = "ln -sf /usr/sbin/iptables-legacy$what /etc/alternatives/iptables$what"
    both_home.shell(f"for what in '' -save -restore; do {alternative}; done")
    assert READY in both_home.speedmon(*SETUP).stdout
    assert "speedmon" not in both_home.shell("iptables-nft-save").stdout
    assert "speedmon-ip4only-out" in both_home.shell("iptables-legacy-save").stdout


def test_nft_takes_over_when_it_is_installed(nft_home: HomeNetworkWithoutNft):
    """Set-up moves the rules into a table of their own; without nft again, one line says what to do."""
    before = nft_home.save_rules()
    nft_home.speedmon(*SETUP)
    nft_home.shell("umount /usr/sbin/nft")
    assert READY in nft_home.speedmon(*SETUP).stdout
    assert SAME in nft_home.speedmon(*SETUP).stdout
    assert nft_home.save_rules() == before
    nft_home.shell("mount --bind /run/hidden /usr/sbin/nft")
    for command in (SETUP, ("teardown-netns",)):
        failed = nft_home.speedmon(*command, check=False)
        assert (failed.returncode, failed.stderr.count("\n")) == (5, 1)
        assert "table inet speedmon, but nft is no longer installed: apt install nftables" in failed.stderr


def test_neither_is_installed(nft_home: HomeNetworkWithoutNft):
    """One line names both programs and the fix, and nothing is changed."""
    nft_home.shell("mount --bind /run/hidden /usr/sbin/xtables-nft-multi")
    failed = nft_home.speedmon(*SETUP, check=False)
    assert (failed.returncode, failed.stdout) == (5, "")
    assert failed.stderr == (
        "speedmon: neither nft nor iptables is installed, but NAT needs one of them: apt install nftables\n"
    )


def test_missing_ip6tables_is_reported(nft_home: HomeNetworkWithoutNft):
    """Without it everything else is set up, and a note says what is missing."""
    for what in ("save", "restore"):
        nft_home.shell(f"ln -sf /run/hidden /etc/alternatives/ip6tables-{what}")
    nft_home.shell(
        "mkdir /run/sbin; cp -a /usr/sbin/. /run/sbin; rm /run/sbin/ip6tables-nft*; mount --bind /run/sbin /usr/sbin"
    )
    done = nft_home.speedmon(*SETUP)
    assert "note: no ip6tables: IPv6 is disabled in ip4only" in done.stderr
    assert SAME in nft_home.speedmon(*SETUP).stdout


def test_drop_that_is_out_of_reach_is_named(home: HomeNetworkWithoutNft):
    """A rule ahead of ours that drops is reported with the command to type, which helps; the machine is as before."""
    home.shell("iptables -t mangle -A FORWARD -s 192.168.0.0/16 -j DROP")
    before = home.snapshot()
    failed = home.speedmon(*SETUP, "-q", check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (5, 1)
    # In legacy tables the counters identify the rule; in the others the first possible rule is named.
    assert "-t mangle" in failed.stderr
    assert "-A FORWARD -s 192.168.0.0/16 -j DROP" in failed.stderr
    assert home.snapshot() == before
    home.shell(failed.stderr.partition("run: ")[2].partition(";")[0])
    assert READY in home.speedmon(*SETUP).stdout


# Dies before the n-th table is changed.
DIE = """
import os, signal, sys
from netns import setup
from netns.spec import NamespaceSpec
left = int(sys.argv[2])
def hear(event, arguments):
    global left
    if event == "subprocess.Popen" and str(arguments[0]).endswith("-restore"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hear)
action = {"setup": setup.set_up_namespace, "teardown": setup.tear_down_namespace}[sys.argv[1]]
action(NamespaceSpec(launcher=False))
"""


def test_kill_between_two_tables_is_repaired(home: HomeNetworkWithoutNft):
    """Wherever a set-up or teardown was killed, the next set-up makes the rules sound; teardown leaves no trace."""
    before = home.snapshot()
    home.speedmon(*SETUP)
    sound = home.save_rules()
    assert home.python(DIE, "teardown", "1", check=False).returncode == -9
    assert READY in home.speedmon(*SETUP).stdout
    assert home.save_rules() == sound
    home.speedmon("teardown-netns")
    assert home.python(DIE, "setup", "2", check=False).returncode == -9
    assert READY in home.speedmon(*SETUP).stdout
    assert home.save_rules() == sound
    home.speedmon("teardown-netns")
    assert home.python(DIE, "setup", "1", check=False).returncode == -9
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


def test_dry_run_prints_what_would_be_loaded(nft_home: HomeNetworkWithoutNft):
    """The rules are printed as a script, which does the same when it is run."""
    script = nft_home.speedmon(*SETUP, "--dry-run").stdout
    nft_home.speedmon(*SETUP)
    loaded = nft_home.save_rules()
    nft_home.shell(FLUSH_ALL)
    nft_home.shell("iptables" + script.partition("\niptables")[2].partition("\nip route add unreachable")[0])
    assert nft_home.save_rules() == loaded


def test_what_the_documentation_says_removes_them(home: HomeNetworkWithoutNft):
    """The script for doing it by hand leaves nothing of ours."""
    before = home.save_rules()
    home.speedmon(*SETUP)
    output = DOCUMENT.read_text().partition("<!-- chains by hand -->\n```bash\n")[2]
    home.shell(output.partition("```")[0])
    assert home.save_rules() == before
