"""Five cron fields, read as cron reads them, into plain sets of numbers; pure, and knows nothing of any scheduler.

The meaning is that of crontab(5): weekdays count from 0 = Sunday and 7 is Sunday too; names may stand wherever numbers
may; a step works on `*`, on a range, and on a single number (from there to the end of the field). When both the day of
the month and the weekday are restricted, a day that matches either one counts. Seconds, `@reboot` and the letters of
other schedulers (L, W, #, ?) are refused, as is a date that no year has.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from monitor.errors import ConfigError

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

MINUTES_A_DAY = 1440


@dataclass(frozen=True, slots=True)
class Cron:
    """The numbers each field allows, sorted. Weekdays are 0 (Sunday) to 6 (Saturday)."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    either_day: bool
    """True when a day counts that matches the day of the month or the weekday; False when it must match both."""

    @property
    def shortest_gap_s(self) -> int:
        """Return the fewest seconds from one slot to the next, days without a slot left out of account."""
        slots = [hour * 60 + minute for hour in self.hours for minute in self.minutes]
        around = [*slots, slots[0] + MINUTES_A_DAY]
        return 60 * min(after - before for before, after in pairwise(around))


@dataclass(frozen=True, slots=True)
class _Field:
    """One field's name, limits and the names that stand for numbers from `lowest` on."""

    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()

    def numbers(self, text: str) -> tuple[int, ...]:
        """Return the sorted numbers that a list such as `1-5,10,*/2` allows."""
        return tuple(sorted({number for part in text.split(",") for number in self._part(part)}))

    def _part(self, part: str) -> range:
        span, slash, step_text = part.partition("/")
        step = self._step(step_text, part) if slash else 1
        first, last = self._span(span, stepped=bool(slash))
        if first > last:
            raise self._mistake(f"{part!r} runs backwards; write it as two ranges")
        return range(first, last + 1, step)

    def _span(self, span: str, *, stepped: bool) -> tuple[int, int]:
        if span == "*":
            return self.lowest, self.highest
        low, dash, high = span.partition("-")
        first = self._number(low)
        if dash:
            return first, self._number(high)
        return first, self.highest if stepped else first

    def _step(self, text: str, part: str) -> int:
        if not _is_number(text) or int(text) == 0:
            raise self._mistake(f"{part!r} needs a step of 1 or more")
        return int(text)

    def _number(self, text: str) -> int:
        if text.lower() in self.words:
            return self.words.index(text.lower()) + self.lowest
        if not _is_number(text):
            raise self._mistake(f"{text!r} is no number" + (" or name" if self.words else ""))
        if not self.lowest <= int(text) <= self.highest:
            raise self._mistake(f"{text} is not from {self.lowest} to {self.highest}")
        return int(text)

    def _mistake(self, what: str) -> ConfigError:
        return ConfigError(f"schedule.cron: {self.name}: {what}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4  # noqa: PLR2004  no field has longer numbers


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("weekday", 0, 7, WEEKDAYS),
)


def parse(text: str) -> Cron:
    """Return what the five fields of `text`, or one of cron's @names, allow.

    Raises:
        ConfigError: a field cannot be read, or no day would ever match; the message names `schedule.cron`.
    """
    parts = _expand(text).split()
    if len(parts) != len(_FIELDS):
        raise ConfigError(f"schedule.cron: {text!r} has {len(parts)} fields, not five (minute hour day month weekday)")
    minutes, hours, days, months, weekdays = (field.numbers(part) for field, part in zip(_FIELDS, parts, strict=True))
    # As in Vixie's cron, a field that begins with a star (also */2) does not count as restricted.
    either_day = not parts[2].startswith("*") and not parts[4].startswith("*")
    if not either_day and all(days[0] > LONGEST[month - 1] for month in months):
        raise ConfigError(f"schedule.cron: {text!r} names a date that no year has")
    return Cron(minutes, hours, days, months, tuple(sorted({number % 7 for number in weekdays})), either_day)


def _expand(text: str) -> str:
    name = text.strip().lower()
    if not name.startswith("@"):
        return text
    if name not in MACROS:
        raise ConfigError(f"schedule.cron: {text!r} is not one of {', '.join(MACROS)}")
    return MACROS[name]
