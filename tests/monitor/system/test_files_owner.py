"""What root creates in a user's folder belongs to that user; nothing changes for a plain user."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt

from monitor.store import database_file, spool
from monitor.system import files

if TYPE_CHECKING:
    from pathlib import Path

ANN = 4001


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of ann's, or of the plain user who runs this."""
    owned = tmp_path / "ann"
    owned.mkdir()
    if os.geteuid() == 0:
        os.chown(owned, ANN, ANN)
    return owned


def owners(*paths: Path) -> set[tuple[int, int]]:
    """Return who owns the paths, by number of user and group."""
    return {(path.stat().st_uid, path.stat().st_gid) for path in paths}


def test_folders_on_the_way_belong_to_the_owner(folder: Path):
    """Each that has to be made does, not only the last."""
    files.make_folder(folder / "state" / "home", 0o700)
    assert owners(folder / "state", folder / "state" / "home") == owners(folder)
    assert (folder / "state" / "home").stat().st_mode & 0o777 == 0o700


def test_what_is_there_is_left_alone(folder: Path):
    """Neither a folder nor a file that somebody made changes hands or content."""
    (folder / "mine").mkdir()
    (folder / "file").write_text("kept")
    before = owners(folder / "mine", folder / "file")
    files.make_folder(folder / "mine", 0o700)
    files.make_file(folder / "file")
    assert owners(folder / "mine", folder / "file") == before
    assert (folder / "file").read_text() == "kept"


def test_a_new_database_belongs_to_the_owner(folder: Path):
    """The file is made empty, which SQLite takes for a new database."""
    database_file.make_file(folder / "line" / "speedmon.db")
    assert owners(folder / "line" / "speedmon.db") == owners(folder)


def test_the_note_of_a_running_test_belongs_to_the_owner(folder: Path):
    """If root's test is killed, the owner's next run can make a row of what root noted."""
    with spool.started_note(folder / "spool", make_attempt()):
        (note,) = (folder / "spool").iterdir()
        assert owners(note, note.parent) == owners(folder)


def test_a_spooled_run_can_be_stored_by_the_owner(folder: Path):
    """The file and its folder, so that a later plain run reads it and takes it away."""
    file = spool.save_attempt(folder / "spool", make_attempt())
    assert owners(file, file.parent) == owners(folder)


def test_a_picture_belongs_to_the_owner(folder: Path):
    """What root draws into somebody's folder is that somebody's, who can then draw it anew."""
    files.write_file(folder / "latest-30d.png", b"new")
    assert owners(folder / "latest-30d.png") == owners(folder)
