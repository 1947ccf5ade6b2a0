"""Set-up and teardown killed with SIGKILL before each change that they make: the next call finds its way."""

from __future__ import annotations

import sys

import pytest
from home_network import HomeNetwork
from places import SUPPORT

KILLS = str(SUPPORT / "killed_setups.py")

LAUNCHER = {"setup": "groupadd", "teardown": "rm /usr/local/bin/"}
REPAIRS = pytest.mark.parametrize("repair", ["setup", "teardown"])
ACTIONS = pytest.mark.parametrize("action", ["setup", "teardown"])


def die(*arguments: str) -> list[str]:
    """Kill at each change in turn, on a machine of its own; return the lines it prints."""
    with HomeNetwork() as home:
        return home.run([sys.executable, KILLS, *arguments], timeout=3600).stdout.splitlines()


@ACTIONS
@REPAIRS
def test_after_a_kill_the_next_call_repairs(action: str, repair: str):
    """After a kill at any change, set-up repairs everything, and a teardown leaves no trace."""
    lines = die(action, repair, "")
    assert len(lines) == 1
    assert int(lines[0].split()[0]) > 20


@pytest.mark.root
@ACTIONS
@REPAIRS
def test_after_a_kill_around_the_launcher_the_next_call_repairs(action: str, repair: str):
    """The same for the steps on the launcher and its group."""
    lines = die(action, repair, LAUNCHER[action])
    assert len(lines) == 1
    assert int(lines[0].split()[0]) > 10
