"""A finished run is not lost: not by a full disk, a locked or broken database, or a crash between two steps."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import msgspec
import pytest
from example_runs import START, any_attempt, make_attempt, run_id
from hypothesis import given

from monitor.errors import StoreError, StoreRejectedError
from monitor.store import read, spool
from monitor.store.connection import open_reader
from monitor.store.database_file import database_key
from monitor.store.deliver import deliver_attempt, drain_spool
from monitor.system import files

if TYPE_CHECKING:
    from pathlib import Path

    from private_machine import PrivateMachine

    from monitor.model import Attempt

SHM = "/dev/shm"  # noqa: S108  that of a private machine

FALLBACK = f"{SHM}/speedmon-0"

KEEP = """
import sys, msgspec
from pathlib import Path
from monitor.errors import StoreError
from monitor.model import Attempt
from monitor.store.deliver import deliver_attempt
attempt = msgspec.json.decode(sys.argv[1], type=Attempt)
try:
    deliver_attempt(attempt, "sqlite:////run/state/speedmon.db", Path(sys.argv[2]))
except StoreError as error:
    sys.exit(f"{type(error).__name__} {error.exit_code}: {error}")
"""

IDS = """
import sqlite3
from contextlib import closing
with closing(sqlite3.connect("/run/state/speedmon.db")) as connection:
    for row in connection.execute("SELECT id FROM runs ORDER BY started_at"):
        print(row[0])
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a spool directory that is not there yet."""
    return tmp_path / "state" / "spool"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a database that is not there yet."""
    return f"sqlite:///{tmp_path}/speedmon.db"


def stored(url: str) -> list[str]:
    """Return the ids of the stored runs, newest first."""
    with open_reader(url) as connection:
        return [run.id for run in read.latest_runs(connection, limit=100)]


def waiting(directory: Path) -> list[str]:
    """Return the names of the files in a spool and its folders, but for the names of databases."""
    return [file.name for file in directory.rglob("*") if file.is_file() and file.name != spool.NAME_FILE]


@given(any_attempt)
def test_every_attempt_survives_its_file(tmp_path_factory: pytest.TempPathFactory, one: Attempt):
    """What is loaded equals what was saved, raw output and plan included."""
    directory = tmp_path_factory.mktemp("spool")
    file = spool.save_attempt(directory, one)
    assert spool.load_attempts(directory) == [(file, one)]


def test_files_are_loaded_in_the_order_of_their_runs(directory: Path):
    """The oldest run comes first, whatever its file is called."""
    for minute in (2, 0, 1):
        spool.save_attempt(directory, make_attempt(minute))
    assert [one.run.started_at.minute - START.minute for _, one in spool.load_attempts(directory)] == [0, 1, 2]


def test_only_the_owner_reads_the_spool(directory: Path):
    """The directory is made with mode 0700."""
    spool.save_attempt(directory, make_attempt())
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_dropped_file_can_be_dropped_again(directory: Path):
    """Two processes may drain one spool at once."""
    file = spool.save_attempt(directory, make_attempt())
    spool.remove_file(file)
    spool.remove_file(file)
    assert spool.load_attempts(directory) == []


def test_a_spool_that_was_never_used_is_empty(directory: Path):
    """No directory means no run."""
    assert spool.load_attempts(directory) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"run": {"id": 7}}'])
def test_a_broken_file_is_reported_and_kept(directory: Path, caplog: pytest.LogCaptureFixture, content: bytes):
    """What cannot be read is renamed, reported once, and does not keep the others from being loaded."""
    one = make_attempt()
    spool.save_attempt(directory, one)
    (directory / "x.json").write_bytes(content)
    assert [attempt for _, attempt in spool.load_attempts(directory)] == [one]
    assert "x.broken: cannot be stored" in caplog.text
    assert (directory / "x.broken").read_bytes() == content


