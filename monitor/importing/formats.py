"""Which program wrote a text: the first object, header or row that one of the formats knows decides. Pure.

To add a format, name it here: objects as a program prints them in OBJECTS, rows in TABLES.
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
NAMES = tuple(dict.fromkeys([own.NAME, ookla.NAME, *(form.name for form in (*OBJECTS, *TABLES))]))


def reader(head: Sequence[str], wanted: str = AUTO) -> tuple[str, Reader] | None:
    """Return the name of the program that wrote a text, and what reads all of it; None where nobody knows it.

    Args:
        head: the first pieces of the text.
        wanted: the only program that may have written it, or AUTO.
    """
    for _line, item in objects.items(head):
        found = _of_object(item, wanted) if isinstance(item, dict) else _of_line(item, wanted)
        if found is not None:
            return found
    return None


def of_rows(fields: Fields, wanted: str = AUTO) -> Format | None:
    """Return the table that rows with these names are of."""
    return next((form for form in _allowed(TABLES, wanted) if form.knows(fields)), None)


def _allowed(forms: tuple[Format, ...], wanted: str) -> list[Format]:
    return [form for form in forms if wanted in {AUTO, form.name}]


def _of_object(item: Item, wanted: str) -> tuple[str, Reader] | None:
    first = next(iter(objects.rows_within(item)), {}) if isinstance(item, dict) else {}
    form = next((form for form in _allowed(OBJECTS, wanted) if form.knows(first)), None)
    form = form or of_rows(with_plain_names(first), wanted)
    if form is not None:
        return form.name, partial(tables.from_objects, form)
    return _of_log(item, wanted)


def _of_log(item: Item, wanted: str) -> tuple[str, Reader] | None:
    known = wanted in {AUTO, ookla.NAME} and ookla_items.knows(item)
    return (ookla.NAME, _log) if known else None


def _log(pieces: Iterable[str], context: Context) -> Iterator[Record]:
    return ookla.records(objects.items(pieces), context)


def _of_line(line: str, wanted: str) -> tuple[str, Reader] | None:
    found = tables.find(line, _allowed(TABLES, wanted))
    if found is not None:
        return found.form.name, partial(tables.from_lines, found)
    return _of_log(line, wanted)
