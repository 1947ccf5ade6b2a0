"""What `speedmon check` concludes from what it observed: every judgement that needs no network."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.check import checks, run
from monitor.check.model import ObservedDatabase, ObservedMachine, ObservedNamespace
from monitor.engines.base import EngineLocation
from monitor.model import Failure, FailureKind, Scope
from netns.inspect import HostSide, OtherFirewalls, RulesStatus
from netns.launcher.install import LauncherState
from netns.probe.findings import Findings, InnerLink, ProbeAnswer, ProcRoute
from netns.spec import NamespaceSpec

SET_UP = "run: sudo speedmon setup-netns"

NOW = datetime(2026, 11, 23, 13, 17, 3, tzinfo=UTC)

FILE = Path("/var/lib/speedmon/speedmon.db")

SOUND = ObservedMachine(
    engine="ookla",
    located=EngineLocation(("/usr/bin/speedtest",), "1.2.0"),
    licence=None,
    now=NOW,
    synchronised=True,
    folder=FILE.parent,
    free_bytes=10**9,
    database=ObservedDatabase(FILE, version="0001", current="0001", last_start=NOW - timedelta(hours=1)),
)

REFUSED = ProbeAnswer("2001:db8::1", "EADDRNOTAVAIL", 0.1)

INSIDE = Findings(
    links=(InnerLink("lo", up=True, mtu=65536), InnerLink("ip4only-ns", up=True, mtu=1500)),
    addresses=("192.168.200.2",),
    routes=(ProcRoute("0.0.0.0/0", "192.168.200.1", "ip4only-ns"),),
    ipv6=REFUSED,
    gateway=ProbeAnswer("192.168.200.1"),
    servers=(ProbeAnswer("192.0.2.53"),),
    hosts=(ProbeAnswer("1.1.1.1:443"), ProbeAnswer("9.9.9.9:443")),
)

RULES = RulesStatus(None, {"ipv6_seen": 0, "fwd_out": 5, "left_host": 5})

NAMESPACE = ObservedNamespace(
    spec=NamespaceSpec(),
    privileged=True,
    launcher=LauncherState(*[True] * 6),
    outside=HostSide(mtus={"ip4only-root": 1500}),
    before=RULES,
    after=RULES,
    beside=OtherFirewalls(),
    findings=INSIDE,
)


def database(**observed: Any) -> ObservedMachine:
    """Return the sound machine with another database."""
    return dataclasses.replace(SOUND, database=ObservedDatabase(FILE, **observed))


def make_observed(**other: Any) -> ObservedNamespace:
    """Return the sound namespace with other findings."""
    return dataclasses.replace(NAMESPACE, findings=dataclasses.replace(INSIDE, **other))


def failed(kind: FailureKind, message: str) -> Failure:
    """Return why an engine cannot be started."""
    return Failure(kind, Scope.CONFIG, "start", message)


def test_sound_machine_is_ok_in_every_line():
    """Nothing to fix."""
    assert {(line.ok, line.fix) for line in run.judge_machine(SOUND)} == {(True, None)}


def test_names_are_unique():
    """Programs know a line by its name, so each has its own, and it is one word."""
    names = [line.name for line in (*run.judge_namespace(NAMESPACE), *run.judge_machine(SOUND))]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() for name in names)


@pytest.mark.parametrize(
    ("last", "now", "words"),
    [
        (NOW + timedelta(minutes=1), NOW, None),
        (None, NOW, None),
        (NOW + timedelta(hours=2), NOW, "the newest run started at 2026-11-23 15:17:03 UTC, which is in the future"),
        (None, datetime(1970, 1, 1, tzinfo=UTC), "it cannot be 1970-01-01: this release is newer"),
    ],
)
def test_clock(last: datetime | None, now: datetime, words: str | None):
    """It is wrong before this release, and before what was recorded; a minute of correction is none of it."""
    line = checks.check_clock(dataclasses.replace(database(last_start=last), now=now))
    assert (line.fails, line.message if words else None) == (words is not None, words)


@pytest.mark.parametrize(("synchronised", "ok"), [(True, True), (False, False), (None, None)])
def test_clock_that_nothing_keeps_is_a_warning(synchronised: bool | None, ok: bool | None):
    """It is reported, and does not matter."""
    line = checks.check_clock_synchronised(dataclasses.replace(SOUND, synchronised=synchronised))
    assert (line.ok, line.fails) == (ok, False)


@pytest.mark.parametrize(("mib", "ok"), [(50, True), (49, False)])
def test_room_on_the_disk(mib: int, ok: bool):
    """Fifty MiB are enough."""
    line = checks.check_disk(dataclasses.replace(SOUND, free_bytes=mib * 1024**2))
    assert (line.ok, f"{mib} MiB free in /var/lib/speedmon" in line.message) == (ok, True)


@pytest.mark.parametrize(
    ("observed", "ok", "words"),
    [
        ({"version": "0001", "current": "0001"}, True, "can be written, schema 0001"),
        ({}, True, "will be created by the first run"),
        ({"version": "0001", "current": "0002"}, True, "which the next run upgrades to 0002"),
        ({"version": "0003", "current": "0002"}, False, "newer than this release"),
        ({"problem": "is a directory", "fix": "fix it"}, False, "is a directory"),
    ],
)
def test_database(observed: dict[str, str], ok: bool, words: str):
    """Writable and current, or about to be made current."""
    line = checks.check_database(database(**observed))
    assert (line.ok, words in line.message) == (ok, True)


def test_database_elsewhere_is_unknown():
    """A server's database is not asked, for the line may be down now."""
    assert checks.check_database(dataclasses.replace(SOUND, database=ObservedDatabase())).ok is None


