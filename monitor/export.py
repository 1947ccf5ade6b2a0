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
    from collections.abc import Iterable, Iterator

_PARTS: dict[str, type[Server | Failure]] = {"server": Server, "failure": Failure}


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
    return [name for field in fields(Run) for name in _names(field.name)]


def _names(name: str) -> list[str]:
    part = _PARTS.get(name)
    return [f"{name}_{field.name}" for field in fields(part)] if part else [name]


def values(run: Run) -> list[Any]:
    """Return the values of the CSV columns as they are in the run."""
    return [value for field in fields(run) for value in _values(field.name, getattr(run, field.name))]


def _values(name: str, value: Any) -> list[Any]:
    part = _PARTS.get(name)
    return [getattr(value, field.name, None) for field in fields(part)] if part else [value]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, tuple):
        return "; ".join(f"{_escaped(remark.kind, ':;')}: {_escaped(remark.message, ';')}" for remark in value)
    return str(value)


def _escaped(text: str, separators: str) -> str:
    """Return a part of a remark with a backslash before each separator in it, so that it can be told from the next."""
    for letter in "\\" + separators:
        text = text.replace(letter, "\\" + letter)
    return text


class _Echo:
    """A file that hands back what is written to it, so that the csv module makes lines instead of a file."""

    def write(self, line: str) -> str:
        return line
