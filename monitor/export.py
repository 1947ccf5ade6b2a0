"""Writes runs for programs: as the JSON array of `history --json`, as JSON lines, and as flat CSV. Pure, streamed.

The importer of speedmon's own exports reads these formats: change both together.
"""

from __future__ import annotations

import csv
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.model import Failure, Run, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from monitor.model import Remark

_PARTS: dict[str, type[Server | Failure]] = {"server": Server, "failure": Failure}
_WHOLE = ("",)
# The fields of a run, each with the names of its parts.
_COLUMNS = [
    (field.name, tuple(part.name for part in fields(_PARTS[field.name])) if field.name in _PARTS else _WHOLE)
    for field in fields(Run)
]


def json_array(runs: Iterable[Run]) -> Iterator[str]:
    """Yield a JSON array with one object per line. Every object has all keys; unknown values are null."""
    before = "[\n"
    for run in runs:
        yield before + msgspec.json.encode(run).decode()
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def json_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Yield one JSON object per line, each as in the array."""
    for run in runs:
        yield msgspec.json.encode(run).decode() + "\n"


def csv_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Yield RFC 4180 CSV: a header, then one line per run. Rates are in bit/s; unknown values are empty."""
    writer = csv.writer(_Echo())
    yield writer.writerow(header())
    for run in runs:
        yield writer.writerow([_text(value) for value in values(run)])


def header() -> list[str]:
    """Return the names of the CSV columns, in the order of the JSON keys; `server.id` becomes `server_id`."""
    return [f"{name}_{part}" if part else name for name, parts in _COLUMNS for part in parts]


def values(run: Run) -> list[Any]:
    """Return the values of the CSV columns, with their types."""
    row: list[Any] = []
    for name, parts in _COLUMNS:
        value = getattr(run, name)
        if parts == _WHOLE:
            row.append(value)
        else:
            row.extend([getattr(value, part, None) for part in parts])
    return row


def _text(value: Any) -> Any:
    """Convert a value for the csv module, which writes None as an empty field, and numbers and texts as they are."""
    convert = _TEXTS.get(type(value))
    return convert(value) if convert else value


def _moment(value: datetime) -> str:
    return f"{value.isoformat(timespec='seconds')[:19]}Z"


def _remarks(value: Iterable[Remark]) -> str:
    return "; ".join(f"{_escaped(remark.kind, ':;')}: {_escaped(remark.message, ';')}" for remark in value)


def _escaped(text: str, separators: str) -> str:
    """Put a backslash before each separator (and backslash) in a part of a remark."""
    for character in "\\" + separators:
        text = text.replace(character, "\\" + character)
    return text


_TEXTS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    datetime: _moment,
    tuple: _remarks,
}


class _Echo:
    """A file object that returns what is written to it, so that the csv module returns lines."""

    def write(self, line: str) -> str:
        return line
