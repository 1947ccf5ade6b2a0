"""The encoding of values stored in one column: remarks, raw output, traces. To change a format, write a migration.

Remarks are JSON, so that SQL can read them. The rest is MessagePack compressed by zlib: a trace is a list of samples of
four numbers, the output of an engine a pair of texts.
"""

from __future__ import annotations

import zlib

import msgspec

from monitor.model import RawOutput, Remark, Trace

_Samples = tuple[tuple[int, int, int, int], ...]


def from_remarks(remarks: tuple[Remark, ...]) -> str | None:
    """Return remarks as a JSON array; None if there are none."""
    return msgspec.json.encode(remarks).decode() if remarks else None


def to_remarks(text: str | None) -> tuple[Remark, ...]:
    """Return the remarks of a JSON array.

    Raises:
        msgspec.DecodeError: the text is not such an array.
    """
    return msgspec.json.decode(text, type=tuple[Remark, ...]) if text else ()


def from_trace(trace: Trace) -> dict[str, int | bytes]:
    """Return a trace as its columns `interval_ms` and `samples`."""
    return {"interval_ms": trace.interval_ms, "samples": zlib.compress(msgspec.msgpack.encode(trace.samples), 9)}


def to_trace(interval_ms: int, samples: bytes) -> Trace:
    """Return a trace, decoded from its columns.

    Raises:
        msgspec.DecodeError, zlib.error: the value is damaged.
    """
    return Trace(interval_ms, msgspec.msgpack.decode(zlib.decompress(samples), type=_Samples))


def from_output(output: RawOutput) -> bytes:
    """Return the output of an engine, encoded."""
    return zlib.compress(msgspec.msgpack.encode((output.stdout, output.stderr)))


def to_output(value: bytes) -> RawOutput:
    """Return the output of an engine, decoded.

    Raises:
        msgspec.DecodeError, zlib.error: the value is damaged.
    """
    return RawOutput(*msgspec.msgpack.decode(zlib.decompress(value), type=tuple[str, str]))
