"""What only root's own way into the namespace does; what it shares with the launcher is in `test_ways_in.py`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from inside_namespace import NAME, enter_as_root, make_namespace
from private_machine import PrivateMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = [sys.executable, "-I", "-m", "netns.entry.inside"]

LIGHT = """
import sys
before = set(sys.modules)
import netns.entry.inside
print(*sorted({"typing", "pathlib", "dataclasses", "subprocess", "re"} & (set(sys.modules) - before)))
"""


@pytest.fixture
def inner(machine: PrivateMachine) -> PrivateMachine:
    """Return a machine with the namespace."""
    make_namespace(machine)
    return machine


@pytest.fixture
def rootless() -> Iterator[PrivateMachine]:
    """Yield a machine whose root is the root of a user namespace, whoever runs the suite."""
    with PrivateMachine(user_namespace=True) as opened:
        make_namespace(opened)
        yield opened


def test_ping_with_a_file_capability_runs(inner: PrivateMachine):
    """A program that carries a capability it may not have still starts, and ping needs none inside."""
    inner.run(["sh", "-c", "cp $(command -v ping) /run/ping && setcap cap_net_raw=ep /run/ping"])
    assert enter_as_root(inner).run("/run/ping", "-V").returncode == 0


def test_roots_command_has_no_power_over_the_namespace(inner: PrivateMachine):
    """The command is still root, but may not touch links or mounts."""
    entry = enter_as_root(inner)
    assert entry.run("id", "-u").stdout == "0\n"
    assert entry.run("ip", "link", "set", "lo", "up").returncode == 2
    assert entry.run("umount", "/etc/resolv.conf").returncode == 32


def test_the_root_of_a_user_namespace_enters(rootless: PrivateMachine):
    """The rootless lab has the same way in, with the same files."""
    done = enter_as_root(rootless).run("sh", "-c", "cat /etc/resolv.conf; grep CapEff /proc/self/status")
    assert done.stdout == f"nameserver 192.0.2.53\nCapEff:\t{'0' * 16}\n"


@pytest.mark.parametrize("arguments", [[], [NAME], [NAME, "--"], [NAME, "true"], ["--", "true"]])
def test_a_wrong_command_line_shows_the_usage(inner: PrivateMachine, arguments: list[str]):
    """Without a name, the dashes and a command there is nothing to run."""
    done = inner.run([*MODULE, *arguments], check=False)
    assert (done.returncode, done.stderr.partition(":")[0]) == (125, "usage")


@pytest.mark.root
def test_an_unprivileged_caller_is_refused(inner: PrivateMachine):
    """Who is not root gets one line that names the launcher."""
    inner.add_user("visitor", 4242)
    done = inner.run([*MODULE, NAME, "--", "echo", "ran"], user="visitor", check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("ip4only: cannot join /run/netns/ip4only: Operation not permitted; only root can")


def test_it_imports_little(machine: PrivateMachine):
    """What costs milliseconds is not imported on the way of each test."""
    assert (
        machine.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}{LIGHT}"]).stdout
        == "\n"
    )
