"""`speedmon check` as a command: text and JSON, terminal and pipe, --watch, imports, and machines without much."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt
from home_network import SPEEDMON
from home_network_with_services import SETTINGS, HomeNetworkWithServices

from monitor.check.model import CheckResult
from monitor.store.connection import open_writer
from monitor.store.tables import SCHEMA_VERSION
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from private_machine import PrivateMachine

IMPORTED = """
import sys
from monitor.cli.main import cli
cli.main(["check"], standalone_mode=False)
print(sorted({"pyroute2", "sqlalchemy", "alembic", "matplotlib", "dns", "fastapi"} & set(sys.modules)))
"""

CLEAR = b"\x1b[2J"


@pytest.fixture
def home() -> Iterator[HomeNetworkWithServices]:
    """Yield a home host whose ISP answers, without a namespace."""
    with HomeNetworkWithServices() as host:
        yield host


def check(machine: PrivateMachine, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `speedmon check` on a machine that has a loopback and no namespace."""
    environ = {"PATH": os.environ["PATH"], **{f"SPEEDMON_{key}": value for key, value in settings.items()}}
    return machine.run([SPEEDMON, "check", *arguments], check=False, env=environ)


def lines(machine: PrivateMachine, **settings: str) -> dict[str, CheckResult]:
    """Return the lines by name."""
    printed = json.loads(check(machine, "--json", **settings).stdout)
    return {line["name"]: CheckResult(**line) for line in printed}


