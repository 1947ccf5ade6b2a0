"""One test at a time: the lock holds between processes and users, follows no link, and dies with its holder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.system.lock import hold_lock, is_held

HOLDER = """
import sys
from monitor.system.lock import hold_lock
with hold_lock(sys.argv[1]) as held:
    print(held, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the name of a lock file that does not exist yet."""
    return str(tmp_path / "speedmon.lock")


def holder(file: str) -> subprocess.Popen[bytes]:
    """Start another process that holds the lock until its stdin is closed."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"True\n"
    return process


def test_second_holder_is_refused(file: str) -> None:
    """While one holds the lock another cannot take it, and it is free again afterwards."""
    with hold_lock(file) as first, hold_lock(file) as second:
        assert (first, second) == (True, False)
    with hold_lock(file) as third:
        assert third


def test_held_between_processes_and_freed_by_death(file: str) -> None:
    """Another process's lock counts until that process dies, however it dies."""
    with holder(file) as other:
        with hold_lock(file) as held:
            assert not held
        other.kill()
        other.wait()
        with hold_lock(file) as held:
            assert held


def test_children_do_not_inherit_it(file: str) -> None:
    """A child that outlives the holder does not hold the lock."""
    with hold_lock(file):
        command = ["/bin/sh", "-c", "echo; exec sleep 600"]
        child = subprocess.Popen(command, close_fds=False, stdout=subprocess.PIPE)
        assert child.stdout
        child.stdout.readline()  # it runs its own program now
    try:
        with hold_lock(file) as held:
            assert held
    finally:
        child.kill()
        child.communicate()


def test_file_can_be_opened_by_others(file: str) -> None:
    """Whatever the umask, other users can open the file that was made."""
    before = os.umask(0o077)
    try:
        with hold_lock(file):
            assert Path(file).stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_unwritable_file_of_another_user_is_enough(file: str) -> None:
    """A file that may only be read can be locked."""
    Path(file).touch(0o444)
    with hold_lock(file) as held:
        assert held


def test_every_shared_file_counts(tmp_path: Path) -> None:
    """Without a configured file, whoever holds any of the shared ones holds all who can open it."""
    first, second = (str(tmp_path / name) for name in ("a", "b"))
    with hold_lock("", (second,)), hold_lock("", (first, second)) as held:
        assert not held


def test_shared_file_that_cannot_be_had_is_left_out(tmp_path: Path) -> None:
    """A shared file in a missing directory is left out, the next one will do."""
    shared = (str(tmp_path / "missing" / "a"), str(tmp_path / "b"))
    with hold_lock("", shared) as first, hold_lock("", shared) as second:
        assert (first, second) == (True, False)


@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "missing directory", "NUL"])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: str) -> None:
    """A link is not followed, a FIFO not waited for, and the message names the file and the fix."""
    place = tmp_path / "lock"
    match kind:
        case "link":
            place.symlink_to(tmp_path / "victim")
        case "fifo":
            os.mkfifo(place)
        case "directory":
            place.mkdir()
        case "missing directory":
            place = tmp_path / "missing" / "lock"
        case _:
            place = tmp_path / "a\0b"
    with pytest.raises(UsageError, match=r"no lock file can be opened .*collect\.lock_file"), hold_lock(str(place)):
        pass
    assert not (tmp_path / "victim").exists()


def test_whether_it_is_held_can_be_read_without_taking_it(file: str) -> None:
    """Another process's lock counts while it lasts; a file that nobody holds, or that does not exist, is free."""
    assert not is_held(file)
    with holder(file) as other:
        assert is_held(file)
        other.kill()
        other.wait()
        assert not is_held(file)


def test_looking_turns_nobody_away(file: str) -> None:
    """Asking holds nothing, so a test that starts then gets the lock; one held file of the shared ones counts."""
    with hold_lock(file) as held:
        assert held
        assert is_held("", ("/nowhere/else", file))


def test_a_kernel_that_does_not_tell_is_an_error(tmp_path: Path, file: str) -> None:
    """Where the list of locks cannot be read, nobody knows, and that is said."""
    with pytest.raises(
        UsageError, match="locks: cannot be read, so it is not known whether a test is running: No such file"
    ):
        is_held(file, holders=str(tmp_path / "locks"))
