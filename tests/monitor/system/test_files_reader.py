"""What speedmon keeps for itself is read so that nothing can hold it up, lead it astray or fill its memory."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from monitor.errors import StateFileError
from monitor.system import state_files

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 1000


def make(file: Path, kind: str) -> None:
    """Put something in the place of a file."""
    match kind:
        case "a FIFO":
            os.mkfifo(file)
        case "a folder":
            file.mkdir()
        case "a link":
            (file.parent / "other").write_bytes(b"other")
            file.symlink_to("other")
        case "a socket":
            with closing(socket.socket(socket.AF_UNIX)) as listener:
                listener.bind(str(file))
        case "larger":
            file.write_bytes(bytes(LIMIT + 1))


@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a link", "a socket", "larger"])
def test_what_is_no_plain_small_file_is_refused_and_set_aside(tmp_path: Path, kind: str):
    """The error names it; afterwards its name is free, and it is kept."""
    file = tmp_path / "x.json"
    make(file, kind)
    before = file.lstat()
    with pytest.raises(StateFileError, match=rf"{file}: is {kind}"):
        state_files.read_file(file, LIMIT)
    assert state_files.set_aside(file) == tmp_path / "x.broken"
    assert not os.path.lexists(file)
    assert os.path.samestat((tmp_path / "x.broken").lstat(), before)


def test_what_was_set_aside_before_is_kept(tmp_path: Path):
    """A second one gets a name of its own."""
    for content in (b"1", b"2", b"3"):
        (tmp_path / "x.json").write_bytes(content)
        state_files.set_aside(tmp_path / "x.json")
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {b"1", b"2", b"3"}


def test_the_limit_itself_is_allowed(tmp_path: Path):
    """A file of exactly that size is read."""
    (tmp_path / "x").write_bytes(bytes(LIMIT))
    assert state_files.read_file(tmp_path / "x", LIMIT) == bytes(LIMIT)


@pytest.mark.root
def test_a_strangers_file_is_refused(tmp_path: Path):
    """Whoever can write to the folder cannot make us believe that the file is ours."""
    (tmp_path / "x").write_bytes(b"{}")
    os.chown(tmp_path / "x", 4001, 4001)
    with pytest.raises(StateFileError, match="belongs to user 4001, not to the owner of its folder"):
        state_files.read_file(tmp_path / "x", LIMIT)


@pytest.mark.root
def test_a_device_is_not_even_opened(tmp_path: Path):
    """Opening one can have effects, as that of a tape or a watchdog has."""
    link = tmp_path / "x"
    link.symlink_to("/dev/null")
    for path in (link, tmp_path.__class__("/dev/null")):
        with pytest.raises(StateFileError, match="not a regular file"):
            state_files.read_file(path, LIMIT)


def test_a_missing_file_is_missing(tmp_path: Path):
    """It is no error of its own."""
    with pytest.raises(FileNotFoundError):
        state_files.read_file(tmp_path / "x", LIMIT)
