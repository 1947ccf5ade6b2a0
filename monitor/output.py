"""Write a file that the user asked for: completely or not at all, so that an older one is never half overwritten."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import ownership
from monitor.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

# An unfinished file is called .NAME.PID.part.
PART = ".part"


def write_file(file: Path, content: bytes) -> None:
    """Write `content` to a temporary file and rename it to `file`; a device or pipe is written to directly.

    Raises:
        OutputError: the file cannot be written, or the disk is full; an older file is untouched.
    """
    with whole_file(file) as opened:
        opened.write(content)


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file to write to; it replaces `file` at the end, unless an exception was raised.

    Raises:
        OutputError: as `write_file`.
    """
    with blamed(file):
        target = file.resolve()
        # A rename would replace /dev/null itself.
        with _as_it_is(target) if target.exists() and not target.is_file() else _replaced(target) as opened:
            yield opened


@contextmanager
def whole_files(files: Sequence[Path]) -> Iterator[list[BinaryIO]]:
    """Yield files that belong together: they replace the old ones in this order, once all are written.

    Write to each of them within `blamed`, so that an error names the right one, and comes before any is replaced.

    Raises:
        OutputError: as `write_file`.
    """
    with ExitStack() as stack:
        # An exit stack closes its contexts in reverse order.
        yield [stack.enter_context(whole_file(file)) for file in reversed(files)][::-1]


@contextmanager
def blamed(file: Path, opened: BinaryIO | None = None) -> Iterator[None]:
    """Turn an OSError into an OutputError that names the file; `opened` is flushed to catch its errors here too."""
    try:
        yield
        if opened:
            opened.flush()
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        if not file.parent.exists():
            raise OutputError(f"{file}: cannot be written: there is no folder {file.parent}; make it first") from error
        raise OutputError(f"{file}: cannot be written: {_reason(error)}; name another file") from error


def remove_unfinished(folder: Path) -> None:
    """Remove the unfinished files of processes that were killed while writing to a folder; others' files stay.

    Raises:
        OSError: one cannot be removed.
    """
    for unfinished in folder.glob(f".*{PART}"):
        pid = unfinished.name.removesuffix(PART).rpartition(".")[2]
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
        raise OutputError(f"standard output: cannot be written: {_reason(error)}") from error


def _as_it_is(target: Path) -> BinaryIO:
    return target.open("wb")


@contextmanager
def _replaced(target: Path) -> Iterator[BinaryIO]:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}{PART}")
    try:
        with unfinished.open("wb") as opened:
            ownership.hand_over(opened.fileno(), unfinished)
            yield opened
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
