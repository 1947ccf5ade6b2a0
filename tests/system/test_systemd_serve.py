"""The daemon's unit, with a real systemd: `speedmon-collect` carries out its tests, and it publishes where it may."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest
from home_network import SPEEDMON
from places import ROOT, SUPPORT
from recordings import read_recording
from systemd_machine import UNITS, SystemdMachine

from monitor.install import units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

STAND_IN = SUPPORT / "ookla_stand_in.py"

STREAM = read_recording("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl").decode()

UNIT, NETNS = "speedmon-serve.service", "speedmon-netns.service"

# On a busy machine a process of the lowest priority gets little of it.
DEADLINE_S = 300
CONFIG = """
[collect]
engine = "ookla"
[ookla]
binary = "/run/engine/speedtest"
accept_license = true
[schedule]
every_s = 5
jitter_s = 0
[web]
port = 0
[publish]
directory = "/srv/pictures"
days = [1]
"""

# The checkout, which the unit may hide, for it expects an installed speedmon; and where the stand-in notes its starts.
CHECKOUT = f"""
[Service]
ProtectHome=tmpfs
ReadWritePaths=/run/engine
BindReadOnlyPaths={ROOT} {sys.prefix} {sys.base_prefix}
"""
HERE = f"{CHECKOUT}StandardError=file:/run/log\n"

BUILD = f"""
set -e
install -d -m 777 /run/engine; mkdir -p /etc/speedmon; install -d -o speedmon /srv/pictures
mkdir {UNITS}/{UNIT}.d '{UNITS}/{units.ANSWER}.d'
printf '[Unit]\\nDefaultDependencies=no\\n' >{UNITS}/network-online.target
"""


@pytest.fixture
def host() -> Iterator[SystemdMachine]:
    """Yield a home host with systemd, the namespace, the user speedmon and the units; there is no launcher."""
    with SystemdMachine() as booted:
        booted.add_user("speedmon", 4003)
        booted.shell(BUILD)
        booted.path("/etc/speedmon/config.toml").write_text(CONFIG)
        shutil.copy(STAND_IN, booted.path("/run/engine/speedtest"))
        booted.path("/run/engine/script.json").write_text(json.dumps({"stdout": STREAM}))
        booted.write_units()
        booted.path(f"{UNITS}/{units.ANSWER}.d/test.conf").write_text(CHECKOUT)
        assert booted.within(SPEEDMON, "setup-netns", "-q", "--no-launcher").stderr == ""
        yield booted


def wait_for(condition: Callable[[], bool], why: Callable[[], str]) -> None:
    """Wait until a condition holds, for a while at most."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)


def measured(host: SystemdMachine) -> bool:
    """Return whether a stored run was measured inside."""
    environ = {"STATE_DIRECTORY": "/var/lib/speedmon", "PATH": "/usr/bin:/bin"}
    if not host.path("/var/lib/speedmon/speedmon.db").exists():
        return False
    runs = json.loads(host.run([SPEEDMON, "history", "--json"], env=environ).stdout)
    return any((run["status"], run["path"]) == ("ok", "ip4only") for run in runs)


def test_the_daemon_measures_and_publishes_where_it_may(host: SystemdMachine):
    """As it is, the unit lets nobody write to the folder, and says so; with its line it does; tests are measured.

    The daemon has no launcher and no capability: systemd starts its tests.
    """
    log = host.path("/run/log")
    host.path(f"{UNITS}/{UNIT}.d/test.conf").write_text(HERE)
    host.start(UNIT)
    wait_for(
        lambda: log.exists() and "publish.directory" in log.read_text(),
        lambda: host.within("systemctl", "status", UNIT).stdout,
    )
    assert "speedmon: publish.directory: /srv/pictures: cannot be written" in log.read_text()
    assert "a unit needs ReadWritePaths= too" in log.read_text()
    unit = host.path(f"{UNITS}/{UNIT}")
    unit.write_text(unit.read_text().replace("#ReadWritePaths=/srv/www/speedmon", "ReadWritePaths=/srv/pictures"))
    host.start(UNIT)
    wait_for(lambda: measured(host), log.read_text)
    picture = host.path("/srv/pictures/latest-1d.png")
    wait_for(picture.exists, log.read_text)
    assert (picture.stat().st_uid, picture.stat().st_mode & 0o777) == (4003, 0o644)
    status = host.within("sh", "-c", f"cat /proc/$(systemctl show --value --property=MainPID {UNIT})/status").stdout
    assert "CapBnd:\t0000000000000000\n" in status
    assert "NoNewPrivs:\t1\n" in status
    host.within("systemctl", "stop", UNIT)


def test_a_daemon_without_a_namespace_stores_a_failed_run(host: SystemdMachine):
    """Where systemd has nothing to join, the run says what is missing, and nothing is measured."""
    host.path(f"{UNITS}/{NETNS}.d").mkdir()
    host.path(f"{UNITS}/{NETNS}.d/off.conf").write_text("[Unit]\nConditionPathExists=/nonexistent\n")
    assert host.within(SPEEDMON, "teardown-netns", "-q").stderr == ""
    host.path(f"{UNITS}/{UNIT}.d/test.conf").write_text(f"{HERE}ReadWritePaths=/srv/pictures\n")
    host.start(UNIT)
    wait_for(lambda: "namespace" in kinds(host), host.path("/run/log").read_text)
    assert not measured(host)
    host.within("systemctl", "stop", UNIT)


def kinds(host: SystemdMachine) -> set[str]:
    """Return the kinds of failure that are stored."""
    environ = {"STATE_DIRECTORY": "/var/lib/speedmon", "PATH": "/usr/bin:/bin"}
    if not host.path("/var/lib/speedmon/speedmon.db").exists():
        return set()
    runs = json.loads(host.run([SPEEDMON, "history", "--json"], env=environ).stdout)
    return {run["failure"]["kind"] for run in runs if run["failure"]}


def test_the_namespace_is_built_at_boot(host: SystemdMachine):
    """The unit of set-up builds the namespace if it is missing, and starting it again changes nothing."""
    assert host.within(SPEEDMON, "teardown-netns", "-q").stderr == ""
    assert host.start(NETNS) == "success", host.within("systemctl", "status", NETNS).stdout
    assert host.start(NETNS) == "success"
    assert host.within(SPEEDMON, "setup-netns", "--no-launcher", "--dry-run").stdout == ""
    assert host.within("ip", "netns", "exec", "ip4only", "true").returncode == 0
