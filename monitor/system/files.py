"""Writes files completely or not at all, for the owner of the folder they lie in.

An older file is never half overwritten. What root creates belongs to the owner of its folder, so that a run with sudo
does not lock a plain user out; SQLite does the same for the files that it creates next to a database.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO


# An unfinished file is called .NAME.PID.part.
PART_SUFFIX = ".part"


def write_file(file: Path, content: bytes) -> None:
    """Write `content` to a temporary file and rename it to `file`; a device or pipe is written to directly.

    Raises:
        OutputError: the file cannot be written, or the disk is full; an older file is untouched.
    """
    with atomic_file(file) as opened:
        opened.write(content)


@contextmanager
def atomic_file(file: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file to write to; it replaces `file` at the end, unless an exception was raised.

    Raises:
        OutputError: as `write_file`.
    """
    with blame_file(file):
        target = file.resolve()
        if target.is_symlink():  # from Python 3.13 on, `resolve` leaves a loop of links as it is
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(file))
        # A rename would replace /dev/null itself.
        with (
            _open_in_place(target) if target.exists() and not target.is_file() else _open_replacement(target) as opened
        ):
            yield opened


@contextmanager
def atomic_files(files: Sequence[Path]) -> Iterator[list[BinaryIO]]:
    """Yield files that belong together: they replace the old ones in this order, once all are written.

    Write to each of them within `blame_file`, so that an error names the right one, and comes before any is replaced.

    Raises:
        OutputError: as `write_file`.
    """
    with ExitStack() as stack:
        # An exit stack closes its contexts in reverse order.
        yield [stack.enter_context(atomic_file(file)) for file in reversed(files)][::-1]


@contextmanager
def blame_file(file: Path, opened: BinaryIO | None = None) -> Iterator[None]:
    """Turn an OSError into an OutputError that names the file; `opened` is flushed to catch its errors here too."""
    try:
        yield
        if opened:
            opened.flush()
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        if not file.parent.exists():
            raise OutputError(f"{file}: cannot be written: there is no folder {file.parent}; make it first") from error
        raise OutputError(f"{file}: cannot be written: {_error_text(error)}; name another file") from error


def remove_unfinished(folder: Path) -> None:
    """Remove the unfinished files of processes that were killed while writing to a folder; others' files stay.

    Raises:
        OSError: one cannot be removed.
    """
    for unfinished in folder.glob(f".*{PART_SUFFIX}"):
        pid = unfinished.name.removesuffix(PART_SUFFIX).rpartition(".")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            unfinished.unlink(missing_ok=True)


def write_stream(stream: BinaryIO, content: bytes) -> None:
    """Write `content` to an open stream such as standard output.

    Raises:
        OutputError: the disk is full. A closed pipe raises BrokenPipeError as usual.
    """
    try:
        stream.write(content)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output: cannot be written: {_error_text(error)}") from error


def _open_in_place(target: Path) -> BinaryIO:
    return target.open("wb")


@contextmanager
def _open_replacement(target: Path) -> Iterator[BinaryIO]:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}{PART_SUFFIX}")
    try:
        with unfinished.open("wb") as opened:
            give_to_folder_owner(opened.fileno(), unfinished)
            yield opened
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _error_text(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def make_file(file: Path) -> None:
    """Create an empty file where there is none, for the owner of its folder.

    Raises:
        OSError: it cannot be created.
    """
    with suppress(FileExistsError):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            give_to_folder_owner(descriptor, file)
        finally:
            os.close(descriptor)


def make_folder(folder: Path, mode: int) -> None:
    """Create a folder where there is none, and those above it, for the owner of the folder that holds it.

    Raises:
        OSError: it cannot be created.
    """
    if folder.is_dir():
        return
    if not folder.parent.exists():
        make_folder(folder.parent, 0o755)
    folder.mkdir(mode=mode, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        give_to_folder_owner(descriptor, folder)
    finally:
        os.close(descriptor)


def give_to_folder_owner(descriptor: int, path: Path) -> None:
    """Give an open file, which was just created at `path`, to the owner of its folder; does nothing unless root."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
