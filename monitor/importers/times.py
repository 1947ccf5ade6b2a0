"""Times as programs, scripts and spreadsheets write them, in UTC. Pure.

A time without an offset or a zone's name is in the zone passed in. An hour that happened twice, in autumn, is resolved
by the times before it in the file, see `Clock`. Whether the day or the month comes first is a property of a file, see
`DateOrderEvidence`.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import tzinfo


DATE_ORDERS = ("dmy", "mdy", "ymd")

_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

_EPOCH = re.compile(r"(\d{10})(?:\.\d*)?|(\d{13})", re.ASCII)

_LATEST_EPOCH = 4_102_444_800

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}

_CLOCK = r"(?P<h>\d{1,2}):(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,]\d+)?)?(?:\s?(?P<half>[AaPp])\.?[Mm]\.?(?![A-Za-z]))?"

# JavaScript writes 12:00:00 GMT+0200 (Central European Summer Time).
_ZONE = (
    r"(?:\s?(?P<zone>(?:(?:UTC|GMT) ?)?[+-]\d\d(?::?\d\d)?|[A-Za-z][A-Za-z0-9_/+-]*))?"
    r"(?: \([A-Za-z]+(?: [A-Za-z]+){1,5}\))?"
)

_MONTH = r"(?P<mon>[A-Za-z]{3})[a-z]*\.?"

_WEEKDAY = r"(?:[A-Za-z]{2,9}\.?,? )?"

# In the order of how often they occur.
_SHAPES = tuple(
    re.compile(shape, re.ASCII)
    for shape in (
        rf"(?P<y>\d{{4}})(?P<sep>[-/.])(?P<mo>\d\d?)(?P=sep)(?P<d>\d\d?)(?:T|,? ?){_CLOCK}{_ZONE}",
        r"(?P<y>\d{4})-(?P<mo>\d\d)-(?P<d>\d\d) (?P<h>\d\d)(?P<m>\d\d)(?P<s>\d\d)",
        r"(?P<y>\d{4})(?P<mo>\d\d)(?P<d>\d\d)T(?P<h>\d\d)(?P<m>\d\d)(?P<s>\d\d)(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?",
        rf"(?P<a>\d\d?)(?P<sep>[-/.])(?P<b>\d\d?)(?P=sep)(?P<c>\d{{4}}|\d\d)(?:T|,? ){_CLOCK}{_ZONE}",
        rf"{_WEEKDAY}{_MONTH} (?P<d>\d\d?) {_CLOCK}{_ZONE} (?P<y>\d{{4}})",
        rf"{_WEEKDAY}(?P<d>\d\d?)[ -]{_MONTH}[ -](?P<y>\d{{4}}),? {_CLOCK}{_ZONE}",
        rf"{_WEEKDAY}{_MONTH} (?P<d>\d\d?),? (?P<y>\d{{4}}),? {_CLOCK}{_ZONE}",
    )
)

_ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.\d+)?(Z| ?\+00:00)?", re.ASCII)

_NUMERIC_DATE = re.compile(r"(?:^|[,;|\t\"'\[ ])(\d\d?)([-/])(\d\d?)\2(\d{4}|\d\d)(?=[T ,;|\t\"'\]]|\r?\n|$)", re.ASCII)

# RFC 822's zones and those of Europe; others, such as IST, stand for several and need --zone.
_OFFSETS_H = {
    **dict.fromkeys(("UTC", "GMT", "UT", "Z", "WET"), 0),
    **dict.fromkeys(("CET", "MEZ", "WEST"), 1),
    **dict.fromkeys(("CEST", "MESZ", "EET"), 2),
    **dict.fromkeys(("EEST", "MSK"), 3),
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "AEST": 10,
    "AEDT": 11,
    "NZST": 12,
    "NZDT": 13,
    "JST": 9,
    "KST": 9,
}

_OFFSET = re.compile(r"(?:(?:UTC|GMT) ?)?([+-])(\d\d):?(\d\d)?", re.ASCII)

_MAX_CHARS = 80

# A time of day without colons.
_COMPACT = re.compile(r"[T ]\d{6}(?:Z|[+-]\d\d\d\d)?$", re.ASCII)

_MAX_STEPS = 3

_CENTURY, _MONTHS_A_YEAR, _DAYS_A_MONTH, _NOON = 100, 12, 31, 12

# Nobody logged speed tests before: a year 01 to 04 of two digits is a day.
_FIRST_SHORT_YEAR = 5


class UnreadableTimeError(ValueError):
    """A text is not certainly a time; the message says why."""


class Clock:
    """Reads the times of one file, in their order.

    In the hour that an autumn night has twice, a time is in the first pass as long as it follows the time before it,
    else in the second; in a file whose newest rows come first, the other way round. Where no second pass is found, it
    cannot be known, and a note is kept.
    """

    def __init__(self, zone: ZoneInfo, date_order: str | None = None) -> None:
        self._zone = zone
        self._date_order = date_order
        self._previous: datetime | None = None
        # Above 0 if the newest rows come last. One step back, as in a second copy behind the first, changes nothing.
        self._direction = 0
        # The first text of a repeated hour, while no second pass has been found; empty outside of such an hour.
        self._repeated = ""
        self._is_resolved = False
        self.notes: list[str] = []

    def read(self, value: object, zone: ZoneInfo | None = None) -> datetime | None:
        """Return a time in UTC, in whole seconds; None if the value is not one of this century.

        Args:
            value: a time, seconds or milliseconds since 1970, or a text.
            zone: the zone of a time without one, instead of that of the file.

        Raises:
            UnreadableTimeError: it is a time, but which is not certain.
        """
        time = _parse_quickly(value) or _parse_value(value, zone or self._zone, self._date_order)
        if time is None:
            return None
        try:
            moment = _in_utc(time) if time.tzinfo else self._to_moment(time, zone or self._zone, str(value))
        except OverflowError:
            return None
        moment = moment.replace(microsecond=0) if moment.microsecond else moment
        if not _EARLIEST <= moment < _LATEST:
            return None
        self._advance(moment)
        return moment

    def close(self) -> None:
        """End the file: keep a note if it ended in a repeated hour."""
        self._leave_repeated_hour()

    def _to_moment(self, local: datetime, zone: ZoneInfo, text: str) -> datetime:
        early, late = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if early == late:
            self._leave_repeated_hour()
            return early
        if early > late:
            raise UnreadableTimeError(f"no time in {zone.key}, where clocks skipped that hour: is --zone right?")
        first, second = (early, late) if self._direction >= 0 else (late, early)
        if not self._repeated:
            self._repeated, self._is_resolved = text, False
            if not self._direction:
                self._note_repeated_hour()
        if not self._follows(first) and self._follows(second):
            self._is_resolved = True
            return second
        return first

    def _follows(self, moment: datetime) -> bool:
        if self._previous is None:
            return True
        return moment < self._previous if self._direction < 0 else moment > self._previous

    def _advance(self, moment: datetime) -> None:
        if self._previous is not None and moment != self._previous and not self._repeated:
            step = 1 if moment > self._previous else -1
            self._direction = max(-_MAX_STEPS, min(_MAX_STEPS, self._direction + step)) or step
        self._previous = moment

    def _leave_repeated_hour(self) -> None:
        if self._repeated and not self._is_resolved and self._direction:
            self._note_repeated_hour()
        self._repeated = ""

    def _note_repeated_hour(self) -> None:
        which = "second" if self._direction < 0 else "first"
        self.notes.append(
            f"clocks in {self._zone.key} showed {self._repeated!r} twice; taken as the {which} time, as the file does"
            " not show which"
        )


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def _parse_quickly(value: object) -> datetime | None:
    """Return a time such as 2020-06-10T12:21:25.5Z or 2020-06-10 12:21:25.500 +00:00, as most programs write it."""
    shape = _ISO_TIME.fullmatch(value) if isinstance(value, str) else None
    if shape is None:
        return None
    try:
        time = datetime.fromisoformat(shape[1])
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if shape[2] else time


def _parse_value(value: object, zone: ZoneInfo, date_order: str | None) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = (value if isinstance(value, str) else f"{value:.3f}" if isinstance(value, float) else str(value)).strip()
    if epoch := _EPOCH.fullmatch(text):
        seconds = float(text) if epoch[1] else int(text) / 1000
        return datetime.fromtimestamp(seconds, UTC) if seconds < _LATEST_EPOCH else None
    return _parse_text(" ".join(text.strip(" \t[]\"',").split()), zone, date_order)


def _parse_text(text: str, zone: ZoneInfo, date_order: str | None) -> datetime | None:
    if len(text) > _MAX_CHARS or not (":" in text or _COMPACT.search(text)):
        return None
    for shape in _SHAPES:
        if match := shape.fullmatch(text):
            return _from_match(match.groupdict(), zone, date_order)
    return None


def _from_match(parts: dict[str, str | None], zone: ZoneInfo, date_order: str | None) -> datetime | None:
    date = _numeric_date(parts, date_order) if parts.get("a") else _named_date(parts)
    hour = int(parts["h"] or 0)
    if half := parts.get("half"):
        # `date` prints 15:00 PM in some languages.
        hour = hour % _NOON + (_NOON if half in "pP" else 0) if hour <= _NOON else hour if half in "pP" else -1
    try:
        local = datetime(*date, hour, int(parts["m"] or 0), int(parts.get("s") or 0))  # noqa: DTZ001  zone below
    except ValueError:
        return None
    name = parts.get("zone")
    return local.replace(tzinfo=_find_offset(name, local, zone)) if name else local


def _named_date(parts: dict[str, str | None]) -> tuple[int, int, int]:
    month = _MONTHS.get((parts.get("mon") or "").lower(), 0) or int(parts.get("mo") or 0)
    return int(parts["y"] or 0), month, int(parts["d"] or 0)


def _numeric_date(parts: dict[str, str | None], date_order: str | None) -> tuple[int, int, int]:
    numbers = tuple(int(parts[part] or 0) for part in "abc")
    order = "dmy" if parts["sep"] == "." else date_order
    if order is None:
        raise UnreadableTimeError("not clear: day or month first? Give --date-order dmy or mdy")
    date = dict(zip(order, numbers, strict=True))
    return date["y"] + (2000 if date["y"] < _CENTURY else 0), date["m"], date["d"]


def _find_offset(name: str, local: datetime, zone: ZoneInfo) -> tzinfo:
    """Return the offset that a name or an offset at the end of a time means."""
    for fold in (0, 1):
        here = local.replace(tzinfo=zone, fold=fold)
        if here.tzname() == name:
            return timezone(here.utcoffset() or timedelta())
    known = _known_offset(name)
    if known is None:
        raise UnreadableTimeError(f"in a zone that is not known: {name!r}; give --zone")
    return known


@functools.lru_cache(maxsize=256)
def _known_offset(name: str) -> tzinfo | None:
    if shape := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(shape[2]), minutes=int(shape[3] or 0))
        if offset >= timedelta(hours=15):
            return None
        return timezone(-offset if shape[1] == "-" else offset)
    if name.upper() in _OFFSETS_H:
        return timezone(timedelta(hours=_OFFSETS_H[name.upper()]))
    try:
        return ZoneInfo(name) if "/" in name else None
    except (LookupError, ValueError, OSError):
        return None


class DateOrderEvidence:
    """Gathers, over a whole file, which orders of day, month and year its dates such as 01/04/24 can have."""

    def __init__(self) -> None:
        self._possible = {"dmy": True, "mdy": True, "ymd": True}
        self._firsts: set[int] = set()
        self._lasts: set[int] = set()

    def add(self, line: str) -> None:
        """Take the dates of a line into account."""
        for first, _mark, second, last in _NUMERIC_DATE.findall(line):
            self._add_date(int(first), int(second), int(last))

    def _add_date(self, first: int, second: int, last: int) -> None:
        year = last >= _CENTURY or last >= _FIRST_SHORT_YEAR
        self._firsts.add(first)
        self._lasts.add(last)
        self._possible["dmy"] &= year and 1 <= first <= _DAYS_A_MONTH and 1 <= second <= _MONTHS_A_YEAR
        self._possible["mdy"] &= year and 1 <= first <= _MONTHS_A_YEAR and 1 <= second <= _DAYS_A_MONTH
        self._possible["ymd"] &= first >= _FIRST_SHORT_YEAR and second <= _MONTHS_A_YEAR and last <= _DAYS_A_MONTH

    @property
    def order(self) -> str | None:
        """The only order that all dates can have; None if there are several, or none."""
        possible = [order for order, is_possible in self._possible.items() if is_possible]
        if len(self._lasts) <= len(self._firsts):  # the years of a file are fewer than its days
            possible = [order for order in possible if order != "ymd"]
        return possible[0] if len(possible) == 1 and self._firsts else None


def has_numeric_date(line: str) -> bool:
    """Return whether a line has a date such as 01/04/24, whose order is not known."""
    return _NUMERIC_DATE.search(line) is not None
