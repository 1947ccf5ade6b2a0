"""All writing of files: completely or not at all, by the descriptor of the folder, as the owner of the folder.

An older file is never half overwritten. Whatever is created has a new random name until it is complete (`O_EXCL`, no
link is followed). Where root works in a folder that is not root's, everything is done as that folder's owner; see
`ownership`. `state_files` reads what lies in the state directory.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from monitor.errors import OutputError
from monitor.system.ownership import acting_as, nearest_owner, open_folder, open_place, user_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from monitor.system.ownership import Owner, Place


# An unfinished file is called .NAME.RANDOM.PID.part.
PART_SUFFIX = ".part"

# Whatever is created is new, and no link.
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# A name may have 255 bytes, and a character up to four.
_NAME_CHARS = 40


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
    with blame_file(file), replacing(file, mode=0o666) as descriptor, os.fdopen(os.dup(descriptor), "wb") as opened:
        yield opened
        opened.flush()


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
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not os.path.lexists(file.parent):
            raise OutputError(f"{file}: cannot be written: there is no folder {file.parent}; make it first") from error
        raise OutputError(
            f"{file}: cannot be written{_describe_owner(file)}: {_error_text(error)}; name another file"
        ) from error


def _describe_owner(file: Path) -> str:
    """Return as whom root tried to write, where that was another user."""
    owner = nearest_owner(file)
    return f" as {user_name(owner.uid)}, as whom root works in that user's folder" if owner else ""


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


def _error_text(error: OSError) -> str:
    return error.strerror or str(error)


def replace_file(file: Path, content: bytes, *, mode: int = 0o600, group: int | None = None, sync: bool = True) -> None:
    """Write a file completely or not at all, and sync it to disk; whatever has its name is replaced, but for a folder.

    `group` is a number, None for the usual one.

    Raises:
        OSError: it cannot be written; an older file is untouched.
    """
    with creating(file, mode=0o600 if group is not None else mode) as descriptor:
        write_all(descriptor, content)
        if group is not None:
            os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, mode)  # whatever the umask
        if sync:
            os.fsync(descriptor)


def update_file(file: Path, content: bytes) -> None:
    """Replace a file, if there is one, in one step; its mode, owner and group stay.

    Raises:
        OSError: it cannot be written; an older file is untouched.
    """
    with replacing(file, mode=0o644) as descriptor:
        write_all(descriptor, content)
        with suppress(FileNotFoundError):
            before = file.stat()
            os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


@contextmanager
def creating(file: Path, *, mode: int) -> Iterator[int]:
    """Yield the descriptor of a new file, which takes the name of `file` at the end of the block, unless that raises.

    Whatever has that name is replaced, links too, but for a folder.

    Raises:
        OSError: it cannot be created or renamed.
    """
    with open_place(file) as place, _new_file(place, mode) as descriptor:
        yield descriptor


@contextmanager
def scratch_file(folder: Path) -> Iterator[int]:
    """Yield the descriptor of an empty file in a folder, which is gone after the block.

    Raises:
        OSError: it cannot be created.
    """
    with open_folder(folder) as place:
        with acting_as(place.owner):
            name = _unfinished_name("scratch")
            descriptor = os.open(name, CREATE & ~os.O_WRONLY | os.O_RDWR, 0o600, dir_fd=place.folder)
            os.unlink(name, dir_fd=place.folder)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def replacing(file: Path, *, mode: int) -> Iterator[int]:
    """Do as `creating`, but follow a link whose owner may lead us; a device or pipe is yielded itself.

    Raises:
        OSError: it cannot be created or renamed.
    """
    with open_place(file, follow=True) as place:
        if not _is_replaceable(place):
            descriptor = _open_in_place(place)
            try:
                yield descriptor
            finally:
                os.close(descriptor)
            return
        with _new_file(place, mode) as descriptor:
            yield descriptor


@contextmanager
def _new_file(place: Place, mode: int) -> Iterator[int]:
    unfinished = _unfinished_name(place.name)
    with acting_as(place.owner):
        descriptor = os.open(unfinished, CREATE, mode, dir_fd=place.folder)
    try:
        yield descriptor
        with acting_as(place.owner):
            os.rename(unfinished, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    except BaseException:
        with acting_as(place.owner), suppress(OSError):
            os.unlink(unfinished, dir_fd=place.folder)
        raise
    finally:
        os.close(descriptor)


def _unfinished_name(name: str) -> str:
    return f".{name[:_NAME_CHARS]}.{os.urandom(8).hex()}.{os.getpid()}{PART_SUFFIX}"


def _is_replaceable(place: Place) -> bool:
    """Whether a place is free, or has a regular file that a rename replaces; it must not replace /dev/null.

    Raises:
        IsADirectoryError: there is a folder.
    """
    try:
        with acting_as(place.owner):
            mode = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return True
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return stat.S_ISREG(mode)


def _open_in_place(place: Place) -> int:
    """Open a device, a pipe, or a link of /proc such as /dev/stdout for writing.

    Raises:
        PermissionError: another user put it there, who could hold root up with it.
    """
    if place.owner:
        raise PermissionError(errno.EPERM, "is neither a file nor free")
    return os.open(place.name, os.O_WRONLY | os.O_TRUNC | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=place.folder)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content` to a descriptor.

    Raises:
        OSError: there is no space.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def make_file(file: Path, mode: int = 0o644, *, exist_ok: bool = True) -> None:
    """Create an empty file where there is none, as the owner of its folder.

    Raises:
        FileExistsError: there is one, and `exist_ok` is False.
        OSError: it cannot be created.
    """
    with open_place(file, follow=True) as place, acting_as(place.owner):
        try:
            os.close(os.open(place.name, CREATE, mode, dir_fd=place.folder))
        except FileExistsError:
            if not exist_ok:
                raise


def make_folder(folder: Path, mode: int) -> None:
    """Create a folder where there is none, and those above it, each as the owner of the folder that holds it.

    Raises:
        FileExistsError: something else has its place.
        OSError: it cannot be created.
    """
    if _is_folder(folder):
        return
    if not os.path.lexists(folder.parent):
        make_folder(folder.parent, 0o755)
    with open_place(folder) as place, acting_as(place.owner), suppress(FileExistsError):
        os.mkdir(place.name, mode, dir_fd=place.folder)
        return
    if not _is_folder(folder):  # one that somebody else has made meanwhile will do
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _is_folder(folder: Path) -> bool:
    try:
        with open_folder(folder):
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False


def make_private_folder(folder: Path, owner: Owner | None = None) -> None:
    """Create a folder that only its owner can access, in one that all can write to; see `is_private_folder`.

    Raises:
        OSError: it cannot be created, or another user created it first.
    """
    with open_place(folder) as place, acting_as(place.owner or owner), suppress(FileExistsError):
        os.mkdir(place.name, 0o700, dir_fd=place.folder)
    if not is_private_folder(folder, owner):
        raise PermissionError(errno.EPERM, "is accessible to other users", str(folder))


def is_private_folder(folder: Path, owner: Owner | None = None) -> bool:
    """Return whether a path is a folder (not a link) of the owner (None: of ours) that nobody else can access."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    uid = owner.uid if owner else os.geteuid()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid and not status.st_mode & 0o077


