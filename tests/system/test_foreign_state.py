"""Root's state directory belongs to the service's user, who plants what it likes there; then root runs commands."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from private_machine import PrivateMachine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

pytestmark = pytest.mark.root

STATE = "/var/lib/speedmon"

RUN = '{"id": "%s", "started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:01Z", "probe": "* * * * *",'
RUN += ' "engine": "ookla", "path": "ip4only", "trigger": "cli", "status": "%s"}'

ENGINE = """#!/bin/sh
case "$*" in *--version*) echo "Speedtest by Ookla 1.2.0.84 (stand-in)"; exit;; esac
echo '{"type":"result","download":{"bandwidth":1000000},"upload":{"bandwidth":1000},"ping":{"latency":3}}'
"""

ENVIRON = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "SUDO_UID": "4001",
    "SUDO_GID": "4001",
    "SPEEDMON_COLLECT__PATH": "host",
    "SPEEDMON_COLLECT__ENGINE": "ookla",
    "SPEEDMON_COLLECT__PROBE_FAILURES": "false",
    "SPEEDMON_OOKLA__BINARY": "/run/engine",
    "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
}

# What root has and the service's user may not touch.
OURS = "mkdir -m 700 /etc/rootdir; echo secret >/etc/rootdir/victim; chmod 600 /etc/rootdir/victim"


@pytest.fixture(scope="module")
def host() -> Iterator[PrivateMachine]:
    """Yield a machine with the service's user, ann who called sudo, an engine, and a secret of root's."""
    with PrivateMachine() as machine:
        machine.add_user("speedmon", 990)
        machine.add_user("ann", 4001)
        machine.path("/run/engine").write_text(ENGINE)
        machine.run(["sh", "-c", f"chmod 755 /run/engine; {OURS}; mkdir /run/out /run/cache"])
        yield machine


@pytest.fixture(autouse=True)
def _state(host: PrivateMachine) -> None:
    """Begin with an empty state directory of the service's user."""
    host.run(["sh", "-c", f"rm -rf {STATE}; install -d -o speedmon -g speedmon {STATE}"])


def plant(host: PrivateMachine, script: str) -> None:
    """Run a script in the state directory as the service's user."""
    host.run(["sh", "-ec", f"cd {STATE}; {script}"], user="speedmon")


def by_root(host: PrivateMachine, *arguments: str) -> CompletedProcess[str]:
    """Run speedmon as root, as sudo would."""
    environ = ENVIRON | {"CACHE_DIRECTORY": "/run/cache"}
    return host.run([sys.executable, "-m", "monitor", *arguments], env=environ, check=False, cwd="/", timeout=120)


def assert_untouched(host: PrivateMachine) -> None:
    """Nothing of root's has changed, and nothing in the state directory is another's than its owner's."""
    shown = host.run(["sh", "-c", "stat -c '%U %a %n' /etc/rootdir /etc/rootdir/*; cat /etc/rootdir/victim"])
    assert shown.stdout.split("\n") == ["root 700 /etc/rootdir", "root 600 /etc/rootdir/victim", "secret", ""]
    assert host.run(["find", STATE, "!", "-user", "speedmon"]).stdout == ""


def history(host: PrivateMachine) -> list[str]:
    """Return the states of the stored runs, newest first, as root reads them."""
    done = by_root(host, "history", "--json")
    assert done.returncode == 0, done.stderr
    return [run["status"] for run in json.loads(done.stdout)]


def test_an_ordinary_test_leaves_everything_to_the_owner(host: PrivateMachine):
    """Database, WAL, spool and memory are the service's, whose next test can go on with them."""
    assert by_root(host, "collect", "-q").returncode == 0
    assert_untouched(host)
    assert history(host) == ["ok"]
    environ = {name: text for name, text in ENVIRON.items() if not name.startswith("SUDO")} | {"STATE_DIRECTORY": STATE}
    service = host.run([sys.executable, "-m", "monitor", "collect"], user="speedmon", env=environ, cwd="/", timeout=120)
    assert service.stdout.startswith("download")
    assert history(host) == ["ok", "ok"]


