"""The namespace beside the real firewalld, which runs on a message bus of its own in the private machine."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from street import Street

if TYPE_CHECKING:
    from collections.abc import Iterator

SETUP = ("setup-netns", "--no-launcher")
READY, SAME = "is ready", "nothing changed"
UNPACKED = Path(sys.prefix, "firewalld")
# A bus that starts nothing by itself: without polkit, firewalld asks for root only.
BUS = """
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""
# The zone is firewalld's own to write: taking the source out of it leaves its copy of the zone, with nothing in it.
OWN_COPY = "/etc/firewalld/zones"

pytestmark = pytest.mark.root


@pytest.fixture(scope="session")
def files() -> Path:
    """Return the folder with firewalld's files, which are not installed on this machine."""
    script = Path(__file__).parents[1] / "scripts/unpack"
    subprocess.run([script, "firewalld", UNPACKED], check=True)
    return UNPACKED


@pytest.fixture
def street(files: Path) -> Iterator[Street]:
    """Yield a home host where firewalld runs."""
    with Street() as host:
        host.shell(f"mkdir -p /run/dbus; cp -a {files}/etc/firewalld /etc/")
        host.shell(f"ln -s {files}/usr/bin/firewall-* /usr/local/bin/")
        host.path("/run/dbus/bus.conf").write_text(BUS)
        host.run(["dbus-daemon", "--config-file=/run/dbus/bus.conf", "--fork", "--nopidfile"])
        options = ["--nofork", "--nopid", "--default-config", f"{files}/usr/lib/firewalld", "--log-target", "console"]
        daemon = [f"{files}/usr/sbin/firewalld", *options]
        with host.popen(daemon, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as ran:
            try:
                wait_for(host)
                yield host
            finally:
                ran.terminate()


def wait_for(street: Street) -> None:
    """Wait until firewalld answers."""
    end = time.monotonic() + 60
    while street.run(["firewall-cmd", "--state"], check=False).returncode != 0:
        assert time.monotonic() < end, "firewalld does not answer"


def answers(street: Street) -> bool:
    """Tell whether the ISP answers a ping from inside."""
    return street.speedmon("exec", "--", "ping", "-qc1", "-W5", "203.0.113.1", check=False).returncode == 0


def snapshot(street: Street) -> list[str]:
    """Return what a set-up could change, without the order and the empty chains that are firewalld's own matter."""
    return [line for line in street.snapshot() if OWN_COPY not in line]


def test_namespace_works_beside_firewalld(street: Street):
    """It works at once and after firewalld's reload, a second set-up changes nothing, and teardown ends the trust."""
    trusted = "firewall-cmd --zone=trusted --list-sources; firewall-cmd --permanent --zone=trusted --list-sources"
    before = snapshot(street), street.shell(trusted).stdout
    assert READY in street.speedmon(*SETUP).stdout
    assert SAME in street.speedmon(*SETUP).stdout
    assert answers(street)
    street.shell("firewall-cmd --reload")
    assert SAME in street.speedmon(*SETUP).stdout
    assert answers(street)
    street.speedmon("teardown-netns")
    street.shell("firewall-cmd --reload")
    assert (snapshot(street), street.shell(trusted).stdout) == before


def test_trust_does_not_open_the_host(street: Street):
    """The trusted zone would let the namespace reach the host; our own table does not."""
    street.speedmon(*SETUP)
    serve = "import socket; s = socket.create_server(('', 8080)); print('ready', flush=True); s.accept()"
    call = "import socket; socket.create_connection(('10.50.0.1', 8080), 3)"
    with street.popen(["python3", "-c", serve], stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == "ready\n"
        said = street.speedmon("exec", "--", "python3", "-c", call, check=False).stderr
        server.kill()
    assert "No route to host" in said


@pytest.mark.parametrize("when", ["", "--permanent"])
def test_half_of_the_trust_is_mended_and_removed(street: Street, when: str):
    """A source that somebody took out of one of the two configurations is put back; teardown copes with it as well."""
    street.speedmon(*SETUP)
    street.shell(f"firewall-cmd {when} --zone=trusted --remove-source=192.168.200.0/24")
    assert READY in street.speedmon(*SETUP).stdout
    street.shell(f"firewall-cmd {when} --zone=trusted --remove-source=192.168.200.0/24")
    street.speedmon("teardown-netns")
    assert "192.168.200.0" not in street.shell("cat /etc/firewalld/zones/trusted.xml").stdout


def test_source_that_the_user_trusts_stays(street: Street):
    """A subnet that was trusted before is trusted after teardown."""
    for when in ((), ("--permanent",)):
        street.run(["firewall-cmd", *when, "--zone=trusted", "--add-source=192.168.200.0/24"])
    street.speedmon(*SETUP)
    street.speedmon("teardown-netns")
    assert street.shell("firewall-cmd --zone=trusted --list-sources").stdout == "192.168.200.0/24\n"