def list_names(place: Place) -> list[str]:
    """Return the names in an open folder."""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place.folder)
    try:
        return os.listdir(descriptor)  # noqa: PTH208  a Path has no descriptor
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that a rename in it survives a power cut.

    Raises:
        OSError: that failed.
    """
    with open_folder(folder) as place, acting_as(place.owner):
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place.folder)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_file(file: Path) -> None:
    """Remove a file, as the owner of its folder, unless another process has done so.

    Raises:
        OSError: it cannot be removed.
    """
    with suppress(FileNotFoundError), open_place(file) as place, acting_as(place.owner):
        os.unlink(place.name, dir_fd=place.folder)


def find_unfinished(file: Path) -> list[Path]:
    """Return the unfinished versions of a file, those that are written now included; [] without its folder."""
    start = f".{file.name[:_NAME_CHARS]}."
    try:
        names = os.listdir(file.parent)  # noqa: PTH208  names only
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [file.parent / name for name in names if name.startswith(start) and name.endswith(PART_SUFFIX)]


def remove_unfinished(folder: Path) -> None:
    """Remove the unfinished files of processes that were killed while writing to a folder; others' files stay.

    Raises:
        OSError: one cannot be removed.
    """
    with open_folder(folder) as place, acting_as(place.owner):
        for name in list_names(place):
            pid = name.removesuffix(PART_SUFFIX).rpartition(".")[2]
            is_ours = name.startswith(".") and name.endswith(PART_SUFFIX) and pid.isdecimal()
            if is_ours and not os.path.lexists(f"/proc/{pid}"):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=place.folder)