def test_wrong_program_has_its_own_fix():
    """The engine's own words are parted into what is wrong and what to do."""
    wrong = EngineLocation(failure=failed(FailureKind.WRONG_BINARY, "/x is not Ookla's but 'y': set ookla.binary"))
    line = checks.check_engine(dataclasses.replace(SOUND, located=wrong))
    assert (line.ok, line.message, line.fix) == (False, "ookla: /x is not Ookla's but 'y'", "set ookla.binary")


def test_licence_that_is_not_accepted():
    """A test would not be started, which matters."""
    line = checks.check_licence(
        dataclasses.replace(SOUND, licence=failed(FailureKind.LICENCE, "not accepted: read it"))
    )
    assert (line.fails, line.message, line.fix) == (True, "not accepted", "read it")


def test_sound_namespace_is_well_inside():
    """Every line about the inside is ok."""
    lines = [
        judge(NAMESPACE)
        for judge in (
            checks.check_inner_link,
            checks.check_addresses,
            checks.check_route,
            checks.check_ipv6,
            checks.check_dns,
        )
    ]
    assert all(line and line.ok for line in lines)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"ipv6_open": ("all", "lo")}, "IPv6 is switched on for all"),
        ({"ipv6_addresses": ("fe80::1%ip4only-ns",)}, "address fe80::1%ip4only-ns"),
        ({"ipv6_routes": ("::/0 dev ip4only-ns",)}, "route ::/0 dev ip4only-ns"),
        ({"ipv6": ProbeAnswer("2001:db8::1", None, 0.1)}, "a connection over IPv6 was attempted"),
    ],
)
def test_each_sign_of_ipv6_is_enough(other: dict[str, Any], words: str):
    """One of them, and the namespace is not IPv4-only."""
    line = checks.check_ipv6(make_observed(**other))
    assert line
    assert (line.fails, line.message) == (True, words)


@pytest.mark.parametrize(
    ("judge", "other", "words"),
    [
        (checks.check_inner_link, {"links": ()}, "lo is missing; ip4only-ns is missing"),
        (
            checks.check_inner_link,
            {"links": (InnerLink("lo", up=False, mtu=1), InnerLink("ip4only-ns", up=True, mtu=1400))},
            "lo is down; MTU 1400 of ip4only-ns is not the 1500 of its other end",
        ),
        (checks.check_addresses, {"addresses": ()}, "inside has no IPv4 address, where"),
        (
            checks.check_addresses,
            {"addresses": ("10.0.0.1", "192.168.200.2")},
            "inside has 10.0.0.1, 192.168.200.2, where",
        ),
        (checks.check_route, {"routes": ()}, "no default route"),
        (checks.check_route, {"routes": (ProcRoute("0.0.0.0/0", None, "tun0"),)}, "default via nobody dev tun0"),
        (checks.check_dns, {"servers": ()}, "no name server in /etc/resolv.conf inside"),
    ],
)
def test_what_is_wrong_inside_is_named(judge: Any, other: dict[str, Any], words: str):
    """Each message says what was observed."""
    line = judge(make_observed(**other))
    assert (line.fails, line.message.startswith(words), bool(line.fix)) == (True, True, True)


