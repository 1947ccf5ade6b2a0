"""Write a file that somebody asked for: whole or not at all, never half over the old one."""

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

# What is not whole yet is called .NAME.PID.part.
PART = ".part"


def write_file(file: Path, content: bytes) -> None:
    """Write `content` beside `file` and rename it there; a device or pipe is written to as it is.

    Raises:
        OutputError: the place cannot be written, or there is no room; what was there before is untouched.
    """
    with whole_file(file) as opened:
        opened.write(content)


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to piece by piece; it takes the place of `file` at the end, and only if nothing was raised.

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
    """Yield files that belong together: none takes its place before all are written, then they do in this order.

    Whoever writes to one of them does so within `blamed`, so that an error names the right one, and comes in time.

    Raises:
        OutputError: as `write_file`.
    """
    with ExitStack() as stack:
        # The last to be entered is the first to be left.
        yield [stack.enter_context(whole_file(file)) for file in reversed(files)][::-1]


@contextmanager
def blamed(file: Path, opened: BinaryIO | None = None) -> Iterator[None]:
    """Turn errors of the system into one that names the file; what is `opened` is written out, not kept in memory."""
    try:
        yield
        if opened:
            opened.flush()
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        if not file.parent.exists():
            raise OutputError(f"{file}: cannot be written: there is no folder {file.parent}; make it first") from error
        raise OutputError(f"{file}: cannot be written: {_reason(error)}; name another place") from error


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed while they wrote into a folder have left there; others' files stay.

    Raises:
        OSError: one cannot be removed.
    """
    for part in folder.glob(f".*{PART}"):
        pid = part.name.removesuffix(PART).rpartition(".")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            part.unlink(missing_ok=True)


def write_stream(stream: BinaryIO, content: bytes) -> None:
    """Write `content` to an open stream such as standard output.

    Raises:
        OutputError: there is no room. A reader that left raises BrokenPipeError, as everywhere.
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
    beside = target.with_name(f".{target.name}.{os.getpid()}{PART}")
    try:
        with beside.open("wb") as opened:
            ownership.hand_over(opened.fileno(), beside)
            yield opened
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