def test_an_unfinished_file_is_not_a_run(directory: Path):
    """What a crash left half written is not loaded."""
    spool.save_attempt(directory, make_attempt())
    (directory / f".{uuid.uuid4()}.part").write_text('{"run":')
    assert len(spool.load_attempts(directory)) == 1


def test_only_our_own_closed_directory_is_private(tmp_path: Path):
    """A directory that others may enter, a link and a file are not trusted with a run, nor read for one."""
    for name, mode in (("closed", 0o700), ("open", 0o750), ("writable", 0o777)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    (tmp_path / "link").symlink_to(tmp_path / "closed")
    (tmp_path / "file").touch(0o600)
    private = [entry.name for entry in tmp_path.iterdir() if files.is_private_folder(entry)]
    assert private == ["closed"]
    with pytest.raises(PermissionError):
        files.make_private_folder(tmp_path / "open")


def test_a_kept_run_is_in_the_store_and_no_longer_in_the_spool(directory: Path, url: str):
    """The file is only a step on the way."""
    one = make_attempt()
    deliver_attempt(one, url, directory)
    assert (stored(url), waiting(directory)) == ([one.run.id], [])


def test_what_earlier_runs_left_is_stored_as_well(directory: Path, url: str):
    """A run that was spooled before a crash comes with the next one."""
    left, now = make_attempt(0), make_attempt(60)
    spool.save_attempt(directory, left)
    deliver_attempt(now, url, directory)
    assert (stored(url), waiting(directory)) == ([now.run.id, left.run.id], [])


def test_a_file_whose_run_is_stored_already_is_dropped(directory: Path, url: str):
    """A crash between storing and dropping makes no second row."""
    one = make_attempt()
    deliver_attempt(one, url, directory)
    spool.save_attempt(directory, one)
    assert (drain_spool(url, directory), stored(url), waiting(directory)) == (1, [one.run.id], [])


def test_a_broken_database_keeps_the_run_in_the_spool(directory: Path, url: str, tmp_path: Path):
    """The error names the file of the run; once the database is away the next run stores both."""
    (tmp_path / "speedmon.db").write_text("garbage" * 100)
    with pytest.raises(StoreError, match=f"the run was measured and is kept in {directory}/.*; the next run stores it"):
        deliver_attempt(make_attempt(0), url, directory)
    (tmp_path / "speedmon.db").unlink()
    deliver_attempt(make_attempt(1), url, directory)
    assert len(stored(url)) == 2


def test_a_run_that_the_schema_refuses_is_set_aside(directory: Path, url: str):
    """It is kept under another name and does not stand in the way of the next one."""
    with pytest.raises(StoreRejectedError, match=r"the run was measured and is kept in .*\.broken$"):
        deliver_attempt(make_attempt(id=run_id("odd"), download_bps=-1), url, directory)
    deliver_attempt(make_attempt(id=run_id("good")), url, directory)
    assert (stored(url), waiting(directory)) == ([run_id("good")], [f"{run_id('odd')}.broken"])


def test_a_refused_run_of_earlier_times_is_set_aside(directory: Path, url: str, caplog: pytest.LogCaptureFixture):
    """Draining goes on with the others."""
    for minute, rate in enumerate((-1, 1)):
        spool.save_attempt(directory, make_attempt(minute, id=run_id(f"run{minute}"), download_bps=rate))
    assert (drain_spool(url, directory), stored(url)) == (1, [run_id("run1")])
    refused = run_id("run0")
    assert f"{refused}.broken: cannot be stored (run {refused} cannot be stored: CHECK constraint" in caplog.text


@pytest.mark.parametrize("moment", ["spooled", "stored"])
def test_a_process_that_is_killed_loses_nothing(directory: Path, url: str, moment: str):
    """Killed after the file or after the commit, the run is stored once when the next one is kept."""
    step = {
        "spooled": "spool.save_attempt(d, a)",
        "stored": "spool.save_attempt(d, a); deliver._store_attempt(a, sys.argv[2])",
    }[moment]
    code = (
        "import os, sys, pathlib, msgspec; from monitor.store import spool; from monitor.model import Attempt;"
        " from monitor.store import deliver; a = msgspec.json.decode(sys.argv[1], type=Attempt);"
        f" d = pathlib.Path(sys.argv[3]); {step}; os.kill(os.getpid(), 9)"
    )
    killed = make_attempt(0)
    text = msgspec.json.encode(killed).decode()
    done = subprocess.run([sys.executable, "-c", code, text, url, str(directory)], check=False)
    assert done.returncode == -9
    deliver_attempt(make_attempt(1), url, directory)
    assert stored(url)[1:] == [killed.run.id]


def keep_in(machine: PrivateMachine, one: Attempt, spool_dir: str = "/run/state/spool") -> tuple[int, str]:
    """Keep an attempt on the private machine; return the exit code and what was said."""
    done = machine.python(KEEP, msgspec.json.encode(one).decode(), spool_dir, check=False)
    return done.returncode, done.stderr


def full_disk(machine: PrivateMachine) -> None:
    """Give the private machine a small disk that holds a database and has no room left, and a /dev/shm of its own."""
    machine.run(["sh", "-c", "mkdir /run/state && mount -t tmpfs -o size=1m state /run/state"])
    machine.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "shm", SHM])
    assert keep_in(machine, make_attempt(0)) == (0, "")
    machine.run(["sh", "-c", "cat /dev/zero >/run/state/filler"], check=False)


