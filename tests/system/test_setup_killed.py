"""Set-up and teardown killed with SIGKILL in each state that they pass through: the next call finds its way."""

from __future__ import annotations

import sys

import pytest
from home_network import HomeNetwork
from places import SUPPORT

KILLS = str(SUPPORT / "killed_setups.py")

# A name server's host on which nothing listens: the trial of the name servers ends at once.
SILENT_SERVER = "ip -n isp address add 203.0.113.53/32 dev far"


def kill_in_each_state(*first_steps: str) -> tuple[int, int]:
    """Kill in each state in turn, on a machine of its own; return how many set-ups and teardowns were killed."""
    with HomeNetwork() as home:
        home.shell(SILENT_SERVER)
        setups, teardowns = home.run([sys.executable, KILLS, *first_steps], timeout=3600).stdout.split()
    return int(setups), int(teardowns)


def test_after_a_kill_the_next_call_repairs():
    """After a kill of either in any state, set-up repairs everything, and a teardown leaves no trace."""
    setups, teardowns = kill_in_each_state()
    assert setups > 40
    assert teardowns > 15


@pytest.mark.root
def test_after_a_kill_around_the_launcher_the_next_call_repairs():
    """The same for the steps on the launcher and its group."""
    setups, teardowns = kill_in_each_state("groupadd", "rm /usr/local/bin/")
    assert setups > 5
    assert teardowns > 5
