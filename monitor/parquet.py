"""Writes and reads runs as Parquet, in batches. The only module that imports pyarrow.

The columns are those of the CSV, with types: times are timestamps in UTC, remarks a list of kind and message.
`pip install 'speedmon[parquet]'` installs pyarrow.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from monitor import export
from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from monitor.model import Run

# Runs in memory at a time, and in a row group of the file.
_BATCH = 5_000
_MOMENTS = {"started_at", "finished_at"}
_REAL = ("latency_ms", "jitter_ms", "packet_loss_pct", "download_latency_ms", "upload_latency_ms")
_WHOLE = (
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


def write(runs: Iterable[Run], file: BinaryIO) -> None:
    """Write runs to an open file.

    Raises:
        UsageError: pyarrow is not installed.
    """
    pyarrow, parquet = _pyarrow()
    schema = pyarrow.schema([(name, _type(pyarrow, name)) for name in export.header()])
    remaining = iter(runs)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := [export.values(run) for run in itertools.islice(remaining, _BATCH)]:
            columns = [
                _column(name, column) for name, column in zip(schema.names, zip(*batch, strict=True), strict=True)
            ]
            arrays = [pyarrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))


def rows(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, streamed.

    Raises:
        UsageError: pyarrow is not installed, or the file cannot be read.
    """
    pyarrow, parquet = _pyarrow()
    with _explained(pyarrow, file), parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(_BATCH):
            yield from batch.to_pylist()


def count(file: Path) -> int:
    """Return the number of rows of a file.

    Raises:
        UsageError: as `rows`.
    """
    pyarrow, parquet = _pyarrow()
    with _explained(pyarrow, file):
        return int(parquet.read_metadata(file).num_rows)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415  large, and not everybody has it
        import pyarrow.parquet as pq  # noqa: PLC0415  the same
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow, which is not installed: pip install 'speedmon[parquet]'") from error
    return pa, pq


@contextmanager
def _explained(pyarrow: Any, file: Path) -> Iterator[None]:
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{file}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def _type(pyarrow: Any, name: str) -> Any:
    if name in _MOMENTS:
        return pyarrow.timestamp("ms", tz="UTC")
    if name in _WHOLE:
        return pyarrow.int64()
    if name in _REAL:
        return pyarrow.float64()
    if name == "remarks":
        return pyarrow.list_(pyarrow.struct([("kind", pyarrow.string()), ("message", pyarrow.string())]))
    return pyarrow.bool_() if name == "healthy" else pyarrow.string()


def _column(name: str, values: tuple[Any, ...]) -> Any:
    if name != "remarks":
        return values
    return [[{"kind": remark.kind, "message": remark.message} for remark in value] for value in values]
