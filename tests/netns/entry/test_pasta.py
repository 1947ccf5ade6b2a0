"""The way in by pasta: on request, IPv4 only inside, nothing of the host's loopback, and always with an end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from home_network import SPEEDMON
from home_network_with_services import NAME_SERVER, HomeNetworkWithServices
from places import SUPPORT
from recordings import read_recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

pytestmark = pytest.mark.root  # a real user, of whom the kernel knows nothing else

STAND_IN = SUPPORT / "ookla_stand_in.py"

STREAM = read_recording("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl").decode()

ENVIRON = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/run/ann", "USER": "ann"}
ENGINE = {
    "SPEEDMON_OOKLA__BINARY": "/run/ann/speedtest",
    "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
    "SPEEDMON_COLLECT__LOCK_FILE": "/run/ann/lock",
    "SPEEDMON_DATABASE_URL": "sqlite:////run/ann/line.db",
}

CONNECT = """
import socket, sys
address, port, seconds = sys.argv[1:]
socket.create_connection((address, int(port)), float(seconds))
print('connected')
"""

IPV6 = "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(('2001:db8::1', 9))"
SERVE_LOOPBACK = "import socket; s = socket.create_server(('127.0.0.1', 7070)); print('ready', flush=True); s.accept()"


@pytest.fixture(scope="module")
def home() -> Iterator[HomeNetworkWithServices]:
    """Yield a home host whose ISP answers, with the user ann and no namespace at all."""
    with HomeNetworkWithServices() as host:
        host.add_user("ann", 4001)
        host.shell("install -d -o ann -g ann /run/ann")
        shutil.copy(STAND_IN, host.path("/run/ann/speedtest"))
        host.path("/run/ann/script.json").write_text(json.dumps({"stdout": STREAM}))
        yield host


def by_pasta(home: HomeNetworkWithServices, *argv: str, before: tuple[str, ...] = ()) -> CompletedProcess[str]:
    """Run a command over pasta as ann."""
    command = [*before, SPEEDMON, "exec", "--way", "pasta", "--", *argv]
    return home.run(command, user="ann", env=ENVIRON, check=False)


def test_ipv6_is_off_everywhere_inside(home: HomeNetworkWithServices):
    """No address, no route, and each switch off, those for links to come included; the kernel refuses at once."""
    look = "ip -6 address; ip -6 route show table all; cat /proc/sys/net/ipv6/conf/*/disable_ipv6 | sort -u"
    assert by_pasta(home, "sh", "-c", look).stdout == "1\n"
    refused = by_pasta(home, sys.executable, "-c", IPV6)
    assert (refused.returncode, "Cannot assign requested address" in refused.stderr) == (1, True)


def test_the_command_is_the_callers(home: HomeNetworkWithServices):
    """It has its user's numbers, no capability, no means to gain one, and its three streams."""
    script = "id -u; id -g; grep -h 'Cap[IPEA]\\|NoNew' /proc/self/status; ls /proc/self/fd"
    output_lines = by_pasta(home, "sh", "-c", script).stdout.split()
    assert output_lines[:2] == ["4001", "4001"]
    assert output_lines[3:11:2] == ["0" * 16] * 4
    assert output_lines[-5:] == ["1", "0", "1", "2", "3"]
    assert by_pasta(home, "ip", "link", "set", "lo", "down").returncode == 2
    assert by_pasta(home, "sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6").returncode == 2


def test_names_are_asked_of_the_line(home: HomeNetworkWithServices):
    """The host's servers answer inside, and no query for IPv6 addresses is sent."""
    assert by_pasta(home, "getent", "ahosts", "www.speedtest.net").stdout.split()[0] == "203.0.113.80"
    lines = by_pasta(home, "cat", "/etc/resolv.conf").stdout.splitlines()
    assert lines[1:] == [f"nameserver {NAME_SERVER}", "options no-aaaa"]


