"""The line is cut and restored in the lab, and the receiver of the messages lies beyond it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from home_network import SPEEDMON
from notify_desk import make_desk

if TYPE_CHECKING:
    from pathlib import Path

    from home_network import HomeNetwork
    from notify_desk import Desk

ADDRESS = "203.0.113.1:8099"

# Prints what it gets, one JSON object a line, until its input ends.
RECEIVER = """
import http.server, os, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("203.0.113.1", 8099), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


def notify(home: HomeNetwork, desk: Desk) -> int:
    """Run the notifier on the home host; return its exit code."""
    environ = os.environ | {"SPEEDMON_CONFIG": str(desk.write_config()), "STATE_DIRECTORY": str(desk.folder)}
    return home.run([SPEEDMON, "notify", "run", "-q"], check=False, env=environ, timeout=180).returncode


def test_after_two_outages_one_message_says_from_when_to_when(home: HomeNetwork, tmp_path: Path):
    """Nothing arrives while the line is cut, one message once it is restored, and nothing after that."""
    receiver = home.popen(
        ["ip", "netns", "exec", "isp", sys.executable, "-c", RECEIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with receiver:
        assert receiver.stdout
        assert receiver.stdout.readline() == "ready\n"
        desk = make_desk(tmp_path, f"json://{ADDRESS}/", is_live=True, stale_h=0)
        home.shell("ip link set eth0 down")
        codes = []
        for tests in ("FFF", "ooFF"):
            desk.test(tests)
            codes.append(notify(home, desk))
        home.shell("ip link set eth0 up")
        for tests in ("o", "o", "o"):
            desk.test(tests)
            codes.append(notify(home, desk))
        messages, _ = receiver.communicate()
    (message,) = [json.loads(line) for line in messages.splitlines()]
    assert message["title"] == "home: 2 outages"
    assert message["message"].count("The line was down from") == 2
    assert codes == [1, 1, 0, 0, 0]
