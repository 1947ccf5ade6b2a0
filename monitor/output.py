"""Write a file that somebody asked for: whole or not at all, never half over the old one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from monitor.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO


def write_file(file: Path, content: bytes) -> None:
    """Write `content` beside `file` and rename it there; a device or pipe is written to as it is.

    Raises:
        OutputError: the place cannot be written, or there is no room; what was there before is untouched.
    """
    try:
        target = file.resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(content)  # a rename would replace /dev/null itself
        else:
            _replace(target, content)
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        raise OutputError(f"{file}: cannot be written: {_reason(error)}; --output names another place") from error


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


def _replace(target: Path, content: bytes) -> None:
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content)
        beside.replace(target)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
