"""Keeps the folder of `[publish]` up to date: a schedule of its own, and one child process per file.

Drawing in this process would double its memory for good. A file that fails does not stop the others.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor import lock, output, publish
from monitor.child import speedmon
from monitor.errors import ConfigError, SpeedmonError
from monitor.niced import Niced
from monitor.publish import Published
from monitor.retry import longest_s
from monitor.schedule import ASLEEP, STILL_RUNNING, Schedule, timetable
from monitor.settings import Schedule as ScheduleSettings
from monitor.store.open import open_reader
from monitor.store.read import last

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.gap import Gap
    from monitor.publish import Item
    from monitor.settings import Settings

log = logging.getLogger(__name__)

# Enough for ten years of runs on a small board; time spent waiting for a test does not count.
DEADLINE_S = 600
# With every_minutes = 0, how often to look for a new run.
LOOK_S = 60


class Publisher:
    """Makes all files once at the start and then on the schedule, until it is stopped.

    Args:
        settings: all settings; `publish.directory` is set.
        config: the configuration file for the children; None: they look for it themselves.
        probes: names of the probes to show; empty for all.
        command: the command of an item; None: this speedmon with its arguments.

    Raises:
        ConfigError: the section has a mistake, or its folder cannot be written.
    """

    def __init__(
        self,
        settings: Settings,
        config: Path | None,
        probes: Sequence[str] = (),
        command: Callable[[Item], Sequence[str]] | None = None,
    ) -> None:
        section = settings.publish
        self._settings = settings
        self._items = publish.items(section, probes)
        self._folder = Path(section.directory)
        if problem := obstacle(self._folder):
            raise ConfigError(f"publish.directory: {problem}")
        self._command = command or (lambda item: speedmon(config, *item.arguments))
        self._niced = Niced(lambda: lock.is_held(settings.collect.lock_file), DEADLINE_S, longest_s(settings))
        self._state = {item: Published(item.what) for item in self._items}
        self._newest: str | None = None
        interval = ScheduleSettings(every_s=section.every_minutes * 60 or LOOK_S, jitter_s=0)
        times = timetable(interval, ZoneInfo("UTC"), datetime.now(UTC), None)
        self._schedule = Schedule(times, self._pass, _left_out)
        self.start = self._schedule.start
        self.wake = self._schedule.wake

    def state(self) -> tuple[Published, ...]:
        """Return the state of each file."""
        return tuple(self._state.values())

    def stop(self) -> None:
        """Make no further file and end a running child; does not wait."""
        self._schedule.stop()
        self._niced.stop()

    def finish(self, seconds: float) -> None:
        """Wait at most `seconds` for a running child to end."""
        self._niced.wait(seconds)

    def _pass(self) -> None:
        if self._settings.publish.every_minutes == 0 and not self._is_something_new():
            return
        if problem := obstacle(self._folder):
            self._all_failed(problem)
            return
        with suppress(OSError):  # a leftover that cannot be removed does no harm
            output.remove_unfinished(self._folder)
        for item in self._items:
            self._make(item)

    def _is_something_new(self) -> bool:
        """Return whether a run was stored since the last call; True at the first call."""
        with open_reader(self._settings.database.url) as connection:
            run = last(connection)
        before, self._newest = self._newest, run.id if run else ""
        return before != self._newest

    def _make(self, item: Item) -> None:
        error = None
        try:
            self._niced.run(self._command(item))
        except (SpeedmonError, OSError) as caught:  # OSError: no space for the output of the child, or no process
            error = str(caught)
            log.error("publish: %s: %s", item.what, error)  # noqa: TRY400  one line, no traceback
        if not self._niced.stopping:
            self._note(item, error)

    def _all_failed(self, error: str) -> None:
        log.error("publish: %s", error)
        for item in self._items:
            self._note(item, error)

    def _note(self, item: Item, error: str | None) -> None:
        before, now = self._state[item], datetime.now(UTC).replace(microsecond=0)
        updated = before.updated_at if error else now
        self._state[item] = replace(before, tried_at=now, updated_at=updated, error=error)


def obstacle(folder: Path) -> str | None:
    """Return why no file can be made in a folder; None if one can."""
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except OSError as error:
        return f"{folder}: {error.strerror}: create it, writable for the user of `speedmon serve`"
    if not is_folder:
        return f"{folder}: is not a folder: name one"
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return f"{folder}: cannot be written: give it to the user of `speedmon serve`; a unit needs ReadWritePaths= too"
    return None


def _left_out(gap: Gap) -> None:
    """Log a pass that failed. A pass that was skipped is made up for by the next one."""
    if gap.cause not in {ASLEEP, STILL_RUNNING}:
        log.error("publish: %s", gap.cause)
