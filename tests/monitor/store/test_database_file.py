"""What keeps a run from being stored is found before the test starts, without importing sqlalchemy."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from monitor.config.load import mask_password
from monitor.errors import StoreError
from monitor.store.database_file import ensure_writable, sqlite_path

if TYPE_CHECKING:
    from pathlib import Path

    from private_machine import PrivateMachine

ASK = """
import json, sys
from monitor.errors import StoreError
from monitor.store.database_file import ensure_writable
try:
    ensure_writable(sys.argv[1])
    answer = None
except StoreError as error:
    answer = str(error)
print(json.dumps([answer, "sqlalchemy" in sys.modules]))
"""


def test_a_new_database_can_be_made(tmp_path: Path):
    """The directory is made, the file is left to the store."""
    ensure_writable(f"sqlite:///{tmp_path}/a/b/speedmon.db")
    assert [*(tmp_path / "a" / "b").iterdir()] == []


def test_a_database_that_is_there_is_not_touched(tmp_path: Path):
    """An existing file is judged and not opened."""
    file = tmp_path / "speedmon.db"
    file.write_text("as it was")
    ensure_writable(f"sqlite:///{file}")
    assert file.read_text() == "as it was"


def test_other_databases_are_asked_later():
    """A PostgreSQL that cannot be reached does not prevent a test."""
    ensure_writable("postgresql+psycopg://joe@db.invalid/speedmon")


def test_a_directory_in_the_place_of_the_file(tmp_path: Path):
    """The message names it."""
    with pytest.raises(StoreError, match=f"{tmp_path}: is a directory: run as its owner, or set"):
        ensure_writable(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize(("below", "words"), [("", "is not a directory"), ("/deeper", "Not a directory")])
def test_a_file_in_the_place_of_the_directory(tmp_path: Path, below: str, words: str):
    """The message says that no directory can be made there."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=f"{tmp_path}/file{below}: .*{words}"):
        ensure_writable(f"sqlite:///{tmp_path}/file{below}/speedmon.db")


def test_a_read_only_file_system(machine: PrivateMachine):
    """For root, whom no permission bits stop, a read-only file system is an error; SQLAlchemy is not imported."""
    machine.run(["sh", "-c", "mkdir /run/state && mount -t tmpfs -o ro state /run/state"])
    answer, imported = json.loads(machine.python(ASK, "sqlite:////run/state/speedmon.db").stdout)
    assert "its directory cannot be written (read-only file system)" in answer
    assert not imported


@pytest.mark.root
@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("mkdir /run/state", "/run/state/speedmon.db: its directory cannot be written (permission denied)"),
        ("mkdir -m 777 /run/state; touch /run/state/speedmon.db", "speedmon.db: cannot be written (permission denied)"),
        ("true", "/run/state: cannot be created: Permission denied"),
    ],
)
def test_permissions(machine: PrivateMachine, build: str, words: str):
    """For a plain user, the error names the directory or file that belongs to somebody else."""
    machine.add_user("alice", 1234)
    machine.run(["sh", "-c", build])
    answer, _ = json.loads(machine.python(ASK, "sqlite:////run/state/speedmon.db", user="alice").stdout)
    assert words in answer


@pytest.mark.parametrize("url", ["", "speedmon.db", "/var/lib/speedmon.db", "sqlite:/x.db", "sqlite://", "sqlite:///"])
def test_a_url_that_names_no_file_is_refused(url: str):
    """The message shows a URL that would do."""
    with pytest.raises(StoreError, match=r"sqlite:////var/lib/speedmon/speedmon\.db"):
        ensure_writable(url)


@pytest.mark.parametrize(
    "url", ["sqlite:////a/b.db", "sqlite:///b.db", "sqlite+pysqlite:////a/b.db", "sqlite:////a/b.db?timeout=9"]
)
def test_the_file_is_the_one_that_sqlalchemy_opens(url: str):
    """Both read a URL in the same way."""
    assert str(sqlite_path(url)) == make_url(url).database


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://joe:secret@host/db", "postgresql://joe:***@host/db"),
        ("postgresql://joe:se/c:r?et@host/db", "postgresql://joe:***@host/db"),
        ("postgresql://joe:se@cret@host/db", "postgresql://joe:***@host/db"),
        ("postgresql://host/db?user=joe&password=secret&x=1", "postgresql://host/db?user=joe&password=***&x=1"),
        ("joe:secret@host", "joe:***@host"),
        ("postgresql://joe@host:5432/db", "postgresql://joe@host:5432/db"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("sqlite:////a@b/c.db", "sqlite:////a@b/c.db"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str):
    """Only the password of a URL is left out."""
    assert mask_password(url) == shown


def test_nothing_heavy_is_imported(tmp_path: Path):
    """Preflight and spool cost no import of sqlalchemy."""
    code = (
        "import monitor.store.database_file; import monitor.store.spool; import sys; print('sqlalchemy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "False\n"
