"""The window that the page shows: the last days, everything, or from one time to another. It stays in the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from fastapi import Cookie, Query

from monitor.errors import UsageError
from monitor.localtime import Window
from web.context import MAX_DAYS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from web.context import Site


ALL = "all"

DEFAULT_DAYS = "30"

# The cookie that keeps the last choice, for a year.
COOKIE = "speedmon_days"
COOKIE_S = 365 * 86_400

RANGES = {"1": "24 hours", "7": "7 days", "30": "30 days", "365": "1 year", ALL: "all"}

SHORTEST = timedelta(minutes=1)

# All tests take at least that long, also if there is only one.
SHORTEST_OF_ALL = timedelta(hours=1)

DAYS_PATTERN = r"^(all|[1-9]\d{0,3})$"

# The length of a date such as 2026-11-23.
DATE_LENGTH = 10

DaysText = Annotated[
    str | None,
    Query(alias="days", pattern=DAYS_PATTERN, description=f"how many days to show, at most {MAX_DAYS}; or all"),
]

FromText = Annotated[str, Query(alias="from", description="the first day or moment, such as 2026-11-23")]

ToText = Annotated[str, Query(alias="to", description="the last day, or the moment before which it ends")]

LastChoice = Annotated[str | None, Cookie(alias=COOKIE, include_in_schema=False)]


@dataclass(frozen=True, slots=True)
class WindowChoice:
    """What a request asks for, as text; `days` is a number or "all", and counts only without the other two."""

    days: str
    since: str = ""
    until: str = ""

    @property
    def is_fixed(self) -> bool:
        """Whether it has a given beginning or end."""
        return bool(self.since or self.until)

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The parameters of its address."""
        fixed = [(name, text) for name, text in (("from", self.since), ("to", self.until)) if text]
        return fixed or [("days", self.days)]

    @property
    def label(self) -> str:
        """The window as text: "the last 7 days"."""
        if self.is_fixed:
            parts = (f"from {self.since}" if self.since else "", f"to {self.until}" if self.until else "")
            return " ".join(part for part in parts if part)
        return "all tests" if self.days == ALL else f"the last {RANGES.get(self.days, f'{self.days} days')}"

    def resolve(self, site: Site, first: datetime | None) -> Window:
        """Return the window; `first` is the start of the oldest run.

        Raises:
            UsageError: a text is no time, or the window is too short or too long.
        """
        if self.is_fixed:
            since, until = _parse("from", self.since), _parse("to", self.until)
            begin, end = site.window(int(DEFAULT_DAYS), since, until)
        elif self.days == ALL:
            begin, end = site.window(MAX_DAYS)
            begin = max(begin, min(first or begin, end - SHORTEST_OF_ALL))
        else:
            begin, end = site.window(int(self.days))
        if not SHORTEST <= end - begin <= timedelta(days=MAX_DAYS + 1):
            raise UsageError(f"days, from, to: choose a window of a minute to {MAX_DAYS} days")
        return Window(begin, end)


def read_choice(days: DaysText = None, since: FromText = "", until: ToText = "") -> WindowChoice:
    """Return what a request asks for.

    Raises:
        UsageError: too many days.
    """
    if days not in {None, ALL} and int(days or 0) > MAX_DAYS:
        raise UsageError(f"days: at most {MAX_DAYS}, or all")
    return WindowChoice(days or DEFAULT_DAYS, since.strip(), until.strip())


def read_choice_or_last(
    days: DaysText = None, since: FromText = "", until: ToText = "", last_choice: LastChoice = None
) -> WindowChoice:
    """Return what a request asks for, by default what was chosen last.

    Raises:
        UsageError: too many days.
    """
    return read_choice(days or (last_choice if last_choice in RANGES else None), since, until)


def is_chosen(request: Request) -> bool:
    """Return whether a request asks for a window, or its browser did before."""
    return not {"days", "from", "to"}.isdisjoint(request.query_params) or request.cookies.get(COOKIE) in RANGES


def choose_days_with_runs(choice: WindowChoice, site: Site, newest: datetime) -> WindowChoice:
    """Return the default window, or the days up to the newest run if it has none: imported runs may be years old."""
    days = timedelta(days=int(choice.days))
    if newest >= site.clock() - days:
        return choice
    last = newest.astimezone(site.zone)
    return WindowChoice(choice.days, f"{last - days + timedelta(days=1):%Y-%m-%d}", f"{last:%Y-%m-%d}")


def remember(response: Response, choice: WindowChoice) -> None:
    """Keep a choice as the default of this browser."""
    if not choice.is_fixed and choice.days in RANGES:
        response.set_cookie(COOKIE, choice.days, COOKIE_S, httponly=True, samesite="strict")


def _parse(name: str, text: str) -> datetime | None:
    """Return the time of a text; the last day of a window is part of it."""
    if not text:
        return None
    try:
        if len(text) > DATE_LENGTH:
            return datetime.fromisoformat(text)
        day = date.fromisoformat(text)
        return datetime.combine(day + timedelta(days=1) if name == "to" else day, datetime.min.time())
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{name}: {text!r} is not a time; write one such as 2026-11-23 or 2026-11-23T18:30") from error
