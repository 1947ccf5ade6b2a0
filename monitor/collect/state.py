"""What one test leaves for the next, in a small file of the state directory: back-off, last server, data used.

The lock that keeps two tests apart guards the file too. Nothing is lost with the file but back-off periods.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from monitor.model import DataUsed, FailureKind  # noqa: TC001  annotations are read at run time

if TYPE_CHECKING:
    from pathlib import Path


STATE_FILE = "memory.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long an engine is left alone, in epoch seconds; after how many failures of the same kind in a row."""

    since: int
    until: int
    kind: FailureKind
    times: int = 1


@dataclass(frozen=True, slots=True)
class CollectState:
    """The file: back-off by engine, the last server of the rotation, the data used this month."""

    rests: dict[str, Backoff] = field(default_factory=dict)
    last_server: str = ""
    spent: DataUsed | None = None


def load_state(file: Path) -> CollectState:
    """Return the content of a file; an empty state where there is none, or where it cannot be read, with a warning."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=CollectState)
    except FileNotFoundError:
        pass
    except OSError as error:
        _log.warning("%s: cannot be read (%s): back-off periods and data use are forgotten", file, error.strerror)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _log.warning("%s: was not written by speedmon (%s): back-off periods and data use start anew", file, error)
    return CollectState()


def save_state(file: Path, memory: CollectState) -> None:
    """Write a file completely or not at all; where that fails, a warning is logged and the test goes on."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.write_bytes(msgspec.json.encode(memory))
        unfinished.replace(file)
    except OSError as error:
        _log.warning(
            "%s: cannot be written (%s): the next test forgets back-off periods and data use", file, error.strerror
        )
