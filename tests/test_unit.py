"""The way by systemd, with a real one: the example unit measures inside without launcher or capability."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from booted import UNITS, Booted
from recording import read
from street import SPEEDMON

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

ROOT = Path(__file__).parents[1]
STAND_IN = Path(__file__).with_name("ookla_stand_in.py")
STREAM = read("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl").decode()
UNIT = "speedmon-collect.service"
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
ln -sf {SPEEDMON} /usr/local/bin/speedmon
mkdir {UNITS}/{UNIT}.d
"""
LOOK = "StandardOutput=file:/run/said\nExecStart=\nExecStart=/bin/cat /proc/self/status /etc/resolv.conf\n"


@pytest.fixture(scope="module")
def host() -> Iterator[Booted]:
    """Yield a home host with systemd, the namespace, the user speedmon and the example unit."""
    with Booted() as booted:
        booted.add_user("speedmon", 4003)
        booted.shell(BUILD)
        shutil.copy(STAND_IN, booted.path("/run/engine/speedtest"))
        booted.path("/run/engine/script.json").write_text(json.dumps({"stdout": STREAM}))
        shutil.copy(ROOT / "deploy" / UNIT, booted.path(f"{UNITS}/{UNIT}"))
        assert booted.within(SPEEDMON, "setup-netns", "-q", "--no-launcher").stderr == ""
        yield booted


def drop_in(host: Booted, lines: str = "") -> None:
    """Give the unit the checkout, and further lines."""
    host.path(f"{UNITS}/{UNIT}.d/test.conf").write_text(f"{HERE}{lines}")


def last_run(host: Booted) -> dict[str, object]:
    """Return the newest stored run."""
    environ = {"STATE_DIRECTORY": "/var/lib/speedmon", "PATH": "/usr/bin:/bin"}
    found: list[dict[str, object]] = json.loads(host.run([SPEEDMON, "history", "--json"], env=environ).stdout)
    return found[0]


def test_the_example_measures(host: Booted):
    """The unit as it is runs a test as its own user, in the namespace, and keeps it in that user's database."""
    drop_in(host)
    assert host.start(UNIT) == "success", host.within("systemctl", "status", UNIT).stdout
    assert (last_run(host)["status"], last_run(host)["path"]) == ("ok", "ip4only")
    assert host.shell("stat -c %U /var/lib/speedmon/speedmon.db").stdout == "speedmon\n"


def test_the_command_inside_has_nothing(host: Booted):
    """No capability, not even in the bounding set, no means to gain one; the namespace's network and name server."""
    drop_in(host, LOOK)
    assert host.start(UNIT) == "success"
    told = host.path("/run/said").read_text()
    assert re.findall(r"Cap(?:Inh|Prm|Eff|Bnd|Amb):\t(\w+)", told) == ["0" * 16] * 5
    assert "NoNewPrivs:\t1\n" in told
    assert "nameserver 203.0.113.53\noptions no-aaaa\n" in told


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("BindReadOnlyPaths=\n" + HERE, "the name servers are the host's (BindReadOnlyPaths=/etc/netns/ip4only/resolv"),
        (
            "NetworkNamespacePath=\n",
            "that work here: a systemd service with NetworkNamespacePath=/run/netns/ip4only",
        ),
    ],
)
def test_a_line_left_out_is_noticed(host: Booted, lines: str, said: str):
    """A unit that lacks a part of the way in measures nothing; the run that is kept says which part."""
    drop_in(host, lines)
    assert host.start(UNIT) == "exit-code"
    assert said in json.dumps(last_run(host)["failure"])
