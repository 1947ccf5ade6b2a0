"""The real firewalld, on a message bus of its own in a private machine; unpacked once, never installed on this one."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from home_network import HomeNetwork

UNPACKED_DIRECTORY = Path(sys.prefix, "firewalld")

UNPACK_SCRIPT = ROOT / "scripts/unpack"

# A bus that starts nothing by itself: without polkit, firewalld asks for root only.
BUS_CONFIGURATION = """
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


@contextlib.contextmanager
def run_firewalld(home: HomeNetwork) -> Iterator[None]:
    """Run firewalld on the home host for the block."""
    files = UNPACKED_DIRECTORY
    subprocess.run([UNPACK_SCRIPT, "firewalld", files], check=True)
    home.shell(f"mkdir -p /run/dbus; cp -a {files}/etc/firewalld /etc/")
    home.shell(f"ln -s {files}/usr/bin/firewall-* /usr/local/bin/")
    home.path("/run/dbus/bus.conf").write_text(BUS_CONFIGURATION)
    home.run(["dbus-daemon", "--config-file=/run/dbus/bus.conf", "--fork", "--nopidfile"])
    options = ["--nofork", "--nopid", "--default-config", f"{files}/usr/lib/firewalld", "--log-target", "console"]
    daemon = [f"{files}/usr/sbin/firewalld", *options]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    with home.popen(daemon, **quiet) as ran:
        try:
            _wait_for_firewalld(home)
            yield
        finally:
            ran.terminate()


def _wait_for_firewalld(home: HomeNetwork) -> None:
    end = time.monotonic() + 60
    while home.run(["firewall-cmd", "--state"], check=False).returncode != 0:
        assert time.monotonic() < end, "firewalld does not answer"
