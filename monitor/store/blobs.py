"""What is stored as one value instead of in columns: remarks, findings, traces. To change a format, write a migration.

Remarks and findings are JSON, so that SQL can look into them; a trace is zlib over MessagePack, four numbers a sample.
"""

from __future__ import annotations

import zlib

import msgspec

from monitor.model import Remark, Trace

_Samples = tuple[tuple[int, int, int, int], ...]


def from_remarks(remarks: tuple[Remark, ...]) -> str | None:
    """Return remarks as a JSON array, None for none."""
    return msgspec.json.encode(remarks).decode() if remarks else None


def to_remarks(text: str | None) -> tuple[Remark, ...]:
    """Return the remarks of a JSON array.

    Raises:
        msgspec.DecodeError: it was not written here.
    """
    return msgspec.json.decode(text, type=tuple[Remark, ...]) if text else ()


def from_trace(trace: Trace) -> dict[str, int | bytes]:
    """Return the columns of a trace."""
    return {"interval_ms": trace.interval_ms, "samples": zlib.compress(msgspec.msgpack.encode(trace.samples), 9)}


def to_trace(interval_ms: int, samples: bytes) -> Trace:
    """Return the trace of its columns.

    Raises:
        msgspec.DecodeError, zlib.error: it was not written here.
    """
    return Trace(interval_ms, msgspec.msgpack.decode(zlib.decompress(samples), type=_Samples))
