"""`speedmon check` on a real network: sound, broken in every way, under router advertisements, and on a dead line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from home_network import SPEEDMON
from home_network_with_services import HOST, NAME_SERVER, HomeNetworkWithServices
from namespace_faults import FAULTS
from router_advertisement import ADVERTISE_CODE, COUNT_RECEIVED_COMMAND, ENABLE_IPV6_COMMAND
from waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.check.model import CheckResult

FIX = "run: sudo speedmon setup-netns"


@pytest.fixture
def home() -> Iterator[HomeNetworkWithServices]:
    """Yield a home host whose ISP answers, without a namespace."""
    with HomeNetworkWithServices() as host:
        yield host


def failing(lines: dict[str, CheckResult]) -> set[str]:
    """Return the names of the lines that make the exit code 5."""
    return {line.name for line in lines.values() if line.fails}


def uncounted(snapshot: list[str]) -> list[str]:
    """Return a snapshot without what the counters of the rules have counted."""
    return [re.sub(r"packets \d+ bytes \d+|\[\d+:\d+\]", "", line) for line in snapshot]


def test_all_is_well(home: HomeNetworkWithServices):
    """After set-up every line is ok, but for a clock that nothing keeps, which does not matter."""
    home.set_up()
    code, lines = home.lines()
    assert code == 0
    assert {line.name for line in lines.values() if line.ok is not True} <= {"clock-kept"}
    assert lines["forwarding"].message.startswith("both ways: 203.0.113.1:443")
    assert lines["ipv6"].message.startswith("no address, no route, connect fails at once (ENETUNREACH")
    assert lines["ipv6-seen"].message.endswith(": 0")


def test_it_changes_nothing(home: HomeNetworkWithServices):
    """The machine is the same before and after, files and rules included."""
    home.set_up()
    before = uncounted(home.snapshot())
    home.check()
    assert uncounted(home.snapshot()) == before


def test_without_a_namespace_it_says_how_to_get_one(home: HomeNetworkWithServices):
    """Before set-up, one line of the namespace fails and the rest of the machine is judged all the same."""
    code, lines = home.lines()
    assert (code, failing(lines)) == (5, {"namespace"})
    assert lines["namespace"].fix == FIX
    assert {"engine", "licence", "clock", "disk", "database"} <= lines.keys()


# What only set-up and teardown go by: no test is the worse for it.
HARMLESS = {"host end has lost its mark"}
HARMFUL = {name: fault for name, fault in FAULTS.items() if name not in HARMLESS}


@pytest.mark.parametrize("fault", HARMFUL.values(), ids=HARMFUL)
def test_each_fault_is_noticed(home: HomeNetworkWithServices, fault: str):
    """Whatever was broken by hand, the exit code is 5, and a line names the fix."""
    home.set_up()
    home.shell(fault)
    code, lines = home.lines()
    assert code == 5
    assert FIX in {line.fix for line in lines.values() if line.fails}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_spoils_no_test_does_not_fail(home: HomeNetworkWithServices, name: str):
    """A missing mark of ours is for set-up to fix; a test is as good without it."""
    home.set_up()
    home.shell(FAULTS[name])
    assert home.lines()[0] == 0


def test_repaired_a_moment_ago_passes(home: HomeNetworkWithServices):
    """A neighbour that the last check could not reach does not make the next one fail."""
    home.set_up()
    home.shell("ip link set ip4only-root down")
    assert home.lines()[0] == 5
    home.set_up()
    assert home.lines()[0] == 0


def test_router_advertisement_changes_nothing_inside(home: HomeNetworkWithServices):
    """One that offers a neighbour as a router reaches the namespace's link as well, and has no effect there."""
    home.set_up()
    before = int(home.shell(COUNT_RECEIVED_COMMAND).stdout)
    for link in ("ip4only-root", "eth1"):
        home.shell(ENABLE_IPV6_COMMAND.format(link))
        home.python(ADVERTISE_CODE, link)
    until(lambda: "proto ra" in home.shell("ip -n lan -6 route show default").stdout)
    assert int(home.shell(COUNT_RECEIVED_COMMAND).stdout) > before
    home.shell("sysctl -qw net.ipv6.conf.ip4only-root.disable_ipv6=1")
    code, lines = home.lines()
    assert (code, lines["ipv6"].ok) == (0, True)
    seen = home.shell("ip -n ip4only -6 -o address; ip -n ip4only -6 route show table all").stdout
    assert all("::1" in line and "lo" in line for line in seen.splitlines())