def test_the_line_is_in_reach_and_the_loopback_of_the_host_is_not(home: HomeNetworkWithServices):
    """A port of the ISP answers; one on the host's 127.0.0.1 does not, whether by that address or the router's."""
    assert by_pasta(home, sys.executable, "-c", CONNECT, "203.0.113.1", "443", "20").stdout == "connected\n"
    with home.popen([sys.executable, "-c", SERVE_LOOPBACK], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        for address in ("127.0.0.1", "203.0.113.1", "203.0.113.10"):
            assert by_pasta(home, sys.executable, "-c", CONNECT, address, "7070", "1").returncode == 1
        server.kill()


@pytest.mark.parametrize(("script", "status"), [("exit 37", 37), ("kill -KILL $$", 137), ("exec /nowhere/at/all", 127)])
def test_the_commands_status_passes_through(home: HomeNetworkWithServices, script: str, status: int):
    """As in a shell: a signal as 128 plus its number, though pasta reports that as a success."""
    assert by_pasta(home, "sh", "-c", script).returncode == status


def test_each_run_says_that_it_was_a_proxy(home: HomeNetworkWithServices):
    """One line on stderr, which is kept with the output of a test."""
    done = by_pasta(home, "true")
    assert done.stderr.startswith("speedmon: through pasta, a proxy on this machine")


def test_nothing_is_left_when_the_group_is_ended(home: HomeNetworkWithServices):
    """Ended as a test is at its deadline, no process of it goes on."""
    argv = [SPEEDMON, "exec", "--way", "pasta", "--", "sh", "-c", "echo started; exec sleep 1000"]
    options = {"env": ENVIRON, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "start_new_session": True}
    with home.popen(argv, user="ann", **options) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        os.killpg(running.pid, signal.SIGKILL)
        assert (first, running.stdout.read()) == ("started\n", "")  # the last process that held the pipe has ended


@pytest.mark.parametrize(
    ("fault", "undo", "code", "message"),
    [
        (
            "chmod 600 /run/tun && mount --bind /run/tun /dev/net/tun",
            "umount /dev/net/tun",
            6,
            "pasta cannot open /dev/net/tun: Permission denied; run: sudo chmod 666 /dev/net/tun",
        ),
        (
            "mount -t tmpfs tmpfs /dev/net",
            "umount /dev/net",
            6,
            "pasta cannot open /dev/net/tun: No such file or directory; run: sudo modprobe tun",
        ),
        (
            "mount --bind /etc/passwd $(readlink -f /usr/bin/pasta)",
            "umount $(readlink -f /usr/bin/pasta)",
            5,
            "pasta is not installed; run: sudo apt install passt",
        ),
    ],
)
def test_what_keeps_pasta_from_working_is_named(
    home: HomeNetworkWithServices, fault: str, undo: str, code: int, message: str
):
    """One line names the fix, and nothing else is tried in its place."""
    home.shell(f"mknod /run/tun c 10 200 2>/dev/null; {fault}")
    done = by_pasta(home, "echo", "ran")
    home.shell(undo)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"speedmon: {message}\n")


def test_forbidden_user_namespaces_are_named(home: HomeNetworkWithServices):
    """A limit of 0, here that of a user namespace in between."""
    lowered = 'echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --inh-caps=-all --ambient-caps=-all -- "$@"'
    between = ("unshare", "--user", "--map-user=4001", "--map-group=4001", "--keep-caps", "sh", "-c", lowered, "sh")
    done = by_pasta(home, "true", before=between)
    message = "pasta needs user namespaces, and user.max_user_namespaces is 0; run: sudo sysctl -w"
    assert (done.returncode, done.stderr.startswith(f"speedmon: {message}")) == (6, True), done.stderr


def test_pasta_that_hangs_is_given_up(home: HomeNetworkWithServices):
    """One that never gets ready, as an early version without a tun device, is killed at a deadline."""
    home.shell("mkdir /run/slow; printf '#!/bin/sh\\nexec sleep 1000\\n' >/run/slow/pasta; chmod 755 /run/slow/pasta")
    code = "import sys; from netns.entry import pasta; pasta.DEADLINE_S = 0.2; pasta.main(sys.argv[1:])"
    environ = ENVIRON | {"PATH": "/run/slow:/usr/bin:/bin"}
    argv = [sys.executable, "-c", code, "ip4only", NAME_SERVER, "--", "echo", "ran"]
    done = home.run(argv, user="ann", env=environ, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.splitlines()[-1] == "ip4only: pasta was not ready after 0.2 s, and was killed"
    assert home.shell("ps -C sleep -o stat= | grep -v Z", check=False).stdout == ""


def test_pasta_that_fails_is_quoted(home: HomeNetworkWithServices):
    """Without a way to the internet pasta gives up, and its words are passed on."""
    without = ["unshare", "--user", "--map-current-user", "--net"]
    done = by_pasta(home, "echo", "ran", before=tuple(without))
    assert (done.returncode, done.stdout) == (125, "")
    assert "pasta ended with exit code 1" in done.stderr


def test_root_is_sent_another_way(home: HomeNetworkWithServices):
    """Root needs no pasta, and pasta would become nobody."""
    done = home.run([SPEEDMON, "exec", "--way", "pasta", "--", "true"], env=ENVIRON, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (6, 1)
    assert done.stderr.startswith("speedmon: pasta is for users other than root")


def test_it_is_never_taken_unasked(home: HomeNetworkWithServices):
    """Without a namespace the error is that, even where pasta would work; the setting chooses it for a test."""
    plain = home.run([SPEEDMON, "exec", "--", "true"], user="ann", env=ENVIRON, check=False)
    assert (plain.returncode, "does not exist" in plain.stderr) == (5, True)
    pasta_environ = ENVIRON | {"SPEEDMON_NAMESPACE__WAY": "pasta"}
    shown = home.run([SPEEDMON, "exec", "--", "cat", "/proc/net/route"], user="ann", env=pasta_environ)
    assert "017100CB" in shown.stdout  # 203.0.113.1, the ISP's, as the route inside
    run = home.run([SPEEDMON, "collect", "--json"], user="ann", env=pasta_environ | ENGINE)
    assert (json.loads(run.stdout)["healthy"], run.stderr.count("through pasta")) == (False, 1)
    shown = home.run([SPEEDMON, "show", "last", "--json"], user="ann", env=pasta_environ | ENGINE)
    assert "through pasta" in json.loads(shown.stdout)["raw"]["stderr"]
