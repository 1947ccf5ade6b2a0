"""The journal of what was done, and the lock around it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from netns import journal
from netns.errors import StepError
from netns.state import Journal

if TYPE_CHECKING:
    from pathlib import Path

FULL = Journal(
    "boot", {"net/ipv4/conf/eth0/forwarding": "0"}, "a", "b", made_group=True, made_directories=("/etc/netns",)
)


def test_journal_survives_the_file(tmp_path: Path):
    """What is saved is loaded again, complete."""
    journal.save_journal("ip4only", FULL, tmp_path)
    assert journal.load_journal("ip4only", tmp_path) == FULL


def test_no_file_is_an_empty_journal(tmp_path: Path):
    """Before the first set-up nothing was done."""
    assert journal.load_journal("ip4only", tmp_path) == Journal()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sysctls": 7}', '{"made_directories": [1]}'])
def test_damaged_file_is_named(tmp_path: Path, text: str):
    """A journal that cannot be read is an error that names the file, not an empty journal."""
    (tmp_path / "speedmon-netns-ip4only.json").write_text(text)
    with pytest.raises(StepError, match=r"ip4only\.json is damaged"):
        journal.load_journal("ip4only", tmp_path)


def test_removal_leaves_nothing_behind(tmp_path: Path):
    """Nothing is left, nor what a call left that was killed while it wrote; another namespace's journal stays."""
    journal.save_journal("ip4only", FULL, tmp_path)
    journal.save_journal("wan2", FULL, tmp_path)
    (tmp_path / ".speedmon-netns-ip4only.json").write_text("{")
    journal.remove_journal("ip4only", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["speedmon-netns-wan2.json"]


def test_journals_of_other_namespaces_are_read(tmp_path: Path):
    """The journals of the other namespaces are returned, without one's own."""
    journal.save_journal("ip4only", FULL, tmp_path)
    assert journal.load_other_journals("ip4only", tmp_path) == ()
    assert journal.load_other_journals("wan2", tmp_path) == (FULL,)


def test_lock_lets_one_in_at_a_time(tmp_path: Path):
    """Four callers at once enter one after the other, and the file is removed at the end."""
    lock, inside, most = tmp_path / "lock", [], []

    def enter() -> None:
        for _ in range(50):
            with journal.hold_lock(lock):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (200, 1)
    assert not lock.exists()
