"""Types of importers: a format, and the records that reading a file gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from monitor.model import Attempt, Path

# Values as they are in the file: texts from CSV, anything from JSON, SQLite and Parquet.
Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Context:
    """What a file does not contain: the probe, the path and the time zone of times without one.

    Exports name the probe of each run; `replaces_probe` says whether `probe` takes its place.
    """

    probe: str
    path: Path
    zone: ZoneInfo
    replaces_probe: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """A run from a file, and the line (or row) that it was read from."""

    line: int
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Refused:
    """A line (or row) of a file that gives no run, and the reason."""

    line: int
    reason: str


Record = Taken | Refused


class UnusableError(Exception):
    """A row gives no run; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format in which every row or object is a run. Its functions are pure.

    Attributes:
        name: the program that writes it, as --format calls it.
        matches: whether a row or an object with these names is of this format.
        read: returns the run of a row or an object; raises UnusableError if it gives none.
        is_nested: whether it is an object as the program prints it; else a row with names from `cells.plain`.
        split_line: returns the fields of a line, for a table that is not standard CSV.
        header: the normalized names of the columns, for a program that can leave out the header.
        matches_row: whether a row without a header is of this format.
    """

    name: str
    matches: Callable[[Fields], bool]
    read: Callable[[Fields, Context], Attempt]
    is_nested: bool = False
    split_line: Callable[[str], list[object]] | None = None
    header: tuple[str, ...] = ()
    matches_row: Callable[[list[str]], bool] = lambda _row: False
