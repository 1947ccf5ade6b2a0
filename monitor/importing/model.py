"""What importers pass on: what was found, where in the file, and how a format is known. Types only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from monitor.model import Attempt, Path

# Values as the file has them: texts from CSV, anything from JSON, SQLite and Parquet.
Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Context:
    """What a file does not say: probe, path, the zone of times without one. `renamed`: an export's probe goes."""

    probe: str
    path: Path
    zone: ZoneInfo
    renamed: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """A run of a file, and the line (or row) that it was read from."""

    line: int
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Refused:
    """A part of a file that gives no run, and why."""

    line: int
    reason: str


Record = Taken | Refused


class UnusableError(Exception):
    """A row that gives no run; the message says why."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of row or object that stands for a run by itself.

    Attributes:
        name: what --format calls the program that it is of.
        knows: pure; tells by its names whether a row or an object is of this format.
        read: pure; returns the run of a row, raises UnusableError where it gives none.
        nested: whether it is an object as the program prints it; else a row with `cells.plain` names.
        split: pure; returns the fields of a line, for a table that is no CSV as everybody writes it.
        header: the names of a row without a header, for a program that leaves it out.
        fits: pure; tells whether a row without a header is of this format.
    """

    name: str
    knows: Callable[[Fields], bool]
    read: Callable[[Fields, Context], Attempt]
    nested: bool = False
    split: Callable[[str], list[object]] | None = None
    header: tuple[str, ...] = ()
    fits: Callable[[list[str]], bool] = lambda _row: False
