"""The cells of a row or an object, and what a format is that reads them. Pure.

A cell that is empty is None; one that cannot be read refuses its row, with the column and the text.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.engines import parsing
from monitor.importers import quantities
from monitor.importers.base import SHOWN_CHARS, Fields, UnusableRowError
from monitor.importers.quantities import DEFAULT_STYLE, NumberStyle, UnreadableNumberError
from monitor.importers.times import Clock, UnreadableTimeError
from monitor.model import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.importers.base import ImportContext
    from monitor.model import Attempt


# An id that a spreadsheet saved as a number: 90602.0.
_MAX_ID_DIGITS = 19

_SAVED_ID = re.compile(r"(\d{1,18})\.0+", re.ASCII)

# Programs write these for a value that they do not have.
_NO_VALUE = -1

_FAILURE_MARK = re.compile(r"-1(?:[.,]0+)?", re.ASCII)

_MAX_TEST_S = 3600

# Names and addresses that are repeated in a file are cleaned once.
_MAX_CACHED_CHARS, _CACHED_TEXTS = 100, 1024


@dataclass(slots=True)
class Source:
    """What the rows of one file have in common.

    Attributes:
        context: what the file does not contain.
        clock: reads its times, in their order.
        style: what points and commas in its numbers mean.
        titles: the names of its columns as they are in the file, by normalized name.
    """

    context: ImportContext
    clock: Clock
    style: NumberStyle = DEFAULT_STYLE
    titles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, context: ImportContext, style: NumberStyle = DEFAULT_STYLE) -> Source:
        """Return the beginning of a file."""
        return cls(context, Clock(context.zone, context.date_order), style)


@dataclass(slots=True)
class Row:
    """A row or an object of a file. Each method returns None for an empty cell, and refuses one that is unreadable.

    Raises:
        UnusableRowError: a cell cannot be read; the message has the column and the text.
    """

    fields: Fields
    source: Source
    prefix: str = ""

    @property
    def context(self) -> ImportContext:
        """What the file does not contain."""
        return self.source.context

    def refuse(self, name: str, problem: str) -> UnusableRowError:
        """Return the error for a cell."""
        title = self.prefix + self.source.titles.get(name, name)
        shown = str(self.fields.get(name))
        shown = shown[:SHOWN_CHARS] + ("…" if len(shown) > SHOWN_CHARS else "")
        return UnusableRowError(f"column {title!r}: {shown!r} is {problem}")

    def part(self, name: str) -> Row:
        """Return an object inside this one; an empty one if there is none."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.refuse(name, "not an object")
        return Row(value or {}, self.source, f"{self.prefix}{name}.")

    def _number(
        self,
        name: str,
        to_factor: Callable[[str], float | None],
        limits: tuple[float, float],
        default_factor: float | None = 1,
    ) -> float | None:
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        try:
            number = quantities.read_number(value, to_factor, self.source.style, default_factor)
        except UnreadableNumberError as error:
            raise self.refuse(name, str(error)) from error
        if number is None or limits[0] <= number <= limits[1]:
            return number
        raise self.refuse(name, "not a possible value")

    def rate_bps(self, name: str, bits_each: float | None = 1) -> int | None:
        """Return a rate in bit/s, which may be 0.

        A number without a unit is in units of `bits_each` bits per second; if that is None, it is refused.
        """
        number = self._number(name, quantities.rate_factor, (0, parsing.MAX_BPS - 1), bits_each)
        if number is None:
            return None
        rate = round(number)
        if number and not rate:
            raise self.refuse(name, "not a possible value")
        return rate

    def latency_ms(self, name: str, ms_each: float = 1) -> float | None:
        """Return a round-trip time in ms; 0 is impossible and None, and so is what a program writes for a lost ping."""
        value = self.fields.get(name)
        # Most numbers of JSON, quickly; so below.
        if type(value) is float and ms_each == 1 and 0 < value <= parsing.MAX_LATENCY_MS:
            return value
        return parsing.to_latency_ms(self._number(name, quantities.ms_factor, (_NO_VALUE, parsing.MAX_MS), ms_each))

    def jitter_ms(self, name: str, ms_each: float = 1) -> float | None:
        """Return a jitter in ms, which may be 0."""
        value = self.fields.get(name)
        if type(value) is float and ms_each == 1 and 0 <= value <= parsing.MAX_LATENCY_MS:
            return value
        limits = (_NO_VALUE, parsing.MAX_LATENCY_MS)
        return parsing.to_jitter_ms(self._number(name, quantities.ms_factor, limits, ms_each))

    def percent(self, name: str) -> float | None:
        """Return a share in percent."""
        return parsing.to_percent(self._number(name, quantities.percent_factor, (_NO_VALUE, 100)))

    def byte_count(self, name: str) -> int | None:
        """Return a number of bytes."""
        value = self.fields.get(name)
        if type(value) is int and 0 < value <= parsing.MAX_BYTES:
            return value
        return parsing.to_count(self._number(name, quantities.size_factor, (_NO_VALUE, parsing.MAX_BYTES)))

    def duration_ms(self, name: str) -> int | None:
        """Return the duration of a transfer in ms."""
        value = self.fields.get(name)
        if type(value) is int and 0 < value <= parsing.MAX_MS:
            return value
        return parsing.to_count(self._number(name, quantities.ms_factor, (_NO_VALUE, parsing.MAX_MS)), parsing.MAX_MS)

    def seconds(self, name: str) -> float | None:
        """Return how long a test took, in s; None for an impossible duration."""
        number = self._number(name, quantities.no_factor, (-parsing.MAX_BYTES, parsing.MAX_BYTES))
        return parsing.to_number(number, 0, _MAX_TEST_S)

    def any_number(self, name: str) -> float | None:
        """Return a number without a unit, which may be negative."""
        return self._number(name, quantities.no_factor, (-(2.0**63), 2.0**64))

    def is_failure_mark(self, *names: str) -> bool:
        """Return whether each of these cells is -1, which a program writes for a test that failed."""
        return all(_FAILURE_MARK.fullmatch(str(self.fields.get(name)).strip()) for name in names)

    def text(self, name: str) -> str | None:
        """Return a text as one line."""
        value = self.fields.get(name)
        is_short = isinstance(value, str) and len(value) <= _MAX_CACHED_CHARS
        return _clean_short(value) if is_short else parsing.clean_text(value)

    def identifier(self, name: str) -> str | None:
        """Return an id as text, also if it was saved as 90602.0."""
        value = self.fields.get(name)
        if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < _MAX_ID_DIGITS:
            return value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        saved = _SAVED_ID.fullmatch(value.strip()) if isinstance(value, str) else None
        return saved[1] if saved else parsing.to_identifier(value)

    def url(self, name: str) -> str | None:
        """Return an http(s) URL."""
        return parsing.to_url(self.fields.get(name))

    def address(self, name: str) -> tuple[str | None, int | None]:
        """Return an IP address with its family, 4 or 6."""
        value = self.fields.get(name)
        return _to_address(value) if isinstance(value, str) and len(value) <= _MAX_CACHED_CHARS else (None, None)

    def server(self) -> Server | None:
        """Return the server that the columns `server_id`, `server_name` and so on describe."""
        names = (self.text("servername"), self.text("serverlocation"))
        return to_server(self.identifier("serverid"), *names, None, self.text("serverhost"))

    def time(self, name: str, zone: ZoneInfo | None = None) -> datetime:
        """Return a time in UTC, in whole seconds; one without a zone is in `zone`, else in that of the file."""
        time = self.time_if_any(name, zone)
        if time is None:
            raise UnusableRowError(f"column {self.prefix}{self.source.titles.get(name, name)!r}: no time")
        return time

    def time_if_any(self, name: str, zone: ZoneInfo | None = None) -> datetime | None:
        """Return a time, as `time`; None for an empty cell."""
        value = self.fields.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            time = self.source.clock.read(value, zone)
        except UnreadableTimeError as error:
            raise self.refuse(name, str(error)) from error
        if time is None:
            raise self.refuse(name, "not a time")
        return time


