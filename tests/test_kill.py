"""Set-up and teardown killed with SIGKILL before each change that they make: the next call finds its way."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from street import Street

KILLS = str(Path(__file__).with_name("kills.py"))
LAUNCHER = {"setup": "groupadd", "teardown": "rm /usr/local/bin/"}
MENDS = pytest.mark.parametrize("mend", ["setup", "teardown"])
ACTIONS = pytest.mark.parametrize("action", ["setup", "teardown"])


def die(*arguments: str) -> list[str]:
    """Die at each change in turn, on a machine of its own; return what was told."""
    with Street() as street:
        return street.run([sys.executable, KILLS, *arguments], timeout=300).stdout.splitlines()


@ACTIONS
@MENDS
def test_after_a_kill_the_next_call_mends(action: str, mend: str):
    """Wherever it was killed, set-up makes all sound again, and a teardown leaves no trace."""
    told = die(action, mend, "")
    assert len(told) == 1
    assert int(told[0].split()[0]) > 20


@pytest.mark.root
@ACTIONS
@MENDS
def test_after_a_kill_around_the_launcher_the_next_call_mends(action: str, mend: str):
    """The same where the launcher and its group come and go."""
    told = die(action, mend, LAUNCHER[action])
    assert len(told) == 1
    assert int(told[0].split()[0]) > 10
