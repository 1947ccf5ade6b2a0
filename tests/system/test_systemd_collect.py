"""The way by systemd, with a real one: the units measure inside, and report, without any capability."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest
from home_network import SPEEDMON
from places import ROOT, SUPPORT
from recordings import read_recording
from systemd_machine import UNITS, SystemdMachine
from waiting import until

from monitor.install import units
from monitor.install.model import SchedulerKind

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

STAND_IN = SUPPORT / "ookla_stand_in.py"

STREAM = read_recording("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl").decode()

UNIT, REPORT = "speedmon-collect.service", "speedmon-report.service"
WWW = "/var/lib/speedmon/www"

# The checkout, which the unit may hide, for it expects an installed speedmon; and where the stand-in notes its starts.
HERE = f"""
[Service]
ProtectHome=tmpfs
ReadWritePaths=/run/engine
BindReadOnlyPaths={ROOT} {sys.prefix} {sys.base_prefix}
"""

BUILD = f"""
set -e
install -d -m 777 /run/engine; mkdir /etc/speedmon
printf '[collect]\\nengine = "ookla"\\n[ookla]\\nbinary = "/run/engine/speedtest"\\naccept_license = true\\n' \
    >/etc/speedmon/config.toml
mkdir {UNITS}/{UNIT}.d {UNITS}/{REPORT}.d {UNITS}/{units.UNABLE}.d {UNITS}/{units.NETNS}.d \
    {UNITS}/{units.NOTIFY}.d
"""

LOOK = "StandardOutput=file:/run/output\nExecStart=\nExecStart=/bin/cat /proc/self/status /etc/resolv.conf\n"


@pytest.fixture(scope="module")
def host() -> Iterator[SystemdMachine]:
    """Yield a home host with systemd, the namespace, the user speedmon and the units."""
    with SystemdMachine() as booted:
        booted.add_user("speedmon", 4003)
        booted.shell(BUILD)
        shutil.copy(STAND_IN, booted.path("/run/engine/speedtest"))
        booted.path("/run/engine/script.json").write_text(json.dumps({"stdout": STREAM}))
        booted.write_units()
        assert booted.within(SPEEDMON, "setup-netns", "-q", "--no-launcher").stderr == ""
        yield booted


def drop_in(host: SystemdMachine, lines: str = "", unit: str = UNIT) -> None:
    """Give a unit the checkout, and further lines."""
    host.path(f"{UNITS}/{unit}.d/test.conf").write_text(f"{HERE}{lines}")


def last_run(host: SystemdMachine) -> dict[str, object]:
    """Return the newest stored run."""
    environ = {"STATE_DIRECTORY": "/var/lib/speedmon", "PATH": "/usr/bin:/bin"}
    runs: list[dict[str, object]] = json.loads(host.run([SPEEDMON, "history", "--json"], env=environ).stdout)
    return runs[0]


def test_the_unit_measures(host: SystemdMachine):
    """The unit as it is runs a test as its own user, in the namespace, and keeps it in that user's database."""
    drop_in(host)
    assert host.start(UNIT) == "success", host.within("systemctl", "status", UNIT).stdout
    assert (last_run(host)["status"], last_run(host)["path"]) == ("ok", "ip4only")
    assert host.shell("stat -c %U /var/lib/speedmon/speedmon.db").stdout == "speedmon\n"


def test_the_command_inside_has_nothing(host: SystemdMachine):
    """No capability, not even in the bounding set, no means to gain one; the namespace's network and name server."""
    drop_in(host, LOOK)
    assert host.start(UNIT) == "success"
    output = host.path("/run/output").read_text()
    assert re.findall(r"Cap(?:Inh|Prm|Eff|Bnd|Amb):\t(\w+)", output) == ["0" * 16] * 5
    assert "NoNewPrivs:\t1\n" in output
    assert "nameserver 203.0.113.53\noptions no-aaaa\n" in output


