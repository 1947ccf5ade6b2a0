"""Parses times as programs and shell scripts write them. A time without an offset is in the zone passed in. Pure."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_EPOCH = re.compile(r"\d{10}(\.\d+)?|\d{13}")
_MILLISECONDS = 13
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
# What `date` and scripts around it print, without zone and offset.
_OTHERS = (
    "%Y-%m-%d %H%M%S",
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %I:%M:%S %p %Y",
    "%a %d %b %Y %H:%M:%S",
    "%a %d %b %Y %I:%M:%S %p",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
)
_OFFSET = re.compile(r"\s?[+-]\d{4}$")
# Abbreviations such as CEST are ambiguous, so they count as the zone passed in; UTC is not.
_ZONE_WORD = re.compile(r"\s(?!AM|PM)[A-Z]{2,5}(?=\s|$)")
_UNIVERSAL = {"UTC", "GMT", "Z"}
_MAY_BE = re.compile(r"[A-Za-z]{3},? |\d{4}[-/]\d\d?[-/]\d|\d{10}")
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def moment(text: object, zone: ZoneInfo) -> datetime | None:
    """Return a time in UTC, in whole seconds; None if it is not a time in this century."""
    if isinstance(text, datetime):
        return _sound(text, zone)
    stripped = str(text).strip(" \t[]\"',") if isinstance(text, str | int) else ""
    if not _MAY_BE.match(stripped):
        return None
    return _sound(_epoch(stripped) or _iso(stripped) or _other(stripped), zone)


def _sound(time: datetime | None, zone: ZoneInfo) -> datetime | None:
    if time is None:
        return None
    try:
        aware = (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return None
    return aware if _FIRST <= aware < _LAST else None


def _epoch(text: str) -> datetime | None:
    if not _EPOCH.fullmatch(text):
        return None
    return datetime.fromtimestamp(float(text) / (1000 if len(text) == _MILLISECONDS else 1), UTC)


def _iso(text: str) -> datetime | None:
    if not _ISO.match(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _other(text: str) -> datetime | None:
    zone = _ZONE_WORD.search(text)
    offset = _OFFSET.search(text)
    bare = " ".join(_ZONE_WORD.sub("", _OFFSET.sub("", text), count=1).replace(",", " ").split())
    for date_format in _OTHERS:
        try:
            time = datetime.strptime(bare, date_format)  # noqa: DTZ007  the caller knows the zone
        except ValueError:
            continue
        if offset:
            return time.replace(tzinfo=datetime.strptime(offset[0].strip(), "%z").tzinfo)
        return time.replace(tzinfo=UTC) if zone and zone[0].strip() in _UNIVERSAL else time
    return None


def among(texts: list[str], zone: ZoneInfo) -> datetime | None:
    """Return the first of the texts that is a time, or of neighbouring texts that are a date and a time of day."""
    pairs = [f"{first.strip()} {second.strip()}" for first, second in itertools.pairwise(texts)]
    return next((time for text in (*texts, *pairs) if (time := moment(text, zone))), None)
