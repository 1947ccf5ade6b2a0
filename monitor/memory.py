"""What one test leaves for the next, in a small file of the state directory: resting engines, last server, usage.

The lock that keeps two tests apart guards the file too. It is no record: without it nothing is lost but patience.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from monitor.model import DataUsed, Kind  # noqa: TC001  msgspec reads the annotations at run time

if TYPE_CHECKING:
    from pathlib import Path

NAME = "memory.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rest:
    """How long an engine is left alone, in epoch seconds, and after the how manieth failure of which kind in a row."""

    since: int
    until: int
    kind: Kind
    times: int = 1


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered: rests by engine, the server of the rotation that came last, the usage of this month."""

    rests: dict[str, Rest] = field(default_factory=dict)
    last_server: str = ""
    spent: DataUsed | None = None


def load(file: Path) -> Memory:
    """Return what a file remembers; nothing where there is none, and where it cannot be read, which is said."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Memory)
    except FileNotFoundError:
        pass
    except OSError as error:
        _log.warning("%s: cannot be read (%s): rests and usage are forgotten", file, error.strerror)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _log.warning("%s: is not what speedmon wrote (%s): rests and usage begin anew", file, error)
    return Memory()


def save(file: Path, memory: Memory) -> None:
    """Write a file whole or not at all; a disk that refuses is told and is no error of a test."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.write_bytes(msgspec.json.encode(memory))
        unfinished.replace(file)
    except OSError as error:
        _log.warning("%s: cannot be written (%s): the next test forgets rests and usage", file, error.strerror)
