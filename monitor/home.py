"""The small, known environment of an engine: nothing of the caller's but what is named here.

The Ookla CLI aborts without HOME, and keeps its record of the accepted licence there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import preflight

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(state_dir: Path, database_url: str) -> dict[str, str]:
    """Return the whole environment of an engine, with a HOME of its own that lasts.

    HOME is `home` in the state directory, else beside a SQLite database, else `/`: nothing lasts, but nothing aborts.
    """
    home = next(filter(_usable, _candidates(state_dir, database_url)), Path("/"))
    return {"PATH": PATH, "HOME": str(home), "LANG": "C.UTF-8"}


def _candidates(state_dir: Path, database_url: str) -> Iterator[Path]:
    yield state_dir / "home"
    if (database := preflight.file_of(database_url)) is not None:
        yield database.absolute().parent / "home"


def _usable(home: Path) -> bool:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(home, os.R_OK | os.W_OK | os.X_OK, effective_ids=True) and home.is_dir()
