"""Whether the database can be written, asked before a test starts: cheap, and without importing sqlalchemy.

SQLite keeps its locks with the process: closing a second descriptor of its file would drop them, so the file is judged
by its mode and its file system and is never opened here.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from monitor import ownership
from monitor.config_text import masked
from monitor.errors import StoreError

EXAMPLE_URL = "sqlite:////var/lib/speedmon/speedmon.db"
# https://docs.sqlalchemy.org/en/20/core/engines.html#database-urls
_URL = re.compile(r"(?P<backend>\w+)(\+\w+)?://(?P<rest>.*)", re.DOTALL)
_SQLITE = re.compile(r"/(?P<path>[^?]*)(\?.*)?", re.DOTALL)


def writable(url: str) -> None:
    """Make the directory of a SQLite database if need be, and make sure that the file can be made and written.

    Other databases are asked when the result is stored: the line may be down now and back by then.

    Raises:
        StoreError: the URL is none, or something is in the way; the message names it and the mend.
    """
    file = file_of(url)
    if file is None:
        return
    make_directory(file)
    if reason := obstacle(file):
        raise StoreError(f"{file}: {reason}: run as its owner, or set SPEEDMON_DATABASE_URL")


def file_of(url: str) -> Path | None:
    """Return the file of a SQLite URL, None for PostgreSQL.

    Raises:
        StoreError: the text is no URL of either, or names no plain file: a database in memory would keep nothing.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise StoreError(f"{masked(url)!r} is no database URL: write one such as {EXAMPLE_URL}")
    if match["backend"] == "postgresql":
        return None
    if match["backend"] != "sqlite":
        raise StoreError(
            f"{masked(url)!r}: runs are kept in SQLite or PostgreSQL: write a URL that begins with sqlite:/// or"
            " postgresql://"
        )
    path = _SQLITE.fullmatch(match["rest"])
    name = unquote(path["path"]) if path else ""
    if not name or name.startswith((":", "file:")):
        raise StoreError(f"{url!r} names no file: write a URL such as {EXAMPLE_URL}")
    return Path(name)


def directory_of(url: str) -> Path | None:
    """Return the directory of a SQLite database; None for another database, and for a URL that cannot be used."""
    try:
        file = file_of(url)
    except StoreError:
        return None
    return file.absolute().parent if file else None


def make_directory(file: Path) -> None:
    """Make the directory that a file is to lie in.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        ownership.make_folder(file.parent, 0o755)
    except OSError as error:
        reason = "is no directory" if isinstance(error, FileExistsError) else f"cannot be made: {error.strerror}"
        raise StoreError(f"{file.parent}: {reason}: set SPEEDMON_DATABASE_URL or mend the path") from error


def make_file(file: Path) -> None:
    """Make a file and its directory where there are none, for the owner of the directory.

    Raises:
        StoreError: the directory cannot be made. What keeps the file from being made, the database tells.
    """
    make_directory(file)
    with suppress(OSError):
        ownership.make_file(file)


def obstacle(file: Path) -> str | None:
    """Say what keeps us from making or writing a file, None when nothing does."""
    if os.path.isdir(file):  # noqa: PTH112  Path.is_dir raises where it may not look
        return "is a directory"
    if not os.access(file.parent, os.W_OK | os.X_OK, effective_ids=True):
        return f"its directory cannot be written ({_why(file.parent)})"
    if os.path.lexists(file) and not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
        return f"cannot be written ({_why(file)})"
    return None


def _why(path: Path) -> str:
    try:
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError as error:
        return error.strerror or str(error)
    return "read-only file system" if read_only else "permission denied"
