"""A home network whose ISP answers: a name server and a TCP port, for what asks from inside."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
from home_network import SPEEDMON, HomeNetwork

from monitor.check.model import CheckResult

if TYPE_CHECKING:
    from subprocess import CompletedProcess

NAME_SERVER = "203.0.113.53"
HOST = "203.0.113.1:443"
DATABASE = "sqlite:////run/store/speedmon.db"

# One process, until its input ends: DNS over UDP, and a port that accepts every connection.
SERVERS_CODE = """
import dns.name, dns.rdatatype, socket, sys, threading
from netns.lab import servers
zone = {dns.name.from_text("www.speedtest.net"): {dns.rdatatype.A: "203.0.113.80"}}
asked = servers.bind_socket(sys.argv[1])
taken = socket.create_server(("203.0.113.1", 443))

def answer():
    while True:
        query, sender = asked.recvfrom(4096)
        asked.sendto(servers.answer_query(query, zone), sender)

def take():
    while True:
        taken.accept()[0].close()

for task in (answer, take):
    threading.Thread(target=task, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""

SETTINGS = {"PATH": os.environ["PATH"], "SPEEDMON_DATABASE_URL": DATABASE, "SPEEDMON_CHECK__HOSTS": HOST}


class HomeNetworkWithServices(HomeNetwork):
    """The home network whose ISP answers."""

    def __init__(self) -> None:
        super().__init__()
        self.shell(f"ip -n isp address add {NAME_SERVER}/24 dev far; mkdir -m 1777 /run/store")
        self._servers = self.popen(
            ["ip", "netns", "exec", "isp", sys.executable, "-c", SERVERS_CODE, NAME_SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._servers.stdout is not None
        assert self._servers.stdout.readline() == "ready\n"

    def close(self) -> None:
        """End the servers, then the network: the kernel takes a second or two to end both at once."""
        with self._servers:  # leaving it closes their input
            pass
        super().close()

    def set_up(self, *arguments: str) -> None:
        """Set up without the launcher, unless other arguments are given."""
        self.speedmon("setup-netns", *(arguments or ("--no-launcher",)))

    def check(self, *arguments: str, user: str | None = None, **settings: str) -> CompletedProcess[str]:
        """Run `speedmon check`, which asks nobody but the ISP; settings are named as in the environment."""
        environ = SETTINGS | {f"SPEEDMON_{key}": value for key, value in settings.items()}
        return self.run([SPEEDMON, "check", *arguments], check=False, user=user, env=environ)

    def lines(self, *, user: str | None = None, **settings: str) -> tuple[int, dict[str, CheckResult]]:
        """Return the exit code and the lines of `speedmon check --json` by name."""
        done = self.check("--json", user=user, **settings)
        assert done.stderr == ""
        return done.returncode, {line.name: line for line in msgspec.json.decode(done.stdout, type=list[CheckResult])}
