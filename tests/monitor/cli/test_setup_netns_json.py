"""setup-netns and teardown-netns with --json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from home_network import HomeNetwork


def ask(home: HomeNetwork, *arguments: str) -> dict[str, Any]:
    """Return the object that a command prints; it prints nothing else."""
    done = home.speedmon(*arguments, "--json")
    assert done.stderr == ""
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_set_up_and_removed(home: HomeNetwork):
    """One object has the namespace, whether anything changed, the steps, the notes, and uplink and subnet."""
    made = ask(home, "setup-netns", "--no-launcher")
    assert (made["namespace"], made["changed"], made["steps"][0]) == ("ip4only", True, "ip netns add ip4only")
    assert made["notes"] == []
    used = {"uplink": "eth0", "router": "203.0.113.1", "mtu": 1500, "subnet": "192.168.200.0/24"}
    assert used.items() <= made.items()
    again = ask(home, "setup-netns", "--no-launcher")
    assert again == {**made, "changed": False, "steps": []}
    removed = ask(home, "teardown-netns")
    assert removed["changed"]
    assert "ip netns delete ip4only" in removed["steps"]
    assert ask(home, "teardown-netns") == {**removed, "changed": False, "steps": []}


def test_dry_run_changes_nothing(home: HomeNetwork):
    """With --dry-run the steps are those that would be done."""
    before = home.snapshot()
    dry = ask(home, "setup-netns", "--no-launcher", "--dry-run")
    assert (dry["changed"], dry["dry_run"]) == (False, True)
    assert home.snapshot() == before
    assert dry["steps"] == ask(home, "setup-netns", "--no-launcher")["steps"]
    assert ask(home, "teardown-netns", "--dry-run")["steps"] == ask(home, "teardown-netns")["steps"]


def test_note_is_in_the_object(home: HomeNetwork):
    """The notes for the user are in the object."""
    home.shell("mkdir -p /etc/netns/ip4only; echo 'nameserver 9.9.9.9' > /etc/netns/ip4only/resolv.conf")
    document = ask(home, "setup-netns", "--no-launcher")
    assert document["notes"] == ["/etc/netns/ip4only/resolv.conf was not written by speedmon and was kept"]


def test_error_stays_a_line(home: HomeNetwork):
    """A failure prints no object but its line, and ends with its exit code."""
    home.shell("ip route delete default")
    failed = home.speedmon("setup-netns", "--json", check=False)
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (5, "", 1)
