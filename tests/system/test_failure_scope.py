"""Whose fault a failure is, on a real line in the lab: each fault is made, a test fails, and its row says why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import SUPPORT

from netns.lab import run

SPEEDMON = Path(sys.executable).with_name("speedmon")

STAND_IN = SUPPORT / "ookla_stand_in.py"

# A host of nobody in particular, and servers for what the lab's own does not do: refuse politely, or speak no TLS.
LISTENERS = """
import http.server, socket, threading
class Refusing(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_error(503)
anybody = socket.create_server(("", 7))
for port in (443, 503):
    threading.Thread(target=http.server.HTTPServer(("", port), Refusing).serve_forever).start()
print("ready", flush=True)
"""

SCRIPT = f"""
ip netns exec internet {sys.executable} -c '{LISTENERS}' >/run/listeners &
until grep -q ready /run/listeners; do sleep 0.05; done
{SPEEDMON} setup-netns --quiet --no-launcher
cp {STAND_IN} /run/speedtest; echo '{{"hang": 60, "ignore_term": true}}' >/run/script.json
export SPEEDMON_RETRY__ATTEMPTS=1 SPEEDMON_COLLECT__LOCK_FILE=/run/lock/lab
export SPEEDMON_CHECK__HOSTS=198.51.100.80:7 SPEEDMON_COLLECT__ENGINE=speedtest-cli SPEEDMON_DATABASE_URL=sqlite:////run/db
fault() {{ echo "$1"; shift; env "$@" {SPEEDMON} collect --json --no-retry --anyway 2>/dev/null || echo "$?"; }}
far() {{ ip netns exec internet nft "$@"; }}

ip -n isp address del 203.0.113.53/24 dev home0
fault dns A=1
ip -n isp address add 203.0.113.53/24 dev home0

far 'add table inet lab; add chain inet lab in {{ type filter hook input priority 0; }}'
far add rule inet lab in tcp dport 8080 reject with tcp reset
fault refused A=1
far flush chain inet lab in
far 'add chain inet lab nat {{ type nat hook prerouting priority -100; }}'
far add rule inet lab nat tcp dport 80 redirect to :503
fault 503 A=1
far flush chain inet lab nat
fault tls SPEEDMON_SPEEDTEST_CLI__SECURE=true
fault stuck SPEEDMON_COLLECT__ENGINE=ookla SPEEDMON_OOKLA__BINARY=/run/speedtest SPEEDMON_OOKLA__ACCEPT_LICENSE=true \
    SPEEDMON_COLLECT__TIMEOUT_S=5

ip link add tun0 type veth peer name tun1; ip link set tun0 up; ip link set tun1 up
ip address add 10.99.0.1/24 dev tun0; ip route add 0.0.0.0/1 via 10.99.0.2 dev tun0
ip route add 128.0.0.0/1 via 10.99.0.2 dev tun0
fault tunnel A=1
ip link delete tun0

ip -n isp address del 203.0.113.1/24 dev home0
fault gateway A=1
ip -n isp link set home0 down
fault cable A=1
ip link set wan0 down
fault uplink A=1
echo left; ps -eo args
"""

EXPECTED = {
    "dns": ("dns", "line"),
    "refused": ("refused", "provider"),
    "503": ("provider_down", "provider"),
    "tls": ("tls", "provider"),
    "stuck": ("timeout", "provider"),
    "tunnel": ("namespace", "local"),
    "gateway": ("unreachable", "line"),
    "cable": ("unreachable", "line"),
    "uplink": ("unreachable", "local"),
}


@pytest.fixture(scope="module")
def output() -> list[str]:
    """Run everything once and return the lines that it prints."""
    lab = run.private_machine_command(
        [sys.executable, "-P", "-m", "netns.lab.run", "sh", "-uc", SCRIPT], rootless=False
    )
    done = subprocess.run(lab, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def run_of(output: list[str], fault: str) -> tuple[dict[str, Any], int]:
    """Return the row and the exit code of a fault."""
    at = output.index(fault)
    return json.loads(output[at + 1]), int(output[at + 2])


@pytest.mark.root
@pytest.mark.parametrize("fault", EXPECTED)
def test_each_fault_is_blamed_on_whose_it_is(output: list[str], fault: str):
    """Kind and scope are the culprit's, and the exit code is that of a failed test or an unsound namespace."""
    run, code = run_of(output, fault)
    failure = run["failure"]
    assert (failure["kind"], failure["scope"]) == EXPECTED[fault], failure["message"]
    assert code == (5 if failure["kind"] == "namespace" else 3)


@pytest.mark.root
def test_nothing_is_left_running(output: list[str]):
    """Neither an engine nor a probe outlives the tests."""
    left = [line for line in output[output.index("left") + 1 :] if "netns.lab" not in line]
    assert left
    assert not [line for line in left if "netns.probe.run" in line or "speedtest" in line.partition(" -c ")[0]]
