"""What one test leaves for the next, in a small file of the state directory: back-off, last server, data used, line.

Each probe has a file of its own for each of its databases. The lock that keeps two tests apart guards the file too.
Nothing is lost with the file but back-off periods.
"""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from monitor.errors import StateFileError
from monitor.model import DataUsed, FailureKind  # noqa: TC001  annotations are read at run time
from monitor.store.database_file import database_key, is_default
from monitor.system import files, state_files

if TYPE_CHECKING:
    from pathlib import Path


# Of earlier releases: one file for all probes and databases.
EARLIER_FILE = "memory.json"

LIMIT_BYTES = 1024 * 1024

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long an engine is left alone, in epoch seconds; after how many failures of the same kind in a row."""

    since: int
    until: int
    kind: FailureKind
    times: int = 1


@dataclass(frozen=True, slots=True)
class LineMemory:
    """What is known of a line: who answered on it and when last; uplink, router and server of the last good test.

    The server is `HOST:PORT`, or a host alone where the engine does not name the port.
    """

    witnesses: dict[str, int] = field(default_factory=dict)
    uplink: str | None = None
    router: str | None = None
    server: str | None = None

    @property
    def known(self) -> tuple[frozenset[str], tuple[str | None, str | None, str | None]]:
        """The witnesses, and link, router and server, as a diagnosis takes them."""
        return frozenset(self.witnesses), (self.uplink, self.router, self.server)


@dataclass(frozen=True, slots=True)
class CollectState:
    """The file: back-off by engine, last server, data used this month, the uplink by path, and the line."""

    rests: dict[str, Backoff] = field(default_factory=dict)
    last_server: str = ""
    spent: DataUsed | None = None
    uplinks: dict[str, str] = field(default_factory=dict)
    line: LineMemory = field(default_factory=LineMemory)


def state_file(state_dir: Path, url: str, probe: str) -> Path:
    """Return the file of a probe and the URL of its database.

    Raises:
        StoreError: the URL cannot be used.
    """
    return state_dir / f"memory-{database_key(url, probe)}.json"


def load_own_state(state_dir: Path, url: str, probe: str) -> CollectState:
    """Return the state of a probe; of the default database also what an earlier release has left.

    Raises:
        StoreError: the URL cannot be used.
    """
    file = state_file(state_dir, url, probe)
    earlier = is_default(url, state_dir) and not os.path.lexists(file)
    return load_state(state_dir / EARLIER_FILE if earlier else file)


def load_state(file: Path) -> CollectState:
    """Return the content of a file; an empty state where there is none, or none of ours, with a warning."""
    try:
        return msgspec.json.decode(state_files.read_file(file, LIMIT_BYTES), type=CollectState)
    except FileNotFoundError:
        pass
    except OSError as error:
        _log.warning("%s: cannot be read (%s): back-off periods and data use are forgotten", file, error.strerror)
    except StateFileError as error:
        _set_aside(file, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _log.warning("%s: was not written by speedmon (%s): back-off periods and data use start anew", file, error)
    return CollectState()


def _set_aside(file: Path, reason: StateFileError) -> None:
    """Make room for a new file where something else lies."""
    kept = file
    with contextlib.suppress(OSError):
        kept = state_files.set_aside(file)
    _log.warning("%s: back-off periods and data use start anew; it is kept as %s", reason, kept)


def save_state(file: Path, memory: CollectState) -> None:
    """Write a file completely or not at all; where that fails, a warning is logged and the test goes on."""
    try:
        files.make_folder(file.parent, 0o700)
        files.replace_file(file, msgspec.json.encode(memory), mode=0o644, sync=False)
    except OSError as error:
        _log.warning(
            "%s: cannot be written (%s): the next test forgets back-off periods and data use", file, error.strerror
        )
