"""Logs of Ookla's CLI: `-f json`, `-f jsonl`, `-f csv` and `-f tsv`, with what scripts and stderr put between. Pure.

A test is spread over lines: a date that a script printed, phases, errors with or without a time, a result. Errors
before a result belong to it; errors that no result follows are a failed run, if any of their lines has a time.
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
# The CLI gives up long before; lines further apart are of different tests.
_LONGEST_TEST = timedelta(minutes=3)
# Zones differ by multiples of this, which tells the same moment in another zone from another moment.
_ZONE_STEP = timedelta(minutes=15)
_SAME = timedelta(seconds=30)
_SHOWN = 60


@dataclass(slots=True)
class _Test:
    """What the last lines said of a test that has no result yet. `sure`: its time is UTC, not of some zone."""

    line: int
    at: datetime | None = None
    sure: bool = False
    stage: str | None = None
    server: Server | None = None
    complaints: list[str] = field(default_factory=list)

    def is_another(self, at: datetime | None) -> bool:
        """Tell whether something said then is of a later test."""
        return at is not None and self.at is not None and abs(at - self.at) > _LONGEST_TEST


def records(items: Iterable[Numbered], context: Context) -> Iterator[Record]:
    """Yield a record for each test that the items tell of, and one for each line that says nothing."""
    log = _Log(context)
    for line, item in items:
        found = ookla_items.said(item, context.zone)
        if found is not None:
            yield from log.add(line, found)
        elif isinstance(item, dict) and item.get("type") != "log":
            yield Refused(line, "an object that Ookla's CLI does not print")
        elif isinstance(item, str) and not ookla.LOG_LINE.match(item) and not ookla_csv.is_header(item):
            yield from log.noise(line, item)
    yield from log.close()


def attempt(result: Result, context: Context, at: datetime | None = None) -> Attempt:
    """Return the run of a result, which ended `at` where it does not say when.

    Raises:
        UnusableError: nobody says when.
    """
    ended = result.at or at
    if result.measured is None:
        return run.failed(NAME, ended, run.why(ookla.ENGINE, [*result.flaws]), context, server=result.server)
    return run.ok(NAME, ended, result.measured, context, run.seconds(result.measured))


class _Log:
    """A log while it is read: the test that the last lines were about, and when the last result was."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._test: _Test | None = None
        self._last: datetime | None = None

    def add(self, line: int, said: Said) -> Iterator[Record]:
        """Yield what is certain with this: the test before, or a result."""
        if isinstance(said, Result):
            yield from self._result(line, said)
        elif isinstance(said, Stamp):
            yield from self._next(line, said.at)
        elif isinstance(said, Phase):
            yield from self._phase(line, said)
        else:
            yield from self._complaint(line, said)

    def noise(self, line: int, text: str) -> Iterator[Record]:
        """Yield nothing for a line between errors, which may say more of them, else that it is none of the CLI's."""
        if self._test is not None and 0 < len(self._test.complaints) < MAX_COMPLAINTS:
            self._test.complaints.append(text)
        else:
            yield Refused(line, f"no result: {text[:_SHOWN]!r}")

    def close(self) -> Iterator[Record]:
        """Yield the failed run that the lines so far tell of, if they do."""
        test, self._test = self._test, None
        if test is None or self._is_an_afterthought(test):
            return
        failure = run.why(ookla.ENGINE, test.complaints or ["ended without a result"], test.stage)
        try:
            yield Taken(test.line, run.failed(NAME, test.at, failure, self._context, server=test.server))
        except UnusableError as error:
            yield Refused(test.line, f"a failure with {error}: {failure.message[:_SHOWN]!r}")

    def _is_an_afterthought(self, test: _Test) -> bool:
        """Tell whether it is but a date that a script printed after a result instead of before a test."""
        near = self._last is not None and test.at is not None and abs(test.at - self._last) < _LONGEST_TEST
        return near and not test.complaints and not test.stage

    def _next(self, line: int, at: datetime | None, *, sure: bool = False) -> Iterator[Record]:
        yield from self.close()
        self._test = _Test(line, at, sure)

    def _phase(self, line: int, said: Phase) -> Iterator[Record]:
        test = self._test
        if test is None or test.is_another(said.at) or (said.begins and test.stage):
            yield from self._next(line, said.at, sure=True)
        assert self._test is not None  # noqa: S101  there is one since the line before
        self._test.at = self._test.at or said.at
        self._test.stage = said.stage
        self._test.server = said.server or self._test.server

    def _complaint(self, line: int, said: Complaint) -> Iterator[Record]:
        test = self._test
        if test is None or (test.is_another(said.at) and not _in_another_zone(test, said)):
            yield from self._next(line, said.at, sure=said.sure)
        assert self._test is not None  # noqa: S101  there is one since the line before
        if said.at and (self._test.at is None or (said.sure and not self._test.sure)):
            self._test.at, self._test.sure = said.at, said.sure
        self._test.complaints.append(said.text)

    def _result(self, line: int, said: Result) -> Iterator[Record]:
        if self._test is not None and self._test.is_another(said.at):
            yield from self.close()
        before, self._test = self._test, None
        self._last = said.at
        try:
            yield Taken(line, attempt(said, self._context, before.at if before else None))
        except UnusableError as error:
            yield Refused(line, f"a result with {error}")


def _in_another_zone(test: _Test, said: Complaint) -> bool:
    """Tell whether both are of one moment, told once in UTC and once in a zone that is not the one expected."""
    if test.at is None or said.at is None or test.sure == said.sure:
        return False
    return (said.at - test.at + _SAME) % _ZONE_STEP < 2 * _SAME