def test_ipv6_inside_is_counted_and_kept_in(home: HomeNetworkWithServices):
    """Where root inside switches IPv6 on, the line says what is open, and what the firewall dropped is shown."""
    home.set_up()
    home.shell("sysctl -qw net.ipv6.conf.ip4only-root.disable_ipv6=0; ip address add fe80::1/64 dev ip4only-root nodad")
    home.shell("ip netns exec ip4only sysctl -qw net.ipv6.conf.ip4only-ns.disable_ipv6=0")
    home.shell("ip -n ip4only address add fe80::2/64 dev ip4only-ns nodad")
    home.shell("ip netns exec ip4only ping -c1 -W1 fe80::1%ip4only-ns", check=False)
    code, lines = home.lines()
    assert (code, lines["ipv6"].ok, lines["ipv6-seen"].ok) == (5, False, False)
    assert lines["ipv6"].message.startswith("IPv6 is switched on for ip4only-ns; address fe80::")


def test_dead_line_is_distinguished_from_a_broken_namespace(home: HomeNetworkWithServices):
    """When the ISP is gone, the host gets no answer either, which distinguishes it from a firewall."""
    home.set_up()
    home.shell("ip -n isp link set far down")
    code, lines = home.lines()
    assert (code, failing(lines)) == (5, {"forwarding", "dns"})
    assert lines["forwarding"].message.startswith("the host does not reach them either, so the line is down")
    assert lines["dns"].fix == "see forwarding first"


def test_another_firewall_is_distinguished_from_the_line(home: HomeNetworkWithServices):
    """Where the host gets through and the namespace does not, our counters and the rule that drops it show why."""
    home.set_up()
    home.shell("iptables -P FORWARD DROP")
    code, lines = home.lines()
    assert (code, failing(lines)) == (5, {"beside", "forwarding", "dns"})
    assert lines["beside"].message == "ip filter FORWARD drops packets from ip4only (policy drop)"
    assert lines["beside"].fix == FIX
    assert lines["forwarding"].message.startswith("another firewall on this host drops what the namespace sends")


def test_missing_opening_is_reported(home: HomeNetworkWithServices):
    """A firewall that our rules lead through is named; without them, so is what set-up would do there."""
    home.shell("iptables -P FORWARD DROP")
    home.set_up()
    assert home.lines()[1]["beside"].message.endswith("left this host, past iptables-nft FORWARD")
    home.shell("iptables -D FORWARD 2; iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT")
    code, lines = home.lines()
    assert (code, lines["beside"].ok, lines["beside"].fix) == (0, False, FIX)
    assert "iptables-nft -I FORWARD 1 -i ip4only-root" in lines["beside"].message


def test_route_of_ipv6_that_root_adds_later_is_found(home: HomeNetworkWithServices):
    """IPv6 that is switched on again inside, with no more than a route, is noticed."""
    home.set_up()
    home.shell("ip netns exec ip4only sysctl -qw net.ipv6.conf.ip4only-ns.disable_ipv6=0")
    home.shell("ip -n ip4only -6 route add default dev ip4only-ns")
    code, lines = home.lines()
    assert (code, failing(lines)) == (5, {"ipv6"})
    assert "route ::/0 dev ip4only-ns" in lines["ipv6"].message


def test_dropped_replies_are_reported(home: HomeNetworkWithServices):
    """A firewall that drops replies is distinguished from one that drops outgoing packets."""
    home.set_up()
    home.shell("iptables -A FORWARD -o ip4only-root -j DROP")
    assert home.lines()[1]["forwarding"].message.startswith(
        "packets leave this host, but no reply comes back through it"
    )


@pytest.mark.parametrize(
    ("servers", "name", "expected"),
    [
        (NAME_SERVER, "www.speedtest.net", (0, True, True, f"{NAME_SERVER} in ")),
        (f"{NAME_SERVER},203.0.113.54", "www.speedtest.net", (0, False, False, "203.0.113.54 E")),
        ("203.0.113.54", "www.speedtest.net", (5, False, True, "203.0.113.54 E")),
        ("203.0.113.1", "www.speedtest.net", (5, False, True, "203.0.113.1 ECONNREFUSED")),
        (NAME_SERVER, "nowhere.invalid", (5, False, True, f"{NAME_SERVER} NXDOMAIN")),
    ],
)
def test_every_name_server_is_asked(
    home: HomeNetworkWithServices, servers: str, name: str, expected: tuple[int, bool, bool, str]
):
    """One that answers is enough; the others are reported, and it matters if none answers, to set-up too."""
    options = [word for server in servers.split(",") for word in ("--dns", server)]
    done = home.speedmon("setup-netns", "--no-launcher", *options, check=False)
    assert done.returncode == (0 if NAME_SERVER in servers else 5)
    code, lines = home.lines(NAMESPACE__DNS=servers, CHECK__NAME=name)
    assert (code, lines["dns"].ok, lines["dns"].matters) == expected[:3]
    assert expected[3] in lines["dns"].message


