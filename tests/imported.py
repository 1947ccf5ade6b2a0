"""What importers make of a text, for their tests."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.importing import formats
from monitor.importing.model import Context, Record, Refused, Taken
from monitor.model import Path

if TYPE_CHECKING:
    from monitor.model import Run

CONTEXT = Context("home", Path.HOST, ZoneInfo("Europe/Berlin"))


def records(text: str, context: Context = CONTEXT) -> list[Record]:
    """Return the records of a text, by the format that is recognised in it."""
    lines = text.splitlines(keepends=True)
    found = formats.reader(lines)
    assert found is not None, "no format is recognised"
    return [*found[1](lines, context)]


def runs(text: str, context: Context = CONTEXT) -> list[Run]:
    """Return the runs of a text."""
    return [record.attempt.run for record in records(text, context) if isinstance(record, Taken)]


def run(text: str, context: Context = CONTEXT) -> Run:
    """Return the only run of a text of which nothing is refused."""
    (found,) = records(text, context)
    assert isinstance(found, Taken), found
    return found.attempt.run


def reasons(text: str) -> list[tuple[int, str]]:
    """Return line and reason of what gives no run."""
    return [(record.line, record.reason) for record in records(text) if isinstance(record, Refused)]
