"""What is stored as one value instead of in columns: remarks, findings, traces. To change a format, write a migration.

Remarks and findings are JSON, so that SQL can look into them. The rest is zlib over MessagePack: a trace as four
numbers a sample, the engine's output as a pair of texts.
"""

from __future__ import annotations

import zlib

import msgspec

from monitor.model import RawOutput, Remark, Trace

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


def from_output(output: RawOutput) -> bytes:
    """Return what an engine printed as one value."""
    return zlib.compress(msgspec.msgpack.encode((output.stdout, output.stderr)))


def to_output(value: bytes) -> RawOutput:
    """Return what an engine printed.

    Raises:
        msgspec.DecodeError, zlib.error: it was not written here.
    """
    return RawOutput(*msgspec.msgpack.decode(zlib.decompress(value), type=tuple[str, str]))