def test_messages_leave_by_the_network_of_the_host(host: SystemdMachine):
    """After a test, systemd starts what sends them outside of the namespace: there is the host's own interface."""
    drop_in(host)
    output = host.path("/run/interfaces")
    drop_in(
        host, "StandardOutput=file:/run/interfaces\nExecStart=\nExecStart=/bin/cat /proc/self/net/dev\n", units.NOTIFY
    )
    assert host.start(UNIT) == "success"
    until(lambda: output.exists() and "eth0:" in output.read_text())


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("BindReadOnlyPaths=\n" + HERE, "the name servers are the host's (BindReadOnlyPaths=/etc/netns/ip4only/resolv"),
        (
            "NetworkNamespacePath=\n",
            "that work here: a systemd service with NetworkNamespacePath=/run/netns/ip4only",
        ),
    ],
)
def test_a_line_left_out_is_noticed(host: SystemdMachine, lines: str, reason: str):
    """A unit that lacks a part of the entry measures nothing; the stored run says which part."""
    drop_in(host, lines)
    host.start(UNIT)
    assert reason in json.dumps(last_run(host)["failure"])


def test_the_report_is_written_for_a_web_server(host: SystemdMachine):
    """Pictures of every kind and the report, under fixed names, owned by its user and readable by all."""
    drop_in(host)
    host.start(UNIT)
    drop_in(host, unit=REPORT)
    assert host.start(REPORT) == "success", host.within("systemctl", "status", REPORT).stdout
    names = host.shell(f"ls -A {WWW}").stdout.split()
    assert {"latest-30d.png", "latest-30d-heatmap.png", "latest-30d-report.html", "latest-30d-report.pdf"} <= {*names}
    assert set(host.shell(f"stat -c %U:%a {WWW}/*").stdout.split()) == {"speedmon:644"}
    hashed = host.shell(f"sha256sum <{WWW}/latest-30d-report.csv").stdout.split()[0]
    assert hashed in host.path(f"{WWW}/latest-30d-report.html").read_text()


@pytest.mark.parametrize("scheduler", [SchedulerKind.SERVE, SchedulerKind.TIMER])
def test_systemd_knows_every_line(host: SystemdMachine, scheduler: SchedulerKind):
    """A line that systemd does not understand protects nothing, and it would only warn."""
    host.write_units(scheduler)
    files = [f"{UNITS}/{name}" for name in units.UNITS[scheduler]]
    verified = host.within("systemd-analyze", "verify", "--man=no", *files)
    complaints = [line for line in verified.stderr.splitlines() if "speedmon" in line and ".target" not in line]
    assert (verified.returncode, complaints) == (0, [])


@pytest.mark.parametrize("unit", [units.COLLECT, units.ANSWER, units.SERVE, units.REPORT, units.UNABLE, units.NOTIFY])
def test_what_needs_no_privilege_has_little_to_attack(host: SystemdMachine, unit: str):
    """The exposure that systemd itself computes is below 2.5."""
    shown = host.within("systemd-analyze", "security", "--no-pager", "--offline=yes", f"{UNITS}/{unit}").stdout
    match = re.search(r"Overall exposure level for \S+: ([\d.]+)", shown)
    assert match is not None, shown
    assert float(match[1]) < 2.5


def test_a_test_without_a_namespace_is_stored(host: SystemdMachine):
    """The unit that systemd starts instead stores a failed run which says what is missing."""
    (drop_in(host), drop_in(host, unit=units.UNABLE))
    host.shell(
        "mv /run/netns/ip4only /run/netns/away 2>/dev/null || umount /run/netns/ip4only; rm -f /run/netns/ip4only"
    )
    off = host.path(f"{UNITS}/{units.NETNS}.d/off.conf")
    off.write_text("[Unit]\nConditionPathExists=/nonexistent\n")
    host.start(UNIT)
    deadline = time.monotonic() + 120
    while last_run(host)["status"] != "failed":
        assert time.monotonic() < deadline, host.within("systemctl", "status", units.UNABLE).stdout
        time.sleep(0.1)
    assert '"kind": "namespace"' in json.dumps(last_run(host)["failure"])
    off.unlink()
    assert host.within(SPEEDMON, "setup-netns", "-q", "--no-launcher").stderr == ""


def test_the_report_has_no_network_and_no_capability(host: SystemdMachine):
    """It draws what is stored: it needs no network."""
    drop_in(
        host,
        "StandardOutput=file:/run/output\nExecStart=\nExecStart=/bin/cat /proc/self/status /proc/net/dev\n",
        REPORT,
    )
    assert host.start(REPORT) == "success"
    output = host.path("/run/output").read_text()
    assert re.findall(r"Cap(?:Inh|Prm|Eff|Bnd|Amb):\t(\w+)", output) == ["0" * 16] * 5
    assert "NoNewPrivs:\t1\n" in output
    assert re.findall(r"^ *(\w+):.*\d$", output.split("Inter-|")[1], re.MULTILINE) == ["lo"]
