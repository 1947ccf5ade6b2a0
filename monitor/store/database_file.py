"""The database URL, and whether its file can be written; checked before a test, without importing SQLAlchemy.

The file is judged by its mode and file system and is never opened here: SQLite's locks belong to the process, and
closing a second descriptor of the file would release them.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from monitor.config.load import mask_password
from monitor.errors import StoreError
from monitor.system import files
from monitor.system.ownership import acting_as, owner_of_file, user_name

EXAMPLE_URL = "sqlite:////var/lib/speedmon/speedmon.db"

# https://docs.sqlalchemy.org/en/20/core/engines.html#database-urls
_URL = re.compile(r"(?P<backend>\w+)(\+\w+)?://(?P<rest>.*)", re.DOTALL)

# Of the state directory, for a configuration that names no database.
DEFAULT_NAME = "speedmon.db"

_SQLITE = re.compile(r"/(?P<path>[^?]*)(\?.*)?", re.DOTALL)

# What SQLite keeps beside a database (https://sqlite.org/tempfiles.html).
BESIDE = ("-wal", "-shm", "-journal")

# User and password of a URL, its options, and the driver: none of them says which database it is.
_NO_IDENTITY = re.compile(r"\+\w+(?=://)|(?<=//)[^/]*@|\?.*", re.DOTALL)

# A prime (Mersenne's ninth): a remainder by it tells texts apart, and hashlib takes 7 ms to load.
_KEY_PRIME = 2**61 - 1


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


def database_key(url: str, *others: str) -> str:
    """Return a name for files that belong to one database: 16 hexadecimal digits.

    It does not depend on the password, nor on the folder in which the program runs.

    Args:
        url: the URL of the database.
        others: further texts that tell files apart.

    Raises:
        StoreError: the URL cannot be used.
    """
    file = sqlite_path(url)
    name = str(file.absolute()) if file else _NO_IDENTITY.sub("", url)
    text = "\0".join((name, *others))
    return f"{int.from_bytes(text.encode('utf-8', 'surrogateescape'), 'big') % _KEY_PRIME:016x}"


def is_default(url: str, state_dir: Path) -> bool:
    """Return whether a database is the one of a configuration that names none.

    Raises:
        StoreError: the URL cannot be used.
    """
    file = sqlite_path(url)
    return file is not None and file.absolute() == (state_dir / DEFAULT_NAME).absolute()


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
    """Return the reason why a file cannot be created or written, by root as the owner of its folder; None if it can."""
    try:
        owner = owner_of_file(file)
        with acting_as(owner):
            odd = odd_file(file)
            problem = None if odd else _access_obstacle(file)
    except OSError as error:
        return f"cannot be reached ({error.strerror or error})"
    acting = f"; root works there as {user_name(owner.uid)}, whose folder it is" if owner else ""
    return f"{problem}{acting}" if problem else odd


def odd_file(file: Path) -> str | None:
    """Return what is wrong with the kind of a database's files, which SQLite would wait for or follow; None if nothing.

    Raises:
        OSError: one cannot be looked at.
    """
    for name in (file, *(file.with_name(file.name + suffix) for suffix in BESIDE)):
        try:
            mode = (name.stat() if name == file else name.lstat()).st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(mode) and name == file:
            return "is a directory"
        if not stat.S_ISREG(mode):
            return "is not a regular file" if name == file else f"{name.name} beside it is not a regular file"
    return None


def _access_obstacle(file: Path) -> str | None:
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
