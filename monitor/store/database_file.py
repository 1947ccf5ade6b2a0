"""The database URL, and whether its file can be written; checked before a test, without importing SQLAlchemy.

The file is judged by its mode and file system and is never opened here: SQLite's locks belong to the process, and
closing a second descriptor of the file would release them.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from monitor.config.load import mask_password
from monitor.errors import StoreError
from monitor.system import files

EXAMPLE_URL = "sqlite:////var/lib/speedmon/speedmon.db"

# https://docs.sqlalchemy.org/en/20/core/engines.html#database-urls
_URL = re.compile(r"(?P<backend>\w+)(\+\w+)?://(?P<rest>.*)", re.DOTALL)

_SQLITE = re.compile(r"/(?P<path>[^?]*)(\?.*)?", re.DOTALL)


def ensure_writable(url: str) -> None:
    """Create the directory of a SQLite database if necessary, and check that the file can be created and written.

    PostgreSQL is not contacted before the result is stored: the line may be down now and back by then.

    Raises:
        StoreError: the URL is invalid, or the file cannot be written; the message says why and how to fix it.
    """
    file = sqlite_path(url)
    if file is None:
        return
    make_directory(file)
    if reason := write_obstacle(file):
        raise StoreError(f"{file}: {reason}: run as its owner, or set SPEEDMON_DATABASE_URL")


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite URL, None for PostgreSQL.

    Raises:
        StoreError: the URL is of neither, or names no regular file: a database in memory would keep nothing.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise StoreError(f"{mask_password(url)!r} is not a database URL: write one such as {EXAMPLE_URL}")
    if match["backend"] == "postgresql":
        return None
    if match["backend"] != "sqlite":
        raise StoreError(
            f"{mask_password(url)!r}: only SQLite and PostgreSQL are supported: write a URL that begins with"
            " sqlite:/// or postgresql://"
        )
    path = _SQLITE.fullmatch(match["rest"])
    name = unquote(path["path"]) if path else ""
    if not name or name.startswith((":", "file:")):
        raise StoreError(f"{url!r} names no file: write a URL such as {EXAMPLE_URL}")
    return Path(name)


def directory_of(url: str) -> Path | None:
    """Return the directory of a SQLite database; None for another database, and for a URL that cannot be used."""
    try:
        file = sqlite_path(url)
    except StoreError:
        return None
    return file.absolute().parent if file else None


def make_directory(file: Path) -> None:
    """Create the directory of a file.

    Raises:
        StoreError: it cannot be created.
    """
    try:
        files.make_folder(file.parent, 0o755)
    except OSError as error:
        reason = "is not a directory" if isinstance(error, FileExistsError) else f"cannot be created: {error.strerror}"
        raise StoreError(f"{file.parent}: {reason}: set SPEEDMON_DATABASE_URL or fix the path") from error


def make_file(file: Path) -> None:
    """Create a file and its directory if they do not exist, for the owner of the directory.

    Raises:
        StoreError: the directory cannot be created. If the file cannot, the database reports it when it is opened.
    """
    make_directory(file)
    with suppress(OSError):
        files.make_file(file)


def write_obstacle(file: Path) -> str | None:
    """Return the reason why a file cannot be created or written; None if it can."""
    if os.path.isdir(file):  # noqa: PTH112  Path.is_dir raises where it may not look
        return "is a directory"
    if not os.access(file.parent, os.W_OK | os.X_OK, effective_ids=True):
        return f"its directory cannot be written ({_access_problem(file.parent)})"
    if os.path.lexists(file) and not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
        return f"cannot be written ({_access_problem(file)})"
    return None


def _access_problem(path: Path) -> str:
    try:
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError as error:
        return error.strerror or str(error)
    return "read-only file system" if read_only else "permission denied"
