"""Exports of speedmon itself, as `monitor.export` and `monitor.parquet` write them. Ids and triggers stay. Pure."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import msgspec

from monitor import export
from monitor.importing.cells import plain
from monitor.importing.model import Format, UnusableError
from monitor.model import Attempt, Failure, Run, Server

if TYPE_CHECKING:
    from monitor.importing.model import Context, Fields

NAME = "speedmon"
_COLUMNS = [(name, plain(name)) for name in export.header()]
_SURE = ("id", "probe", "started_at", "status", "engine")
# Always texts, so that an empty value is an empty text and not missing.
_TEXTS = {"id", "probe", "engine"}
_PARTS = {"server": Server, "failure": Failure}
_NUMBERS = tuple(
    name for name, _ in _COLUMNS if name.endswith(("_bps", "_ms", "_bytes", "_pct")) and not name.startswith("failure")
)
_MOST = 2**63
_LONGEST_ID = 64
_REMARK = re.compile(r"((?:\\.|[^\\:;])*): ((?:\\.|[^\\;])*)(?:; |$)", re.DOTALL)


def _knows_object(item: Fields) -> bool:
    return all(name in item for name in _SURE)


def _knows_row(fields: Fields) -> bool:
    return all(plain(name) in fields for name in _SURE)


def _from_object(item: Fields, context: Context) -> Attempt:
    return _attempt(item, context, strict=True)


def _from_row(fields: Fields, context: Context) -> Attempt:
    """Read a row of CSV or Parquet; an empty field of CSV means missing."""
    missing = "" if isinstance(fields.get("startedat"), str) else None
    flat = {name: fields.get(key, missing) for name, key in _COLUMNS if name != "remarks"}
    values: dict[str, Any] = {name: value for name, value in flat.items() if name in _TEXTS or value != missing}
    for part in _PARTS:
        values[part] = _part(values, part)
    values["remarks"] = _remarks(fields.get("remarks"))
    return _attempt(values, context, strict=False)


def _part(values: dict[str, Any], part: str) -> dict[str, Any] | None:
    """Remove the columns of a part from a row; return them as an object, None if there are none."""
    names = [field.name for field in dataclasses.fields(_PARTS[part])]
    fields = {name: values.pop(f"{part}_{name}") for name in names if f"{part}_{name}" in values}
    return ({"message": "", "stage": None} if part == "failure" else {}) | fields if fields else None


def _remarks(value: object) -> list[object]:
    if not isinstance(value, str):
        return list(value) if isinstance(value, list) else []
    return [{"kind": _bare(kind), "message": _bare(message)} for kind, message in _REMARK.findall(value)]


def _bare(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _attempt(values: Any, context: Context, *, strict: bool) -> Attempt:
    try:
        run = msgspec.convert(values, Run, strict=strict)
    except msgspec.ValidationError as error:
        raise UnusableError(f"not a valid run: {error}") from error
    if flaw := _flaw(run):
        raise UnusableError(f"not a valid run: {flaw}")
    return Attempt(dataclasses.replace(run, probe=context.probe) if context.replaces_probe else run)


def _flaw(run: Run) -> str | None:
    """Return why the store would reject a run; None if it would not."""
    if not 0 < len(run.id) <= _LONGEST_ID:
        return "its id is empty or too long"
    if run.started_at.tzinfo is None or run.finished_at.tzinfo is None:
        return "its time has no offset from UTC"
    numbers = ((name, getattr(run, name)) for name in _NUMBERS)
    impossible = next((name for name, value in numbers if value is not None and not 0 <= value < _MOST), None)
    if impossible:
        return f"{impossible} is impossible"
    return None if run.ip_family in {None, 4, 6} else "ip_family is neither 4 nor 6"


OBJECTS = Format(NAME, _knows_object, _from_object, is_nested=True)
ROWS = Format(NAME, _knows_row, _from_row)
