"""The pause of the schedule: a small file beside the database, which cron's tests, the daemon and the page all read.

No SQLAlchemy: it is read before each scheduled test. Tests that somebody asks for go on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from monitor.config.paths import state_dir
from monitor.errors import OutputError, StateFileError, UsageError
from monitor.store.database_file import directory_of
from monitor.system import files, state_files

if TYPE_CHECKING:
    from collections.abc import Mapping

PAUSE_FILE = "pause.json"

# The state directory of an installed machine, which the members of the group may write to.
SHARED_STATE_DIR = Path("/var/lib/speedmon")

LIMIT_BYTES = 4096

MAX_LENGTH = timedelta(days=366)

# If the clock was set back by more than this since, the pause is over: it could last for years.
MAX_SET_BACK_S = 3600

_DURATION = re.compile(r"(?:(?P<days>\d{1,3})d)?(?:(?P<hours>\d{1,4})h)?(?:(?P<minutes>\d{1,6})m(?:in)?)?", re.ASCII)

_log = logging.getLogger(__name__)


class Pause(Struct, frozen=True):
    """No scheduled test starts from `since` to before `until`, in epoch seconds; `reason` is the user's, or empty."""

    since: int
    until: int
    reason: str = ""

    @property
    def ends_at(self) -> datetime:
        """The end, UTC."""
        return datetime.fromtimestamp(self.until, UTC)

    def is_active(self, now: datetime) -> bool:
        """Return whether the pause holds at a moment."""
        return self.since - MAX_SET_BACK_S <= now.timestamp() < self.until


def parse_duration(text: str) -> timedelta:
    """Return the length of a pause such as 30m, 2h, 1h30m or 3d.

    Raises:
        UsageError: it is no such length, is zero, or is longer than a year.
    """
    match = _DURATION.fullmatch("".join(text.split()).lower())
    length = timedelta(**{unit: int(number) for unit, number in match.groupdict("0").items()}) if match else timedelta()
    if not timedelta() < length <= MAX_LENGTH:
        raise UsageError(f"{text!r} is no length of a pause: write one such as 30m, 2h or 3d, of a year at most")
    return length


def make_pause(now: datetime, length: timedelta, reason: str = "") -> Pause:
    """Return a pause that begins now; the reason becomes one line of at most 200 characters."""
    since = int(now.timestamp())
    return Pause(since, since + max(1, int(length.total_seconds())), " ".join(reason.split())[:200])


def pause_file(url: str, environ: Mapping[str, str], uid: int) -> Path:
    """Return where the pause of an installation is kept: beside its SQLite database, else in its state directory."""
    folder = directory_of(url)
    if folder is None:
        folder = SHARED_STATE_DIR if os.access(SHARED_STATE_DIR, os.W_OK) else state_dir(environ, uid)
    return folder / PAUSE_FILE


def read_pause(file: Path, now: datetime) -> Pause | None:
    """Return the pause that holds now, None if none does; a file that cannot be read is no pause, with a warning."""
    try:
        pause = msgspec.json.decode(state_files.read_file(file, LIMIT_BYTES, by_group=True), type=Pause)
        return pause if pause.is_active(now) and pause.until - pause.since <= MAX_LENGTH.total_seconds() else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _log.warning("%s: cannot be read (%s): no pause is kept", file, error.strerror)
    except StateFileError as error:
        _log.warning("%s: no pause is kept", error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _log.warning("%s: was not written by `speedmon pause` (%s): no pause is kept", file, error)
    return None


def save_pause(file: Path, pause: Pause) -> None:
    """Write the pause; it takes the place of one before.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        files.make_folder(file.parent, 0o755)
        files.replace_file(file, msgspec.json.encode(pause), mode=0o664, sync=False)
    except OSError as error:
        raise _not_changed(file, error) from error


def end_pause(file: Path) -> None:
    """Remove the pause, if there is one.

    Raises:
        OutputError: the file cannot be removed.
    """
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            files.remove_file(file)
    except OSError as error:
        raise _not_changed(file, error) from error


def _not_changed(file: Path, error: OSError) -> OutputError:
    fix = "run it with sudo, or as a member of the group speedmon" if isinstance(error, PermissionError) else ""
    reason = error.strerror or str(error)
    return OutputError(f"{file}: the pause cannot be changed: {reason}{f': {fix}' if fix else ''}")