def test_planted_notes_and_links_are_set_aside(host: PrivateMachine):
    """No id becomes a path, no link is followed, no FIFO waited for; what is odd is named, and the test is stored."""
    own = RUN % ("own", "ok")
    path = RUN % ("../../../../etc/rootdir/new", "interrupted")
    plant(
        host,
        f"""mkdir spool; cd spool; ln -s /etc/rootdir/victim .own.part; mkfifo fifo.json fifo.started
        echo '{{"run": {own}}}' >x.started; echo '{{"run": {path}}}' >y.started; echo '{{"run": {path}}}' >z.json
        ln -s /etc/rootdir/victim link.json; ln -s /etc/rootdir/victim link.started
        ln -s /etc/rootdir/victim ../progress.json; ln -s /etc/rootdir/victim ../memory.json""",
    )
    done = by_root(host, "collect", "-q")
    assert done.returncode == 0, done.stderr
    for name in ("fifo.json", "fifo.started", "x.started", "y.started", "z.json", "link.json", "progress.json"):
        assert name in done.stderr
    assert_untouched(host)
    assert history(host) == ["ok"]


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("spool", "/etc/rootdir"),
        ("spool", "/etc/rootdir/victim"),
        ("speedmon.db", "/etc/rootdir/victim"),
        ("speedmon.db", "/etc/rootdir/new"),
        ("speedmon.db-wal", "/etc/rootdir/victim"),
        ("speedmon.db-journal", "/etc/rootdir/new"),
        ("home", "/etc/rootdir"),
        ("all", "/etc/rootdir"),
    ],
)
def test_a_link_in_the_place_of_ours(host: PrivateMachine, place: str, target: str):
    """The test is stored, or the command ends with one line; either way nothing of root's changes."""
    if place == "all":
        host.run(["sh", "-c", f"rmdir {STATE}; install -d -o speedmon /run/real; rm -rf /run/real/*"])
        host.run(["sh", "-c", f"ln -s {target} /run/real/state; chown -h speedmon /run/real/state"])
        host.run(["ln", "-s", "/run/real/state", STATE])
    else:
        plant(host, f"ln -s {target} {place}")
    done = by_root(host, "collect", "-q")
    assert done.returncode in {0, 2}, done.stderr
    assert done.returncode == 0 or done.stderr.count("\n") == 1
    if place == "all":
        host.run(["rm", STATE])
        host.run(["install", "-d", "-o", "speedmon", STATE])
    assert_untouched(host)


@pytest.mark.parametrize("place", ["speedmon.db", "speedmon.db-wal", "speedmon.db-journal"])
def test_a_fifo_in_the_place_of_the_database(host: PrivateMachine, place: str):
    """SQLite would wait for a writer for ever."""
    plant(host, f"mkfifo {place}")
    done = by_root(host, "history" if place == "speedmon.db" else "collect")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "not a regular file" in done.stderr


OUTPUTS = [
    ["graph", "--output", "{}/out.png"],
    ["export", "--output", "{}/out.csv"],
    ["db", "backup", "{}/out.db"],
    ["config", "init", "--output", "{}/out.toml"],
]


def test_outputs(host: PrivateMachine):
    """In the owner's folder they are the owner's; by a planted link they are refused, with one line and the fix."""
    assert by_root(host, "collect", "-q").returncode == 0
    plant(host, "mkdir mine; ln -s /etc/rootdir theirs")
    for command in OUTPUTS:
        assert by_root(host, *(word.format(f"{STATE}/mine") for word in command)).returncode == 0
        refused = by_root(host, *(word.format(f"{STATE}/theirs") for word in command))
        assert (refused.returncode in {1, 2}, refused.stderr.count("\n")) == (True, 1), refused.stderr
    assert_untouched(host)