def watched(home: HomeNetworkWithServices, *arguments: str, **options: object) -> subprocess.Popen[str]:
    """Start `speedmon check --watch`."""
    process = {"env": SETTINGS, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return home.popen([SPEEDMON, "check", "--watch", "0.1", *arguments], **(process | options))


def test_machine_without_a_network(machine: PrivateMachine):
    """Nothing is there: exit code 5, no traceback, and what is missing has its fix."""
    done = check(machine)
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.startswith(
        "NOT OK   namespace   /run/netns/ip4only does not exist: the namespace is not set up;"
        " the host has no IPv4 default route\n"
        "         fix: connect this machine (cable, Wi-Fi, DHCP), or set namespace.uplink to its interface,"
        " then run: sudo speedmon setup-netns\n"
    )


def test_json_is_an_array_of_lines(machine: PrivateMachine):
    """Each object has the five keys in order; a fix goes with what is not ok only."""
    printed = json.loads(check(machine, "--json").stdout)
    assert {tuple(line) for line in printed} == {("name", "ok", "message", "fix", "matters")}
    assert all((line["fix"] is None) == line["ok"] for line in printed)


def test_neither_pyroute2_nor_sqlalchemy_is_imported(machine: PrivateMachine):
    """Without a database there is nothing heavy to import."""
    assert machine.python(IMPORTED).stdout.splitlines()[-1] == "[]"


def test_leftover_of_a_crash_is_not_a_namespace(machine: PrivateMachine):
    """The plain file in the place of the handle is named."""
    machine.path("/run/netns/ip4only").touch()
    assert "is not a network namespace" in lines(machine)["namespace"].message


def test_without_nft_it_says_so(home: HomeNetworkWithServices):
    """On a host from which nft was removed since, the line says what to install."""
    home.set_up()
    home.shell("mount --bind /bin/false /usr/sbin/nft")
    code, checks = home.lines()
    assert (code, checks["firewall"].ok) == (5, False)
    assert "our rules cannot be listed" in checks["firewall"].message


@pytest.mark.parametrize(
    ("settings", "name", "words"),
    [
        ({"COLLECT__ENGINE": "ookla"}, "licence", "Ookla's licence is not accepted"),
        ({"COLLECT__ENGINE": "ookla", "OOKLA__BINARY": "/bin/true"}, "engine", "/bin/true is not Ookla's"),
        ({"COLLECT__ENGINE": "ookla", "OOKLA__BINARY": "/no/such"}, "engine", "/no/such does not exist"),
        ({"DATABASE_URL": "sqlite:////run"}, "database", "/run: is a directory"),
        ({"DATABASE_URL": "sqlite:////etc/passwd/a/b.db"}, "database", "/etc/passwd is not a directory"),
        ({"DATABASE_URL": "sqlite:////etc/passwd"}, "database", "is damaged or not a SQLite database"),
        ({"DATABASE_URL": "sqlite://"}, "database", "names no file"),
    ],
)
def test_what_keeps_a_test_from_being_run_or_kept(
    machine: PrivateMachine, settings: dict[str, str], name: str, words: str
):
    """Engine, licence and database are each named with a fix."""
    line = lines(machine, **settings)[name]
    assert (line.fails, words in line.message, bool(line.fix)) == (True, True, True)


def test_full_disk(machine: PrivateMachine):
    """The room is that of the folder in which the database lies."""
    machine.run(["sh", "-c", "mkdir /run/small && mount -t tmpfs -o size=8m small /run/small"])
    line = lines(machine, DATABASE_URL="sqlite:////run/small/speedmon.db")["disk"]
    assert (line.fails, line.message) == (True, "only 8 MiB free in /run/small")


def test_run_of_the_future(machine: PrivateMachine, tmp_path: Path):
    """A clock that was set back is recognised by the newest stored run."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt(minutes=60 * 24 * 365 * 50))
    checks = lines(machine, DATABASE_URL=url)
    assert (checks["clock"].fails, "in the future" in checks["clock"].message) == (True, True)
    assert checks["database"].message.endswith(f"can be written, schema {SCHEMA_VERSION}")


def test_mistake_in_the_settings_is_one_line(machine: PrivateMachine):
    """Settings that cannot be used are exit code 2, as everywhere."""
    done = check(machine, NAMESPACE__SUBNET="192.168.300.0/24")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert check(machine, CHECK__HOSTS="example.com").returncode == 2


def test_watch_ends_when_all_is_well(home: HomeNetworkWithServices):
    """In a pipe it prints every line once, then what changed, and ends with 0 after the set-up."""
    with watched(home) as watch:
        assert watch.stdout is not None
        first = [watch.stdout.readline() for _ in range(2)]
        home.set_up()
        out, err = watch.communicate(timeout=60)
    assert first[0].startswith("NOT OK   namespace")
    assert (watch.returncode, err) == (0, "")
    assert [line for line in out.splitlines() if " namespace " in line] == [
        "ok       namespace   /run/netns/ip4only is a network namespace"
    ]


def test_watch_as_json_is_an_array_a_line(home: HomeNetworkWithServices):
    """Each change is one whole array on a line of its own."""
    with watched(home, "--json") as watch:
        assert watch.stdout is not None
        first = json.loads(watch.stdout.readline())
        home.set_up()
        out, _ = watch.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])
    assert [first[0]["ok"], last[0]["ok"], watch.returncode] == [False, True, 0]


def test_watch_can_be_interrupted(home: HomeNetworkWithServices):
    """Ctrl-C ends it with one line."""
    argv = ["sh", "-c", f"echo $$; exec {SPEEDMON} check --watch 0.1"]  # its number as the home knows it
    with home.popen(argv, env=SETTINGS, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        number = int(watch.stdout.readline())
        watch.stdout.readline()
        home.shell(f"kill -INT {number}")
        _, err = watch.communicate(timeout=60)
    assert (watch.returncode, err.strip()) == (128 + signal.SIGINT, "speedmon: interrupted")


def test_terminal_is_rewritten_in_colour(home: HomeNetworkWithServices):
    """On a terminal each look takes the place of the last, and states have colours."""
    ours, theirs = os.openpty()
    with watched(home, stdout=theirs) as watch, os.fdopen(ours, "rb", buffering=0) as screen:
        os.close(theirs)
        shown = b""
        while shown.count(CLEAR) < 2:
            assert select.select([screen], [], [], 30)[0], shown
            shown += screen.read(4096)
        watch.terminate()
    assert b"\x1b[31mNOT OK \x1b[0m  namespace" in shown


def test_pipe_has_no_colours(machine: PrivateMachine):
    """A file or a mail holds plain text."""
    assert "\x1b" not in check(machine).stdout
