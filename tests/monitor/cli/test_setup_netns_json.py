"""setup-netns and teardown-netns with --json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from home_network import HomeNetwork


def ask(street: HomeNetwork, *arguments: str) -> dict[str, Any]:
    """Return the object that a command prints; it prints nothing else."""
    done = street.speedmon(*arguments, "--json")
    assert done.stderr == ""
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_set_up_and_removed(street: HomeNetwork):
    """One object has the namespace, whether anything changed, the steps, the notes, and uplink and subnet."""
    made = ask(street, "setup-netns", "--no-launcher")
    assert (made["namespace"], made["changed"], made["steps"][0]) == ("ip4only", True, "ip netns add ip4only")
    assert made["notes"] == []
    used = {"uplink": "eth0", "router": "203.0.113.1", "mtu": 1500, "subnet": "192.168.200.0/24"}
    assert used.items() <= made.items()
    again = ask(street, "setup-netns", "--no-launcher")
    assert again == {**made, "changed": False, "steps": []}
    removed = ask(street, "teardown-netns")
    assert removed["changed"]
    assert "ip netns delete ip4only" in removed["steps"]
    assert ask(street, "teardown-netns") == {**removed, "changed": False, "steps": []}


def test_dry_run_changes_nothing(street: HomeNetwork):
    """With --dry-run the steps are those that would be done."""
    before = street.snapshot()
    dry = ask(street, "setup-netns", "--no-launcher", "--dry-run")
    assert (dry["changed"], dry["dry_run"]) == (False, True)
    assert street.snapshot() == before
    assert dry["steps"] == ask(street, "setup-netns", "--no-launcher")["steps"]
    assert ask(street, "teardown-netns", "--dry-run")["steps"] == ask(street, "teardown-netns")["steps"]


def test_note_is_in_the_object(street: HomeNetwork):
    """The notes for the user are in the object."""
    street.shell("mkdir -p /etc/netns/ip4only; echo 'nameserver 9.9.9.9' > /etc/netns/ip4only/resolv.conf")
    document = ask(street, "setup-netns", "--no-launcher")
    assert document["notes"] == ["/etc/netns/ip4only/resolv.conf was not written by speedmon and was kept"]


def test_error_stays_a_line(street: HomeNetwork):
    """A failure prints no object but its line, and ends with its exit code."""
    street.shell("ip route delete default")
    failed = street.speedmon("setup-netns", "--json", check=False)
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (5, "", 1)