@dataclass(frozen=True, slots=True)
class ImportFormat:
    """A format in which every row or object is a run. Its functions are pure.

    Attributes:
        name: the program that writes it, as --format calls it.
        matches: whether a row or an object with these names is of this format.
        read: returns the run of a row or an object; raises UnusableRowError if it gives none.
        is_nested: whether it is an object as the program prints it; else a row with names from `normalize_names`.
        split_line: returns the fields of a line, for a table that is not standard CSV; None for one that is.
        header: the normalized names of the columns, for a program that can leave out the header or its last columns.
        find_delimiter: returns the delimiter of a line, for a program that can use any; None if it is not its line.
        matches_row: whether a row without a header is of this format.
    """

    name: str
    matches: Callable[[Fields], bool]
    read: Callable[[Row], Attempt]
    is_nested: bool = False
    split_line: Callable[[str], list[object] | None] | None = None
    header: tuple[str, ...] = ()
    find_delimiter: Callable[[str], str | None] = lambda _line: None
    matches_row: Callable[[list[str]], bool] = lambda _row: False


_clean_short = functools.lru_cache(_CACHED_TEXTS)(parsing.clean_text)


@functools.lru_cache(_CACHED_TEXTS)
def _to_address(text: str) -> tuple[str | None, int | None]:
    return parsing.to_address(text.strip())


@functools.lru_cache(_CACHED_TEXTS)
def to_server(
    identifier: str | None,
    name: str | None,
    location: str | None = None,
    country: str | None = None,
    host: str | None = None,
    ip: str | None = None,
) -> Server | None:
    """Return a server; None if nothing is known of it."""
    return parsing.none_if_empty(Server(identifier, name, location, country, host, ip))


def to_bool(value: object) -> bool | None:
    """Return a truth value from any of its spellings; None for anything else."""
    text = str(value).strip().lower()
    if text in {"1", "1.0", "true", "yes"}:
        return True
    return False if text in {"0", "0.0", "false", "no"} else None
