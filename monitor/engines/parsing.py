"""Finds JSON among the other output of an engine, and cleans its numbers and texts. Pure.

Nothing here raises an exception: incomplete lines, broken characters and absurd nesting are treated as text. A value
that is missing, impossible or of a wrong type is None; the limits are generous, as they stop garbage and do not judge a
line.
"""

from __future__ import annotations

import math
import socket
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator


MAX_BPS = 10**13

MAX_BYTES = 10**15

MAX_MS = 3_600_000

# speedtest-cli counts a lost ping as an hour, so its wrong averages are far above any real round trip.
MAX_LATENCY_MS = 60_000

MAX_TEXT = 200

T = TypeVar("T")

OutputItem = dict[str, object] | str

# How many possible ends of an object are tried before its lines are text: each try parses all of them again.
MAX_DECODE_TRIES = 50


def to_number(value: object, low: float, high: float) -> float | None:
    """Return a finite number within [low, high]; None for anything else, booleans and texts included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before any conversion: an integer may be too large for a float.
    if not low <= value <= high or math.isnan(value):
        return None
    return float(value)


def to_rate_bps(value: object, bits_each: int = 1) -> int | None:
    """Return a rate in bit/s from units of `bits_each` bits per second; None unless 0 < rate < 10 Tbit/s."""
    parsed = to_number(value, 0, MAX_BPS)
    if parsed is None:
        return None
    rate = round(parsed * bits_each)
    return rate if 0 < rate < MAX_BPS else None


def to_rates(download: object, upload: object, bits_each: int = 1) -> tuple[tuple[int, int] | None, list[str]]:
    """Return both rates in bit/s, as `to_rate_bps` does; else None and a complaint about each unusable one."""
    download_bps, upload_bps = to_rate_bps(download, bits_each), to_rate_bps(upload, bits_each)
    if download_bps is None or upload_bps is None:
        return None, rate_complaints("download", download, download_bps) + rate_complaints("upload", upload, upload_bps)
    return (download_bps, upload_bps), []


def rate_complaints(phase: str, value: object, rate: int | None) -> list[str]:
    """Return a complaint about an unusable rate; `monitor.diagnosis.classify` matches these two messages."""
    if rate is not None:
        return []
    if value is None or to_number(value, 0, 1) is not None:
        return [f"result without a {phase} rate"]
    return [f"result with an impossible {phase} rate: {str(value)[:80]!r}"]


def to_count(value: object, high: int = MAX_BYTES) -> int | None:
    """Return a positive whole number of bytes or ms."""
    parsed = to_number(value, 1, high)
    return None if parsed is None else round(parsed)


def to_latency_ms(value: object) -> float | None:
    """Return a round-trip time in ms; 0 is impossible and becomes None."""
    return to_number(value, 0, MAX_LATENCY_MS) or None


def to_jitter_ms(value: object) -> float | None:
    """Return a jitter in ms, which may be 0."""
    return to_number(value, 0, MAX_LATENCY_MS)


def to_percent(value: object) -> float | None:
    """Return a share in percent, 0 to 100."""
    return to_number(value, 0, 100)


def clean_text(value: object, limit: int = MAX_TEXT) -> str | None:
    """Return a text as one line without control characters, at most `limit` long; None when nothing is left."""
    if not isinstance(value, str):
        return None
    # Four times the limit leaves room for what is removed, and bounds the work.
    visible = value[: 4 * limit]
    if not visible.isprintable():
        visible = "".join(char if char.isprintable() else " " for char in visible)
    return " ".join(visible.split())[:limit].strip() or None


def to_identifier(value: object) -> str | None:
    """Return an id as text; engines print it as a number or as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 <= value < 2**63 else None
    return clean_text(value, 64)


def to_url(value: object) -> str | None:
    """Return an http(s) URL; None for anything else."""
    parsed = clean_text(value)
    return parsed if parsed and parsed.startswith(("https://", "http://")) else None


def to_address(value: object) -> tuple[str | None, int | None]:
    """Return an IP address with its family, 4 or 6; (None, None) for anything else."""
    for family, name in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        try:
            packed = socket.inet_pton(name, value if isinstance(value, str) else "")
        except (OSError, ValueError):
            continue
        return socket.inet_ntop(name, packed), family
    return None, None


def to_object(value: object) -> dict[str, object]:
    """Return a JSON object, an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def none_if_empty(value: T) -> T | None:
    """Return a dataclass of what an engine reported, None where it reported nothing: every field has its default."""
    return None if value == type(value)() else value


def parse_items(output: bytes) -> Iterator[OutputItem]:
    """Yield each JSON object and each line of other text, in order; blank lines are left out."""
    object_lines: list[str] = []
    tries = 0
    for line in _split_lines(output):
        if line.startswith("{"):
            yield from _close_object(object_lines)
            object_lines, tries = [line], 0
        elif object_lines:
            object_lines.append(line)
        else:
            yield line
        if not object_lines or not line.startswith(("{", "}")):
            continue
        if (document := decode_object("\n".join(object_lines))) is not None:
            yield document
            object_lines = []
        elif (tries := tries + 1) == MAX_DECODE_TRIES:
            yield from object_lines
            object_lines = []
    yield from _close_object(object_lines)


def _close_object(object_lines: list[str]) -> Iterator[OutputItem]:
    """Yield an object that ends with an indented line, else its lines; a single line has been tried already."""
    document = decode_object("\n".join(object_lines)) if len(object_lines) > 1 else None
    yield from object_lines if document is None else [document]


def decode_object(text: str) -> dict[str, object] | None:
    """Return the JSON object in `text`, else None; NaN and numbers that are too large are accepted."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        document = _decode_leniently(text) if text.endswith("}") else None
    return document if isinstance(document, dict) else None


def _decode_leniently(text: str) -> object:
    """Decode with Python's json module, which accepts NaN, 1e999 and half a surrogate pair."""
    import json  # noqa: PLC0415  3 ms, and needed only for what msgspec refuses

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def decode_array(text: str) -> list[object] | None:
    """Return the JSON array in `text`, an empty one for `null`; else None."""
    try:
        return msgspec.json.decode(text, type=list[object] | None) or []
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def to_json_text(value: object) -> str:
    """Return decoded JSON as text again, for a complaint."""
    import json  # noqa: PLC0415  as above; msgspec cannot write half a surrogate pair

    return json.dumps(value, ensure_ascii=False)


def _split_lines(output: bytes) -> Iterator[str]:
    # Split at line feeds only: JSON strings may hold other characters that str.splitlines takes for a line end.
    for line in output.decode("utf-8", "replace").split("\n"):
        if (trimmed := line.strip("\r\0\ufeff")).strip():
            yield trimmed
