"""Imports texts, for the tests of importers."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.importers import importer
from monitor.importers.base import ImportContext, ImportedRun, ImportNote, Record, RejectedPart
from monitor.model import NetworkPath

if TYPE_CHECKING:
    from monitor.model import Run

CONTEXT = ImportContext("home", NetworkPath.HOST, ZoneInfo("Europe/Berlin"))


def records(text: str, context: ImportContext = CONTEXT) -> list[Record]:
    """Return the records of a text in whichever format it is."""
    # As a file is read: other characters than line ends end no line.
    lines = io.StringIO(text, newline="").readlines()
    recognized = importer.find_reader(lines)
    assert recognized is not None, "no format is recognized"
    if context.date_order is None:
        context = replace(context, date_order=importer.find_date_order(lines))
    return [*recognized[1](lines, context)]


def runs(text: str, context: ImportContext = CONTEXT) -> list[Run]:
    """Return the runs of a text."""
    return [record.attempt.run for record in records(text, context) if isinstance(record, ImportedRun)]


def run(text: str, context: ImportContext = CONTEXT) -> Run:
    """Return the run of a text that has one run and nothing else, notes apart."""
    (record,) = (record for record in records(text, context) if not isinstance(record, ImportNote))
    assert isinstance(record, ImportedRun), record
    return record.attempt.run


def reasons(text: str, context: ImportContext = CONTEXT) -> list[tuple[int, str]]:
    """Return line and reason of each part that is rejected."""
    return [(record.line, record.reason) for record in records(text, context) if isinstance(record, RejectedPart)]


def notes(text: str, context: ImportContext = CONTEXT) -> list[tuple[int, str]]:
    """Return line and text of each note."""
    return [(record.line, record.text) for record in records(text, context) if isinstance(record, ImportNote)]
