"""Cleans numbers and texts from engines: what is missing, impossible or of a wrong type is None. Pure.

The limits are generous: they stop garbage and do not judge a line.
"""

from __future__ import annotations

import math
import socket

MAX_BPS = 10**13
MAX_BYTES = 10**15
MAX_MS = 3_600_000
# speedtest-cli counts a lost ping as an hour, so its wrong averages are far above any real round trip.
MAX_LATENCY_MS = 60_000
MAX_TEXT = 200


def number(value: object, low: float, high: float) -> float | None:
    """Return a finite number within [low, high]; None for anything else, booleans and texts included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before any conversion: an integer may be too large for a float.
    if not low <= value <= high or math.isnan(value):
        return None
    return float(value)


def rate_bps(value: object, bits_each: int = 1) -> int | None:
    """Return a rate in bit/s from units of `bits_each` bits per second; None unless 0 < rate < 10 Tbit/s."""
    parsed = number(value, 0, MAX_BPS)
    if parsed is None:
        return None
    rate = round(parsed * bits_each)
    return rate if 0 < rate < MAX_BPS else None


def rates(download: object, upload: object, bits_each: int = 1) -> tuple[tuple[int, int] | None, list[str]]:
    """Return both rates in bit/s, as `rate_bps` does; else None and a complaint about each unusable one."""
    download_bps, upload_bps = rate_bps(download, bits_each), rate_bps(upload, bits_each)
    if download_bps is None or upload_bps is None:
        return None, flaw("download", download, download_bps) + flaw("upload", upload, upload_bps)
    return (download_bps, upload_bps), []


def flaw(phase: str, value: object, rate: int | None) -> list[str]:
    """Return a complaint about an unusable rate; `monitor.classify` matches these two messages."""
    if rate is not None:
        return []
    if value is None or number(value, 0, 1) is not None:
        return [f"result without a {phase} rate"]
    return [f"result with an impossible {phase} rate: {str(value)[:80]!r}"]


def count(value: object, high: int = MAX_BYTES) -> int | None:
    """Return a positive whole number of bytes or ms."""
    parsed = number(value, 1, high)
    return None if parsed is None else round(parsed)


def latency_ms(value: object) -> float | None:
    """Return a round-trip time in ms; 0 is impossible and becomes None."""
    return number(value, 0, MAX_LATENCY_MS) or None


def jitter_ms(value: object) -> float | None:
    """Return a jitter in ms, which may be 0."""
    return number(value, 0, MAX_LATENCY_MS)


def percent(value: object) -> float | None:
    """Return a share in percent, 0 to 100."""
    return number(value, 0, 100)


def text(value: object, limit: int = MAX_TEXT) -> str | None:
    """Return a text as one line without control characters, at most `limit` long; None when nothing is left."""
    if not isinstance(value, str):
        return None
    # Four times the limit leaves room for what is removed, and bounds the work.
    visible = value[: 4 * limit]
    if not visible.isprintable():
        visible = "".join(char if char.isprintable() else " " for char in visible)
    return " ".join(visible.split())[:limit].strip() or None


def identifier(value: object) -> str | None:
    """Return an id as text; engines print it as a number or as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 <= value < 2**63 else None
    return text(value, 64)


def url(value: object) -> str | None:
    """Return an http(s) URL; None for anything else."""
    parsed = text(value)
    return parsed if parsed and parsed.startswith(("https://", "http://")) else None


def address(value: object) -> tuple[str | None, int | None]:
    """Return an IP address with its family, 4 or 6; (None, None) for anything else."""
    for family, name in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        try:
            packed = socket.inet_pton(name, value if isinstance(value, str) else "")
        except (OSError, ValueError):
            continue
        return socket.inet_ntop(name, packed), family
    return None, None


def fields(value: object) -> dict[str, object]:
    """Return a JSON object, an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}