def ids_in(machine: PrivateMachine) -> list[str]:
    """Return the ids in the database of the private machine."""
    return machine.python(IDS).stdout.split()


def test_a_full_disk_loses_no_run(machine: PrivateMachine):
    """The run waits in memory, the message says where, and the next run with room stores it."""
    full_disk(machine)
    code, words = keep_in(machine, make_attempt(1, id=run_id("second")))
    assert (code, words.count("\n")) == (1, 1)
    assert words.startswith("StoreFullError 1: /run/state/speedmon.db: no space left on its device")
    folder = f"{FALLBACK}/{database_key('sqlite:////run/state/speedmon.db')}"
    assert f"kept in {folder}/{run_id('second')}.json (in memory: a reboot loses it)" in words
    machine.run(["rm", "/run/state/filler"])
    assert keep_in(machine, make_attempt(2, id=run_id("third"))) == (0, "")
    assert ids_in(machine)[1:] == [run_id("second"), run_id("third")]
    left = machine.run(["find", FALLBACK, "/run/state/spool", "-type", "f", "!", "-name", "database"])
    assert left.stdout == ""


def test_a_full_spool_does_not_matter_while_the_store_has_room(machine: PrivateMachine):
    """The run goes by way of memory."""
    full_disk(machine)
    machine.run(["sh", "-c", "rm /run/state/filler; mkdir /run/full && mount -t tmpfs -o size=4k full /run/full"])
    machine.run(["sh", "-c", "cat /dev/zero >/run/full/filler"], check=False)
    assert keep_in(machine, make_attempt(1, id=run_id("second")), "/run/full/spool") == (0, "")
    assert ids_in(machine)[1:] == [run_id("second")]


def test_with_no_file_to_be_had_the_message_holds_the_run(machine: PrivateMachine):
    """Where neither disk nor memory takes it, the error line carries the run itself."""
    full_disk(machine)
    machine.run(["mount", "-o", "remount,bind,ro", SHM])
    code, words = keep_in(machine, make_attempt(1, id=run_id("second")))
    assert (code, words.count("\n")) == (1, 1)
    assert f'cannot be written to any file: {{"id":"{run_id("second")}","probe":"home"' in words


def test_a_fallback_of_another_user_is_not_used(machine: PrivateMachine):
    """A directory of our name that others can write to is neither written nor drained."""
    full_disk(machine)
    machine.run(["mkdir", "-m", "777", FALLBACK])
    assert "cannot be written to any file" in keep_in(machine, make_attempt(1))[1]
    assert machine.run(["ls", "-A", FALLBACK]).stdout == ""
