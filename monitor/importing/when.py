"""Moments as programs and shell scripts write them. Pure: a time without an offset is of the zone that is passed in."""

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
# What `date` and scripts around it print, once the words for zone and offset are gone.
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
# A name such as CEST says nothing sure, so it counts as the local zone; UTC does.
_ZONE_WORD = re.compile(r"\s(?!AM|PM)[A-Z]{2,5}(?=\s|$)")
_UNIVERSAL = {"UTC", "GMT", "Z"}
_MAY_BE = re.compile(r"[A-Za-z]{3},? |\d{4}[-/]\d\d?[-/]\d|\d{10}")
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def moment(text: object, zone: ZoneInfo) -> datetime | None:
    """Return the moment in UTC, in whole seconds; None for what is no time of this century."""
    if isinstance(text, datetime):
        return _sound(text, zone)
    words = str(text).strip(" \t[]\"',") if isinstance(text, str | int) else ""
    if not _MAY_BE.match(words):
        return None
    return _sound(_epoch(words) or _iso(words) or _other(words), zone)


def _sound(found: datetime | None, zone: ZoneInfo) -> datetime | None:
    if found is None:
        return None
    try:
        aware = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return None
    return aware if _FIRST <= aware < _LAST else None


def _epoch(words: str) -> datetime | None:
    if not _EPOCH.fullmatch(words):
        return None
    return datetime.fromtimestamp(float(words) / (1000 if len(words) == _MILLISECONDS else 1), UTC)


def _iso(words: str) -> datetime | None:
    if not _ISO.match(words):
        return None
    try:
        return datetime.fromisoformat(words)
    except ValueError:
        return None


def _other(words: str) -> datetime | None:
    zone = _ZONE_WORD.search(words)
    offset = _OFFSET.search(words)
    bare = " ".join(_ZONE_WORD.sub("", _OFFSET.sub("", words), count=1).replace(",", " ").split())
    for form in _OTHERS:
        try:
            found = datetime.strptime(bare, form)  # noqa: DTZ007  the caller knows the zone
        except ValueError:
            continue
        if offset:
            return found.replace(tzinfo=datetime.strptime(offset[0].strip(), "%z").tzinfo)
        return found.replace(tzinfo=UTC) if zone and zone[0].strip() in _UNIVERSAL else found
    return None


def among(texts: list[str], zone: ZoneInfo) -> datetime | None:
    """Return the first moment that one of the texts is, or two neighbours together: a date and a time of day."""
    pairs = [f"{first.strip()} {second.strip()}" for first, second in itertools.pairwise(texts)]
    return next((found for text in (*texts, *pairs) if (found := moment(text, zone))), None)
