"""Runs for programs: JSON as `history --json` prints it, JSON lines, flat CSV and Parquet. All are streamed.

The importer of speedmon's own exports reads these formats: change both together. The columns of Parquet are those of
the CSV, with types: times are timestamps in UTC, remarks a list of kind and message. The only home of pyarrow, which
the extra `parquet` installs.
"""

from __future__ import annotations

import csv
import itertools
import re
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.errors import UsageError
from monitor.model import Failure, Run, Server
from monitor.system.installation import install_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from monitor.model import Remark


_PARTS: dict[str, type[Server | Failure]] = {"server": Server, "failure": Failure}

_NO_PARTS = ("",)

# The fields of a run, each with the names of its parts.
_COLUMNS = [
    (field.name, tuple(part.name for part in fields(_PARTS[field.name])) if field.name in _PARTS else _NO_PARTS)
    for field in fields(Run)
]

# A spreadsheet takes a text that begins so, spaces apart, for a formula, or its first tab or line end for one of its
# own; an apostrophe before it is our mark.
_FORMULA = re.compile("'*(?:[\\t\\r\\n\\v\\f]|[\\s\\ufeff]*[=+\\-@\\uff1d\\uff0b\\uff0d\\uff20])")

# Runs in memory at a time, and in a row group of the file.
_PARQUET_BATCH = 5_000

TIME_COLUMNS = {"started_at", "finished_at"}
FLOAT_COLUMNS = ("latency_ms", "jitter_ms", "packet_loss_pct", "download_latency_ms", "upload_latency_ms")
INTEGER_COLUMNS = (
    "download_bps",
    "upload_bps",
    "download_bytes",
    "upload_bytes",
    "download_ms",
    "upload_ms",
    "ip_family",
    "cross_rx_bps",
    "cross_tx_bps",
    "failure_exit_code",
    "failure_signal",
    "attempt",
)


def to_json_array(runs: Iterable[Run]) -> Iterator[str]:
    """Yield a JSON array with one object per line. Every object has all keys; unknown values are null."""
    before = "[\n"
    for run in runs:
        yield before + msgspec.json.encode(run).decode()
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def to_json_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Yield one JSON object per line, each as in the array."""
    for run in runs:
        yield msgspec.json.encode(run).decode() + "\n"


def to_csv_lines(runs: Iterable[Run]) -> Iterator[str]:
    """Yield RFC 4180 CSV: a header, then one line per run. Rates are in bit/s; unknown values are empty."""
    writer = csv.writer(_Echo())
    yield writer.writerow(csv_header())
    for run in runs:
        yield writer.writerow([_csv_field(value) for value in csv_values(run)])


def csv_header() -> list[str]:
    """Return the names of the CSV columns, in the order of the JSON keys; `server.id` becomes `server_id`."""
    return [f"{name}_{part}" if part else name for name, parts in _COLUMNS for part in parts]


def csv_values(run: Run) -> list[Any]:
    """Return the values of the CSV columns, with their types."""
    row: list[Any] = []
    for name, parts in _COLUMNS:
        value = getattr(run, name)
        if parts == _NO_PARTS:
            row.append(value)
        else:
            row.extend([getattr(value, part, None) for part in parts])
    return row


def _csv_field(value: Any) -> Any:
    """Convert a value for the csv module, which writes None as an empty field, and numbers and texts as they are."""
    convert = _CONVERTERS.get(type(value))
    return convert(value) if convert else value


def to_csv_text(text: str) -> str:
    """Return a text as a field of CSV has it: with an apostrophe before it where a spreadsheet sees a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def from_csv_text(text: str) -> str:
    """Return a text from a field of CSV, as it was before `to_csv_text`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _csv_time(value: datetime) -> str:
    return f"{value.isoformat(timespec='seconds')[:19]}Z"


def _csv_remarks(value: Iterable[Remark]) -> str:
    return to_csv_text(
        "; ".join(
            f"{_escape_separators(remark.kind, ':;')}: {_escape_separators(remark.message, ';')}" for remark in value
        )
    )


def _escape_separators(text: str, separators: str) -> str:
    """Put a backslash before each separator (and backslash) in a part of a remark."""
    for character in "\\" + separators:
        text = text.replace(character, "\\" + character)
    return text


_CONVERTERS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    datetime: _csv_time,
    str: to_csv_text,
    tuple: _csv_remarks,
}


class _Echo:
    """A file object that returns what is written to it, so that the csv module returns lines."""

    def write(self, line: str) -> str:
        return line


def write_parquet(runs: Iterable[Run], file: BinaryIO) -> None:
    """Write runs to an open file.

    Raises:
        UsageError: pyarrow is not installed.
    """
    pyarrow, parquet = _import_pyarrow()
    schema = pyarrow.schema([(name, _column_type(pyarrow, name)) for name in csv_header()])
    remaining = iter(runs)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := [csv_values(run) for run in itertools.islice(remaining, _PARQUET_BATCH)]:
            columns = [
                _column_values(name, column)
                for name, column in zip(schema.names, zip(*batch, strict=True), strict=True)
            ]
            arrays = [pyarrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))


def read_parquet(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, streamed.

    Raises:
        UsageError: pyarrow is not installed, or the file cannot be read.
    """
    pyarrow, parquet = _import_pyarrow()
    with _parquet_errors(pyarrow, file), parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(_PARQUET_BATCH):
            yield from batch.to_pylist()


def count_parquet_rows(file: Path) -> int:
    """Return the number of rows of a file.

    Raises:
        UsageError: as `read_parquet`.
    """
    pyarrow, parquet = _import_pyarrow()
    with _parquet_errors(pyarrow, file):
        return int(parquet.read_metadata(file).num_rows)


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415  large, and not everybody has it
        import pyarrow.parquet as pq  # noqa: PLC0415  the same
    except ImportError as error:
        add = install_command("pyarrow")
        raise UsageError(f"Parquet needs pyarrow, which is not installed: {add}") from error
    return pa, pq


@contextmanager
def _parquet_errors(pyarrow: Any, file: Path) -> Iterator[None]:
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{file}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def _column_type(pyarrow: Any, name: str) -> Any:
    if name in TIME_COLUMNS:
        return pyarrow.timestamp("ms", tz="UTC")
    if name in INTEGER_COLUMNS:
        return pyarrow.int64()
    if name in FLOAT_COLUMNS:
        return pyarrow.float64()
    if name == "remarks":
        return pyarrow.list_(pyarrow.struct([("kind", pyarrow.string()), ("message", pyarrow.string())]))
    return pyarrow.bool_() if name in {"healthy", "line_answered"} else pyarrow.string()


def _column_values(name: str, values: tuple[Any, ...]) -> Any:
    if name != "remarks":
        return values
    return [[{"kind": remark.kind, "message": remark.message} for remark in value] for value in values]
