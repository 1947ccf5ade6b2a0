"""The small, fixed environment of an engine; nothing else of the caller's environment is passed on.

The Ookla CLI aborts without HOME, and stores there that the licence is accepted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import ownership

if TYPE_CHECKING:
    from netns.caller import Caller

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(state_dir: Path, database_dir: Path | None, caller: Caller | None = None) -> dict[str, str]:
    """Return the complete environment of an engine, with a HOME of its own.

    HOME is `home` in the state directory, else in the folder of a SQLite database, else `/`: then nothing lasts, but no
    engine aborts. For the user who called sudo, as whom root runs the engine, it is `home-UID`.

    Args:
        state_dir: the state directory.
        database_dir: the folder of a SQLite database; None where there is none.
        caller: the user who called sudo, None otherwise.
    """
    name = f"home-{caller.uid}" if caller else "home"
    usable = (
        home for home in (folder / name for folder in (state_dir, database_dir) if folder) if _usable(home, caller)
    )
    return {"PATH": PATH, "HOME": str(next(usable, Path("/"))), "LANG": "C.UTF-8"}


def _usable(home: Path, caller: Caller | None) -> bool:
    try:
        ownership.make_folder(home, 0o700)
        if caller:
            os.chown(home, *caller, follow_symlinks=False)
    except OSError:
        return False
    return os.access(home, os.R_OK | os.W_OK | os.X_OK, effective_ids=True) and home.is_dir()
