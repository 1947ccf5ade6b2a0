"""Runs as text for programs: the JSON array of `history --json`, JSON lines, and CSV with flat names. Pure, streamed.

What is written here `monitor.importing.own` reads back: a change here needs one there.
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
# The fields of a run, each with the fields within it.
_COLUMNS = [
    (field.name, tuple(part.name for part in fields(_PARTS[field.name])) if field.name in _PARTS else _WHOLE)
    for field in fields(Run)
]


def json_array(runs: Iterable[Run]) -> Iterator[str]:
    """Yield the text of one JSON array, an object a line; every key is always there, null where nothing is known."""
    before = "[\n"
    for run in runs:
        yield before + msgspec.json.encode(run).decode()
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def json_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Yield an object a line, each as in the array."""
    for run in runs:
        yield msgspec.json.encode(run).decode() + "\n"


def csv_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Yield RFC 4180 CSV: a header, then a line a run; rates in bit/s, an empty field for what is not known."""
    writer = csv.writer(_Echo())
    yield writer.writerow(header())
    for run in runs:
        yield writer.writerow([_text(value) for value in values(run)])


def header() -> list[str]:
    """Return the names of the CSV columns, in the order of the JSON keys: `server.id` is `server_id`."""
    return [f"{name}_{field}" if field else name for name, within in _COLUMNS for field in within]


def values(run: Run) -> list[Any]:
    """Return the values of the CSV columns as they are in the run."""
    found: list[Any] = []
    for name, within in _COLUMNS:
        value = getattr(run, name)
        if within == _WHOLE:
            found.append(value)
        else:
            found.extend([getattr(value, field, None) for field in within])
    return found


def _text(value: Any) -> Any:
    """Return what the csv module is given: it writes nothing for None, and numbers and names as they are."""
    told = _TEXTS.get(type(value))
    return told(value) if told else value


def _moment(value: datetime) -> str:
    return f"{value.isoformat(timespec='seconds')[:19]}Z"


def _remarks(value: Iterable[Remark]) -> str:
    return "; ".join(f"{_escaped(remark.kind, ':;')}: {_escaped(remark.message, ';')}" for remark in value)


def _escaped(text: str, separators: str) -> str:
    """Return a part of a remark with a backslash before each separator in it, so that it can be told from the next."""
    for letter in "\\" + separators:
        text = text.replace(letter, "\\" + letter)
    return text


_TEXTS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    datetime: _moment,
    tuple: _remarks,
}


class _Echo:
    """A file that hands back what is written to it, so that the csv module makes lines instead of a file."""

    def write(self, line: str) -> str:
        return line