def test_one_host_that_answers_proves_the_way(home: HomeNetworkWithServices):
    """A second host that is down is reported and proves nothing."""
    home.set_up()
    code, lines = home.lines(CHECK__HOSTS="203.0.113.1:443,203.0.113.1:444")
    assert (code, lines["forwarding"].ok) == (0, True)
    assert "203.0.113.1:444 ECONNREFUSED" in lines["forwarding"].message


def test_ping_that_a_firewall_drops_harms_nobody(home: HomeNetworkWithServices):
    """A host that does not answer pings is reported, and tests are trusted all the same."""
    home.set_up()
    home.shell("iptables -A INPUT -p icmp -j DROP")
    code, lines = home.lines()
    assert (code, lines["gateway"].ok, lines["gateway"].matters) == (0, False, False)


def test_from_inside_the_host_is_not_judged(home: HomeNetworkWithServices):
    """A caller who is in the namespace already gets the lines that can be judged from there."""
    home.set_up()
    done = home.speedmon("exec", "--", "env", f"SPEEDMON_CHECK__HOSTS={HOST}", SPEEDMON, "check")
    assert "both ways" in done.stdout
    assert "host-link" not in done.stdout


def test_tests_outside_of_the_namespace_do_not_need_it(home: HomeNetworkWithServices):
    """With collect.path = "host" a missing namespace is reported and does not matter."""
    code, lines = home.lines(COLLECT__PATH="host")
    assert (code, lines["namespace"].ok, lines["namespace"].matters) == (0, False, False)


@pytest.mark.root
def test_member_of_the_group_sees_all_but_the_rules(home: HomeNetworkWithServices):
    """A plain user of the group proves everything from inside; what only root may look at is unknown."""
    home.add_user("ann", 4001)
    home.set_up("--user", "ann")
    code, lines = home.lines(user="ann")
    assert code == 0
    assert {line.name for line in lines.values() if line.ok is None} == {"firewall", "beside", "ipv6-seen"}
    assert lines["launcher"].message.endswith("belongs to root and the group speedmon, and has cap_sys_admin")
    assert lines["forwarding"].ok


@pytest.mark.root
def test_who_is_not_in_the_group_learns_how_to_enter(home: HomeNetworkWithServices):
    """Other users learn what to type, and the host's side is judged."""
    home.add_user("bob", 4002)
    home.set_up("--user", "root")
    code, lines = home.lines(user="bob")
    assert (code, failing(lines)) == (5, {"launcher"})
    assert lines["launcher"].fix.startswith(f"{FIX} --user NAME, then log in again; other ways that work here: ")
    assert (lines["host-link"].ok, "forwarding" in lines) == (True, False)


@pytest.mark.root
@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("cp {0} /run/copy; cat /run/copy > {0}", "has lost its capability"),
        ("chmod 755 {0}", "does not have mode 0750"),
        ("chown ann {0}; setcap cap_sys_admin+ep {0}", "does not belong to root"),
    ],
)
def test_launcher_that_is_not_as_it_should_be(home: HomeNetworkWithServices, fault: str, problem: str):
    """Owner, mode and capability are judged, whoever asks."""
    home.add_user("ann", 4001)
    home.set_up("--user", "ann")
    home.shell(fault.format("/usr/local/bin/ip4only"))
    code, lines = home.lines()
    assert (code, failing(lines), lines["launcher"].fix) == (5, {"launcher"}, FIX)
    assert problem in lines["launcher"].message


def test_foreign_program_in_the_place_of_the_launcher(home: HomeNetworkWithServices):
    """Root does without, so it is a warning, and the fix is to move it away."""
    home.set_up()
    home.shell("cp /bin/true /usr/local/bin/ip4only")
    code, lines = home.lines()
    assert (code, lines["launcher"].ok, lines["launcher"].fix) == (0, False, f"move it away, then {FIX}")
