"""Logs of Ookla's CLI: `-f json`, `-f jsonl`, `-f csv` and `-f tsv`, mixed with output of scripts and stderr. Pure.

A test is spread over lines: a date that a script printed, phases, errors with or without a time, a result. Errors
before a result belong to it. Errors that no result follows make a failed run, if any of their lines has a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from monitor.classify import MAX_COMPLAINTS
from monitor.engines import ookla
from monitor.importing import ookla_csv, ookla_items, run
from monitor.importing.model import Refused, Taken, UnusableError
from monitor.importing.ookla_items import Complaint, Phase, Result, Stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from monitor.importing.model import Context, Record
    from monitor.importing.objects import Numbered
    from monitor.importing.ookla_items import Said
    from monitor.model import Attempt, Server

NAME = ookla.ENGINE.name
# The CLI gives up long before this; lines further apart are from different tests.
_LONGEST_TEST = timedelta(minutes=3)
# Offsets from UTC are multiples of this, so that a time in another zone can be told from a different time.
_ZONE_STEP = timedelta(minutes=15)
_SAME = timedelta(seconds=30)
_SHOWN = 60


@dataclass(slots=True)
class _Test:
    """What the last lines say about a test that has no result yet. `is_utc`: its time is in UTC, not in some zone."""

    line: int
    at: datetime | None = None
    is_utc: bool = False
    stage: str | None = None
    server: Server | None = None
    errors: list[str] = field(default_factory=list)

    def is_another(self, at: datetime | None) -> bool:
        """Return whether a line with this time is about another test."""
        return at is not None and self.at is not None and abs(at - self.at) > _LONGEST_TEST


def records(items: Iterable[Numbered], context: Context) -> Iterator[Record]:
    """Yield a record for each test in the items, and one for each line that is not the CLI's."""
    log = _Log(context)
    for line, item in items:
        entry = ookla_items.said(item, context.zone)
        if entry is not None:
            yield from log.add(line, entry)
        elif isinstance(item, dict) and item.get("type") != "log":
            yield Refused(line, "not an object of Ookla's CLI")
        elif isinstance(item, str) and not ookla.LOG_LINE.match(item) and not ookla_csv.is_header(item):
            yield from log.noise(line, item)
    yield from log.close()


def attempt(result: Result, context: Context, at: datetime | None = None) -> Attempt:
    """Return the run of a result; it ended `at` that time if the result has no time of its own.

    Raises:
        UnusableError: there is no time.
    """
    ended = result.at or at
    if result.measured is None:
        return run.failed(NAME, ended, run.why(ookla.ENGINE, [*result.flaws]), context, server=result.server)
    return run.ok(NAME, ended, result.measured, context, run.seconds(result.measured))


class _Log:
    """A log while it is read: the test that the last lines are about, and the time of the last result."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._test: _Test | None = None
        self._last: datetime | None = None

    def add(self, line: int, entry: Said) -> Iterator[Record]:
        """Yield the records that this entry completes: of the test before, or of its own."""
        if isinstance(entry, Result):
            yield from self._result(line, entry)
        elif isinstance(entry, Stamp):
            yield from self._next(line, entry.at)
        elif isinstance(entry, Phase):
            yield from self._phase(line, entry)
        else:
            yield from self._error(line, entry)

    def noise(self, line: int, text: str) -> Iterator[Record]:
        """Add a line between errors to them, for it may explain them; yield any other line as rejected."""
        if self._test is not None and 0 < len(self._test.errors) < MAX_COMPLAINTS:
            self._test.errors.append(text)
        else:
            yield Refused(line, f"not a result: {text[:_SHOWN]!r}")

    def close(self) -> Iterator[Record]:
        """Yield a failed run if the last test has no result."""
        test, self._test = self._test, None
        if test is None or self._is_trailing_date(test):
            return
        failure = run.why(ookla.ENGINE, test.errors or ["ended without a result"], test.stage)
        try:
            yield Taken(test.line, run.failed(NAME, test.at, failure, self._context, server=test.server))
        except UnusableError as error:
            yield Refused(test.line, f"a failure with {error}: {failure.message[:_SHOWN]!r}")

    def _is_trailing_date(self, test: _Test) -> bool:
        """Return whether it is only a date that a script printed after a result instead of before a test."""
        is_near = self._last is not None and test.at is not None and abs(test.at - self._last) < _LONGEST_TEST
        return is_near and not test.errors and not test.stage

    def _next(self, line: int, at: datetime | None, *, is_utc: bool = False) -> Iterator[Record]:
        yield from self.close()
        self._test = _Test(line, at, is_utc)

    def _phase(self, line: int, phase: Phase) -> Iterator[Record]:
        test = self._test
        if test is None or test.is_another(phase.at) or (phase.is_start and test.stage):
            yield from self._next(line, phase.at, is_utc=True)
        assert self._test is not None  # noqa: S101  set by _next
        self._test.at = self._test.at or phase.at
        self._test.stage = phase.stage
        self._test.server = phase.server or self._test.server

    def _error(self, line: int, error: Complaint) -> Iterator[Record]:
        test = self._test
        if test is None or (test.is_another(error.at) and not _in_another_zone(test, error)):
            yield from self._next(line, error.at, is_utc=error.is_utc)
        assert self._test is not None  # noqa: S101  set by _next
        if error.at and (self._test.at is None or (error.is_utc and not self._test.is_utc)):
            self._test.at, self._test.is_utc = error.at, error.is_utc
        self._test.errors.append(error.text)

    def _result(self, line: int, result: Result) -> Iterator[Record]:
        if self._test is not None and self._test.is_another(result.at):
            yield from self.close()
        before, self._test = self._test, None
        self._last = result.at
        try:
            yield Taken(line, attempt(result, self._context, before.at if before else None))
        except UnusableError as error:
            yield Refused(line, f"a result with {error}")


def _in_another_zone(test: _Test, error: Complaint) -> bool:
    """Return whether both have the same time, once in UTC and once in a zone that is not the expected one."""
    if test.at is None or error.at is None or test.is_utc == error.is_utc:
        return False
    return (error.at - test.at + _SAME) % _ZONE_STEP < 2 * _SAME