DOWN = (ProbeAnswer("1.1.1.1:443", "ETIMEDOUT"),)


@pytest.mark.parametrize(
    ("direct", "counted", "words"),
    [
        (DOWN, (9, 9), "the host does not reach them either"),
        ((ProbeAnswer("1.1.1.1:443"),), (9, 5), "another firewall on this host drops"),
        ((ProbeAnswer("1.1.1.1:443"),), (9, 9), "packets leave this host, but no reply"),
        ((ProbeAnswer("1.1.1.1:443"),), (5, 5), "nothing comes through from inside"),
        ((ProbeAnswer("1.1.1.1:443"),), None, "nothing comes through from inside"),
    ],
)
def test_where_packets_are_lost(direct: tuple[ProbeAnswer, ...], counted: tuple[int, int] | None, words: str):
    """The host's own attempt and our counters tell the line from a firewall."""
    after = RulesStatus(None, dict(zip(("fwd_out", "left_host"), counted, strict=True))) if counted else None
    line = checks.check_forwarding(dataclasses.replace(make_observed(hosts=DOWN), direct=direct, after=after))
    assert line
    assert (line.fails, line.message.startswith(words)) == (True, True)


@pytest.mark.parametrize(
    ("flaw", "words", "matters"),
    [
        ("current", "was built by another release", False),
        ("owner_ok", "does not belong to root", True),
        ("mode_ok", "does not have mode 0750", True),
        ("capability_ok", "has lost its capability", True),
    ],
)
def test_launcher(flaw: str, words: str, matters: bool):
    """One of another release still works; any other flaw matters."""
    state = msgspec.structs.replace(NAMESPACE.launcher, **{flaw: False})
    line = checks.check_launcher(dataclasses.replace(NAMESPACE, launcher=state))
    assert (line.ok, line.matters, words in line.message) == (False, matters, True)


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (OtherFirewalls(), (True, "a packet from inside left this host", None)),
        (OtherFirewalls(("nft inet x f",)), (True, "a packet from inside left this host, past nft inet x f", None)),
        (
            OtherFirewalls(("nft x",), ("nft insert",)),
            (False, "a packet from inside left this host, past nft x, but", SET_UP),
        ),
        (OtherFirewalls(("nft x",), ("nft insert",), "x drops it; run: fix"), (False, "x drops it", SET_UP)),
        (OtherFirewalls(("nft x",), (), "x drops it; run: fix"), (False, "x drops it", "run: fix")),
    ],
)
def test_other_firewalls(observed: OtherFirewalls, expected: tuple[bool, str, str | None]):
    """What set-up would fix is reported, and what it cannot with its own fix; only a lost packet matters."""
    line = checks.check_other_firewalls(dataclasses.replace(NAMESPACE, beside=observed))
    assert line
    assert (line.ok, line.message.startswith(expected[1]), line.fix) == (expected[0], True, expected[2])
    assert line.fails == bool(observed.blocked)


def test_diagnosis_that_failed_is_reported():
    """When it could not run, the namespace's line says why, and nothing is said of the inside."""
    observed = dataclasses.replace(NAMESPACE, findings=None, no_findings="the diagnosis inside did not end within 10 s")
    lines = {line.name: line for line in run.judge_namespace(observed)}
    assert lines["namespace"].message == "the diagnosis inside did not end within 10 s"
    assert "ipv6" not in lines


@pytest.mark.parametrize(("uplink", "says_so"), [(None, True), ("eth0", False)])
def test_no_fix_goes_in_a_circle(uplink: str | None, says_so: bool):
    """Without a default route set-up would only say so: the fix is to connect the machine first."""
    outside = dataclasses.replace(NAMESPACE.outside, uplink=uplink)
    missing = dataclasses.replace(NAMESPACE, dead="/run/netns/ip4only does not exist", outside=outside, findings=None)
    for line in (checks.check_namespace(missing), checks.check_host_link(dataclasses.replace(missing, dead=None))):
        assert line is not None
        assert ("no IPv4 default route" in line.message) is says_so
        assert ((line.fix or "").startswith("connect this machine")) is says_so
