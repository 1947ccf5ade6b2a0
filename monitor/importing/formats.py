"""Recognizes which program wrote a text: the first object, header or row of a known format decides. Pure.

To add a format, list it here: in OBJECTS if it matches objects as a program prints them, in TABLES if it matches rows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from monitor.importing import (
    librespeed,
    myspeed,
    objects,
    old_tracker,
    ookla,
    ookla_items,
    own,
    speedtest_cli,
    tables,
    tracker,
)
from monitor.importing.cells import with_plain_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from monitor.importing.model import Context, Fields, Format, Record
    from monitor.importing.objects import Item

    Reader = Callable[[Iterable[str], Context], Iterator[Record]]

OBJECTS = (own.OBJECTS, speedtest_cli.OBJECTS, librespeed.OBJECTS)
TABLES = (own.ROWS, tracker.ROWS, old_tracker.ROWS, myspeed.ROWS, speedtest_cli.ROWS, librespeed.ROWS)
AUTO = "auto"
NAMES = tuple(dict.fromkeys([own.NAME, ookla.NAME, *(known.name for known in (*OBJECTS, *TABLES))]))


def reader(head: Sequence[str], wanted: str = AUTO) -> tuple[str, Reader] | None:
    """Return the name of the program that wrote a text, and a reader for all of it; None if no format matches.

    Args:
        head: the first pieces of the text.
        wanted: the only program to consider, or AUTO.
    """
    for _line, item in objects.items(head):
        recognized = _of_object(item, wanted) if isinstance(item, dict) else _of_line(item, wanted)
        if recognized is not None:
            return recognized
    return None


def of_rows(fields: Fields, wanted: str = AUTO) -> Format | None:
    """Return the format of rows with these normalized names; None if there is none."""
    return next((table for table in _allowed(TABLES, wanted) if table.matches(fields)), None)


def _allowed(candidates: tuple[Format, ...], wanted: str) -> list[Format]:
    return [candidate for candidate in candidates if wanted in {AUTO, candidate.name}]


def _of_object(item: Item, wanted: str) -> tuple[str, Reader] | None:
    first = next(iter(objects.rows_within(item)), {}) if isinstance(item, dict) else {}
    matching = next((candidate for candidate in _allowed(OBJECTS, wanted) if candidate.matches(first)), None)
    matching = matching or of_rows(with_plain_names(first), wanted)
    if matching is not None:
        return matching.name, partial(tables.from_objects, matching)
    return _of_log(item, wanted)


def _of_log(item: Item, wanted: str) -> tuple[str, Reader] | None:
    is_log = wanted in {AUTO, ookla.NAME} and ookla_items.knows(item)
    return (ookla.NAME, _log) if is_log else None


def _log(pieces: Iterable[str], context: Context) -> Iterator[Record]:
    return ookla.records(objects.items(pieces), context)


def _of_line(line: str, wanted: str) -> tuple[str, Reader] | None:
    table = tables.find(line, _allowed(TABLES, wanted))
    if table is not None:
        return table.format.name, partial(tables.from_lines, table)
    return _of_log(line, wanted)
