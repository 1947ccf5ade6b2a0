"""Files that a user asked for are written completely or not at all."""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING

import pytest

from monitor.errors import OutputError
from monitor.system.files import atomic_files, blame_file, remove_unfinished, write_file, write_stream

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_completely(tmp_path: Path):
    """The new content is there, the old file is not written into, and nothing is left beside it."""
    file = tmp_path / "a.png"
    file.write_bytes(b"old")
    inode = file.stat().st_ino
    with file.open("rb") as reader:
        write_file(file, b"new")
        assert reader.read() == b"old"
    assert file.read_bytes() == b"new"
    assert file.stat().st_ino != inode
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_keeps_pointing_at_its_file(tmp_path: Path):
    """What a link points at is replaced, not the link."""
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.png"
    link.symlink_to("real/a.png")
    write_file(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "a.png").read_bytes() == b"new"


def test_a_device_is_written_to_not_replaced(tmp_path: Path):
    """A pipe stays a pipe: even root does not lose /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_file(pipe, b"new")
    assert os.read(reader, 9) == b"new"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/a.png", "there is no folder .*missing; make it first"),
        ("file/a.png", "Not a directory; name another file"),
        (".", "Is a directory; name another file"),
        ("loop", "(oop|levels).*; name another file"),
    ],
)
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str, reason: str):
    """One line names the file, the reason and the fix; nothing is left behind."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match=reason) as caught:
        write_file(tmp_path / name, b"new")
    assert str(tmp_path / name) in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_is_reported(tmp_path: Path):
    """A device without room is named; /dev/full is one."""
    link = tmp_path / "full.png"
    link.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        write_file(link, b"new")


def test_a_full_stream_is_reported():
    """Standard output that cannot take the bytes is an error of one line."""
    full = io.FileIO("/dev/full", "wb")
    with full, pytest.raises(OutputError, match="No space left"):
        write_stream(full, b"new")


def test_a_reader_that_left_is_no_error_of_ours():
    """A broken pipe stays what it is: the command line ends quietly."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with io.FileIO(write_end, "wb") as pipe, pytest.raises(BrokenPipeError):
        write_stream(pipe, b"new")


def test_a_stream_gets_all_bytes():
    """What is written arrives."""
    stream = io.BytesIO()
    write_stream(stream, b"new")
    assert stream.getvalue() == b"new"


def test_files_that_belong_together_are_there_together(tmp_path: Path):
    """None takes its place before all are written; the first is there first."""
    first, second = tmp_path / "a", tmp_path / "b"
    with atomic_files([first, second]) as opened:
        for file_object in opened:
            file_object.write(b"new")
        assert not first.exists()
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"new")
    assert first.stat().st_ctime_ns <= second.stat().st_ctime_ns


def write_both(first: Path, second: Path) -> None:
    """Write to both, the second in vain."""
    with atomic_files([first, second]) as opened:
        opened[0].write(b"new")
        with blame_file(second, opened[1]):
            opened[1].write(b"new")


def test_one_that_fails_takes_the_others_along(tmp_path: Path):
    """The error names the one that had no room, the other keeps what it was, and nothing is left beside them."""
    first, full = tmp_path / "a", tmp_path / "full"
    first.write_bytes(b"old")
    full.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="full: cannot be written: No space"):
        write_both(first, full)
    assert first.read_bytes() == b"old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "full"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path):
    """Only unfinished files of processes that are gone: those of one that writes and anybody else's stay."""
    for name in (".a.png.4999999.part", f".a.png.{os.getpid()}.part", ".mine.part", "a.png.4999999.part", "a.png"):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        f".a.png.{os.getpid()}.part",
        ".mine.part",
        "a.png.4999999.part",
        "a.png",
    }
