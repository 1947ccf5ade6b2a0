"""Five cron fields, read as cron reads them. Pure; no scheduler is needed.

cronsim interprets them as crontab(5) in Debian does: weekdays count from 0 = Sunday, and 7 is Sunday too; where both
the day of the month and the weekday are restricted, a day that matches either one counts. When clocks change, a time of
day that is skipped has its slot right after the change, and one that comes twice has one slot; with a star for the
minute or the hour, slots follow the clock. cronsim reports only which field is wrong, so the mistake in it is found
here. Seconds, `@reboot` and the letters of other schedulers (L, W, #, ?) are refused, as is a date that no year has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

from monitor.errors import ConfigError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


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

# Each field with its limits, and the names that stand for its numbers from the lowest on.
FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("weekday", 0, 7, WEEKDAYS),
)

MINUTES_A_DAY = 1440

# No field has longer numbers.
MAX_DIGITS = 4

# Any day, where an expression is only checked or its fields are read.
SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)

_NO_TIME = timedelta()


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression of five fields that cronsim can read."""

    expression: str

    @property
    def shortest_gap_s(self) -> int:
        """Return the fewest seconds from one slot to the next; days without a slot do not count."""
        fields = CronSim(self.expression, SOME_DAY)
        slots = sorted(hour * 60 + minute for hour in fields.hours for minute in fields.minutes)
        return 60 * min(after - before for before, after in pairwise([*slots, slots[0] + MINUTES_A_DAY]))

    def first_from(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the first slot at or after a moment, in UTC; None if there is none within 50 years."""
        before = (moment.astimezone(UTC) - timedelta(microseconds=1)).astimezone(zone)
        slots = (slot.astimezone(UTC) for slot in CronSim(self.expression, before))
        # In an hour that comes twice, cronsim starts with the first of the two.
        slot = next((slot for slot in slots if slot >= moment), None)
        return slot and (self._first_beside_half_hour(before, slot) or slot)

    def _first_beside_half_hour(self, before: datetime, slot: datetime) -> datetime | None:
        """Return the slot that cronsim leaves out where the clock changes by half an hour, as on Lord Howe Island.

        It counts by whole hours from one slot to the next.
        """
        fields = self.expression.split()
        change = (slot.astimezone(before.tzinfo).utcoffset() or _NO_TIME) - (before.utcoffset() or _NO_TIME)
        if not change % timedelta(hours=1) or not ("*" in fields[0][:1] or "*" in fields[1][:1]):
            return None
        sim, minute = CronSim(self.expression, SOME_DAY), timedelta(minutes=1)
        first = before.astimezone(UTC).replace(second=0, microsecond=0) + minute
        minutes = (first + minute * i for i in range(min(MINUTES_A_DAY, int((slot - first) / minute))))
        return next((at for at in minutes if _matches(sim, at.astimezone(before.tzinfo))), None)


def _matches(sim: CronSim, local: datetime) -> bool:
    is_time = local.minute in sim.minutes and local.hour in sim.hours
    return is_time and local.month in sim.months and sim.match_day(local.date())


def parse(text: str) -> Cron:
    """Parse five fields, or one of cron's @names.

    Raises:
        ConfigError: a field cannot be read, or no day would ever match; the message names `schedule.cron`.
    """
    parts = _expand(text).split()
    if len(parts) != len(FIELDS):
        raise ConfigError(f"schedule.cron: {text!r} has {len(parts)} fields, not five (minute hour day month weekday)")
    for (name, lowest, highest, words), part in zip(FIELDS, parts, strict=True):
        for item in part.split(","):
            if problem := _find_problem(item, lowest, highest, words):
                raise ConfigError(f"schedule.cron: {name}: {problem}")
    try:
        CronSim(" ".join(parts), SOME_DAY)
    except CronSimError as error:
        raise ConfigError(f"schedule.cron: {text!r} names a date that no year has") from error
    return Cron(" ".join(parts))


def _expand(text: str) -> str:
    name = text.strip().lower()
    if not name.startswith("@"):
        return text
    if name not in MACROS:
        raise ConfigError(f"schedule.cron: {text!r} is not one of {', '.join(MACROS)}")
    return MACROS[name]


def _find_problem(item: str, lowest: int, highest: int, words: tuple[str, ...]) -> str | None:
    """Return what is wrong with an item of a field's list, such as `1-5/2`; None if nothing is."""
    span, slash, step = item.partition("/")
    if slash and (not _is_number(step) or int(step) == 0):
        return f"{item!r} needs a step of 1 or more"
    if span == "*":
        return None
    low, dash, high = span.partition("-")
    numbers = []
    for end in (low, high) if dash else (low,):
        number = _number(end, lowest, words)
        if number is None:
            return f"{end!r} is not a number" + (" or name" if words else "")
        if not lowest <= number <= highest:
            return f"{end} is not from {lowest} to {highest}"
        numbers.append(number)
    return f"{item!r} runs backwards; write it as two ranges" if numbers[0] > numbers[-1] else None


def _number(text: str, lowest: int, words: tuple[str, ...]) -> int | None:
    if text.lower() in words:
        return words.index(text.lower()) + lowest
    return int(text) if _is_number(text) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
