"""speedmon's own exports, as `monitor.output.export` writes them. Ids and triggers stay. Pure."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from monitor.importers.attempts import id_for_probe
from monitor.importers.base import UnusableRowError, normalize_name
from monitor.importers.rows import ImportFormat
from monitor.model import Attempt, Failure, Run, Server, is_run_id
from monitor.output import export

if TYPE_CHECKING:
    from monitor.importers.base import Fields, ImportContext
    from monitor.importers.rows import Row


NAME = "speedmon"

_COLUMNS = [(name, normalize_name(name)) for name in export.csv_header()]

_REQUIRED = ("id", "probe", "started_at", "status", "engine")

# Always texts, so that an empty value is an empty text and not missing.
_TEXT_FIELDS = {"id", "probe", "engine"}

_PARTS = {"server": Server, "failure": Failure}

_NUMBER_FIELDS = tuple(
    name for name, _ in _COLUMNS if name.endswith(("_bps", "_ms", "_bytes", "_pct")) and not name.startswith("failure")
)

_INTEGER_LIMIT = 2**63

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)

_NUMBERS = {*export.INTEGER_COLUMNS, *export.FLOAT_COLUMNS}

_UTC = ZoneInfo("UTC")

_REMARK = re.compile(r"((?:\\.|[^\\:;])*): ((?:\\.|[^\\;])*)(?:; |$)", re.DOTALL)


def _is_object(item: Fields) -> bool:
    return all(name in item for name in _REQUIRED)


def _is_row(fields: Fields) -> bool:
    return all(normalize_name(name) in fields for name in _REQUIRED)


def _read_object(row: Row) -> Attempt:
    return _to_attempt(dict(row.fields), row.context, strict=True)


def _read_row(row: Row) -> Attempt:
    """Read a row of CSV or Parquet; an empty field of CSV means missing."""
    is_csv = isinstance(row.fields.get("startedat"), str)
    missing = "" if is_csv else None
    flat = {name: row.fields.get(key, missing) for name, key in _COLUMNS if name != "remarks"}
    values: dict[str, Any] = {
        name: _read_cell(row, name, value) if is_csv else value
        for name, value in flat.items()
        if name in _TEXT_FIELDS or value != missing
    }
    for part in _PARTS:
        values[part] = _take_part(values, part)
    remarks = row.fields.get("remarks")
    values["remarks"] = _parse_remarks(export.from_csv_text(remarks) if isinstance(remarks, str) else remarks)
    return _to_attempt(values, row.context, strict=False)


def _read_cell(row: Row, name: str, value: object) -> object:
    """Return the value of a field of CSV that is not empty: a number, a time, or a text as it was before."""
    if name in _NUMBERS:
        return row.any_number(normalize_name(name))
    if name in export.TIME_COLUMNS:
        return value if _TIME.fullmatch(str(value)) else row.time(normalize_name(name), _UTC)
    return export.from_csv_text(str(value))


def _take_part(values: dict[str, Any], part: str) -> dict[str, Any] | None:
    """Remove the columns of a part from a row; return them as an object, None if there are none."""
    names = [field.name for field in dataclasses.fields(_PARTS[part])]
    fields = {name: values.pop(f"{part}_{name}") for name in names if f"{part}_{name}" in values}
    return ({"message": "", "stage": None} if part == "failure" else {}) | fields if fields else None


def _parse_remarks(value: object) -> list[object]:
    if not isinstance(value, str):
        return list(value) if isinstance(value, list) else []
    return [{"kind": _unescape(kind), "message": _unescape(message)} for kind, message in _REMARK.findall(value)]


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _to_attempt(values: Any, context: ImportContext, *, strict: bool) -> Attempt:
    try:
        run = msgspec.convert(values, Run, strict=strict)
        flaw = _find_flaw(run)
    except (msgspec.ValidationError, UnicodeError, OverflowError) as error:
        raise UnusableRowError(f"not a valid run: {error}") from error
    if flaw:
        raise UnusableRowError(f"not a valid run: {flaw}")
    if not context.replaces_probe or run.probe == context.probe:
        return Attempt(run)
    first = run.retry_of and id_for_probe(run.retry_of, context.probe)
    return Attempt(replace(run, probe=context.probe, id=id_for_probe(run.id, context.probe), retry_of=first))


def _find_flaw(run: Run) -> str | None:
    """Return why the store would reject a run; None if it would not.

    Raises:
        UnicodeError: a text has half a character.
    """
    if not is_run_id(run.id) or not is_run_id(run.retry_of or run.id):
        return f"its id {run.id[:40]!r} is not a UUID"
    if run.started_at.tzinfo is None or run.finished_at.tzinfo is None:
        return "its time has no offset from UTC"
    numbers = ((name, getattr(run, name)) for name in _NUMBER_FIELDS)
    impossible = next((name for name, value in numbers if value is not None and not 0 <= value < _INTEGER_LIMIT), None)
    if impossible:
        return f"{impossible} is impossible: {getattr(run, impossible)}"
    msgspec.json.encode(run)
    return None if run.ip_family in {None, 4, 6} else f"ip_family is neither 4 nor 6: {run.ip_family}"


OBJECTS = ImportFormat(NAME, _is_object, _read_object, is_nested=True)

ROWS = ImportFormat(NAME, _is_row, _read_row)
