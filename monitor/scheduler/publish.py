"""Keeps the folder of `[publish]` up to date: a schedule of its own, and one child process per file.

Drawing in this process would double its memory for good. A file that fails does not stop the others. A further kind of
file is a further `PublishItem`.
"""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.config.settings import ScheduleSettings
from monitor.errors import ConfigError, SpeedmonError
from monitor.graph.render import KINDS
from monitor.output.units import format_count
from monitor.scheduler.schedule import ASLEEP, STILL_RUNNING, SlotScheduler, make_timetable
from monitor.scheduler.subprocesses import LowPriorityRunner, max_duration_s, speedmon_command
from monitor.store.connection import open_reader
from monitor.store.read import last_run
from monitor.system import files, lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from monitor.config.settings import PublishSettings, Settings
    from monitor.scheduler.schedule import MissedSlots


ALL_KINDS = "all"

REPORT_DAYS = 30

# Enough for ten years of runs on a small board; time spent waiting for a test does not count.
DEADLINE_S = 600

# With every_minutes = 0, how often to look for a new run.
POLL_S = 60

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublishItem:
    """A file to make: its description, and the arguments of `speedmon` that make it."""

    what: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """The state of a file: when it was last tried and last made, and why the last try failed, if it did."""

    what: str
    tried_at: datetime | None = None
    updated_at: datetime | None = None
    error: str | None = None


def publish_items(settings: PublishSettings, probes: Sequence[str] = ()) -> tuple[PublishItem, ...]:
    """Return the files to keep up to date, in the order in which they are made.

    Args:
        settings: the section `publish`; its directory is set.
        probes: names of the probes to show; empty for all.

    Raises:
        ConfigError: an unknown kind, a size too small for a kind, or nothing to make.
    """
    kinds = list(KINDS) if ALL_KINDS in settings.kinds else list(dict.fromkeys(settings.kinds))
    if problems := [*_unknown_kinds(kinds), *_too_small_sizes(kinds, settings.size)]:
        raise ConfigError("; ".join(problems))
    probe_options = [part for probe in probes for part in ("--probe", probe)]
    commands = [*_graph_items(settings, kinds), *_report_items(settings)]
    if not commands:
        raise ConfigError(
            "publish.directory is set, but nothing is to go there: name publish.kinds and publish.days, or set"
            " publish.report"
        )
    return tuple(
        PublishItem(what, (*arguments, *probe_options, "--output-dir", settings.directory, "-q"))
        for what, arguments in commands
    )


def _unknown_kinds(kinds: Sequence[str]) -> Iterator[str]:
    for kind in kinds:
        if kind not in KINDS:
            yield f"publish.kinds: there is no graph {kind!r}: choose one of {', '.join(KINDS)}, or {ALL_KINDS}"


def _too_small_sizes(kinds: Sequence[str], size: str) -> Iterator[str]:
    width, height = map(int, size.split("x")) if size else (0, 0)
    for kind in kinds:
        if size and kind in KINDS and (width < KINDS[kind].smallest[0] or height < KINDS[kind].smallest[1]):
            least = "x".join(map(str, KINDS[kind].smallest))
            yield f"publish.size: {size} is too small for {kind}, which needs at least {least}"


def _graph_items(settings: PublishSettings, kinds: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    style_options = ("--theme", settings.theme, *(("--size", settings.size) if settings.size else ()))
    for days in dict.fromkeys(settings.days):
        for kind in kinds:
            yield f"{kind}, {format_count(days, 'day')}", ("graph", "--kind", kind, "--days", str(days), *style_options)


def _report_items(settings: PublishSettings) -> Iterator[tuple[str, tuple[str, ...]]]:
    if settings.report:
        yield f"report, {format_count(REPORT_DAYS, 'day')}", ("report", "--days", str(REPORT_DAYS))


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
        command: Callable[[PublishItem], Sequence[str]] | None = None,
    ) -> None:
        section = settings.publish
        self._settings = settings
        self._items = publish_items(section, probes)
        self._folder = Path(section.directory)
        if problem := folder_problem(self._folder):
            raise ConfigError(f"publish.directory: {problem}")
        self._command = command or (lambda item: speedmon_command(config, *item.arguments))
        self._runner = LowPriorityRunner(
            lambda: lock.is_held(settings.collect.lock_file), DEADLINE_S, max_duration_s(settings)
        )
        self._state = {item: Published(item.what) for item in self._items}
        self._newest: str | None = None
        interval = ScheduleSettings(every_s=section.every_minutes * 60 or POLL_S, jitter_s=0)
        times = make_timetable(interval, ZoneInfo("UTC"), datetime.now(UTC), None)
        self._schedule = SlotScheduler(times, self._update_files, _log_missed_update)
        self.start = self._schedule.start
        self.wake = self._schedule.wake

    def state(self) -> tuple[Published, ...]:
        """Return the state of each file."""
        return tuple(self._state.values())

    def stop(self) -> None:
        """Make no further file and end a running child; does not wait."""
        self._schedule.stop()
        self._runner.stop()

    def finish(self, seconds: float) -> None:
        """Wait at most `seconds` for a running child to end."""
        self._runner.wait(seconds)

    def _update_files(self) -> None:
        if self._settings.publish.every_minutes == 0 and not self._has_new_run():
            return
        if problem := folder_problem(self._folder):
            self._note_all_failed(problem)
            return
        with suppress(OSError):  # a leftover that cannot be removed does no harm
            files.remove_unfinished(self._folder)
        for item in self._items:
            self._make(item)

    def _has_new_run(self) -> bool:
        """Return whether a run was stored since the last call; True at the first call."""
        with open_reader(self._settings.database.url) as connection:
            run = last_run(connection)
        before, self._newest = self._newest, run.id if run else ""
        return before != self._newest

    def _make(self, item: PublishItem) -> None:
        error = None
        try:
            self._runner.run(self._command(item))
        except (SpeedmonError, OSError) as caught:  # OSError: no space for the output of the child, or no process
            error = str(caught)
            _log.error("publish: %s: %s", item.what, error)
        if not self._runner.stopping:
            self._note(item, error)

    def _note_all_failed(self, error: str) -> None:
        _log.error("publish: %s", error)
        for item in self._items:
            self._note(item, error)

    def _note(self, item: PublishItem, error: str | None) -> None:
        before, now = self._state[item], datetime.now(UTC).replace(microsecond=0)
        updated = before.updated_at if error else now
        self._state[item] = replace(before, tried_at=now, updated_at=updated, error=error)


def folder_problem(folder: Path) -> str | None:
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


def _log_missed_update(missed: MissedSlots) -> None:
    """Log an update that failed. The next update makes up for one that was skipped."""
    if missed.cause not in {ASLEEP, STILL_RUNNING}:
        _log.error("publish: %s", missed.cause)
