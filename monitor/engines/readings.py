"""Numbers and texts as engines print them, cleaned: missing, impossible or of a wrong type is None. Pure.

Limits are generous: they stop garbage, they do not judge a line.
"""

from __future__ import annotations

import math
import socket

MAX_BPS = 10**13
MAX_BYTES = 10**15
MAX_MS = 3_600_000
# speedtest-cli counts a lost latency probe as an hour, so its broken averages lie far above any real round trip.
MAX_LATENCY_MS = 60_000
MAX_TEXT = 200


def number(value: object, low: float, high: float) -> float | None:
    """Return a finite number within [low, high]; None for anything else, truth values and texts included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before any conversion: an integer may be too large for a float.
    if not low <= value <= high or math.isnan(value):
        return None
    return float(value)


def rate_bps(value: object, bits_each: int = 1) -> int | None:
    """Return a rate in bit/s from a number of units of `bits_each` bits; None unless 0 < rate < 10 Tbit/s."""
    found = number(value, 0, MAX_BPS)
    if found is None:
        return None
    rate = round(found * bits_each)
    return rate if 0 < rate < MAX_BPS else None


def rates(download: object, upload: object, bits_each: int = 1) -> tuple[tuple[int, int] | None, list[str]]:
    """Return both rates in bit/s, as `rate_bps` does; else None and a complaint about each that cannot be used."""
    down, up = rate_bps(download, bits_each), rate_bps(upload, bits_each)
    if down is None or up is None:
        return None, flaw("download", download, down) + flaw("upload", upload, up)
    return (down, up), []


def flaw(phase: str, value: object, rate: int | None) -> list[str]:
    """Return a complaint about a rate that could not be used; `monitor.classify` knows these two."""
    if rate is not None:
        return []
    if value is None or number(value, 0, 1) is not None:
        return [f"result without a {phase} rate"]
    return [f"result with an impossible {phase} rate: {str(value)[:80]!r}"]


def count(value: object, high: int = MAX_BYTES) -> int | None:
    """Return a positive whole number of bytes or ms."""
    found = number(value, 1, high)
    return None if found is None else round(found)


def latency_ms(value: object) -> float | None:
    """Return a round trip in ms, which takes longer than nothing."""
    return number(value, 0, MAX_LATENCY_MS) or None


def jitter_ms(value: object) -> float | None:
    """Return a jitter in ms, which may be 0."""
    return number(value, 0, MAX_LATENCY_MS)


def percent(value: object) -> float | None:
    """Return a share in percent, 0 to 100."""
    return number(value, 0, 100)


def text(value: object, limit: int = MAX_TEXT) -> str | None:
    """Return a text on one line without control characters, at most `limit` long; None when nothing is left."""
    if not isinstance(value, str):
        return None
    # Four times the limit leaves room for what is dropped and bounds the work.
    visible = value[: 4 * limit]
    if not visible.isprintable():
        visible = "".join(letter if letter.isprintable() else " " for letter in visible)
    return " ".join(visible.split())[:limit].strip() or None


def identifier(value: object) -> str | None:
    """Return an id as text: engines print it as a number or as a text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 <= value < 2**63 else None
    return text(value, 64)


def url(value: object) -> str | None:
    """Return a web address."""
    found = text(value)
    return found if found and found.startswith(("https://", "http://")) else None


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
    """Return a JSON object, an empty one where something else stands in its place."""
    return value if isinstance(value, dict) else {}
