"""Runs as text for programs: the JSON array of `history --json`, and CSV with flat names. Pure and streamed."""

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


def csv_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Yield RFC 4180 CSV: a header, then a line a run; rates in bit/s, an empty field for what is not known."""
    writer = csv.writer(_Echo())
    yield writer.writerow(header())
    for run in runs:
        yield writer.writerow(_row(run))


def header() -> list[str]:
    """Return the names of the CSV columns, in the order of the JSON keys: `server.id` is `server_id`."""
    return [name for field in fields(Run) for name in _names(field.name)]


def _names(name: str) -> list[str]:
    part = _PARTS.get(name)
    return [f"{name}_{field.name}" for field in fields(part)] if part else [name]


def _row(run: Run) -> list[str]:
    return [_text(value) for field in fields(run) for value in _values(field.name, getattr(run, field.name))]


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
        return "; ".join(f"{remark.kind}: {remark.message}" for remark in value)
    return str(value)


class _Echo:
    """A file that hands back what is written to it, so that the csv module makes lines instead of a file."""

    def write(self, line: str) -> str:
        return line
