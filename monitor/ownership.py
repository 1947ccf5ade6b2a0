"""Files that root creates belong to the owner of their folder, so that a run with sudo does not lock a plain user out.

SQLite does the same for the files that it creates next to a database. Other users own what they create anyway.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_file(file: Path) -> None:
    """Create an empty file where there is none, for the owner of its folder.

    Raises:
        OSError: it cannot be created.
    """
    with suppress(FileExistsError):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            hand_over(descriptor, file)
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
        hand_over(descriptor, folder)
    finally:
        os.close(descriptor)


def hand_over(descriptor: int, path: Path) -> None:
    """Give an open file, which was just created at `path`, to the owner of its folder; does nothing unless root."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
