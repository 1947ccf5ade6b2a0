"""What all importers share: what is known beside a file, what is read from it, and the names of columns. Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from monitor.model import Attempt, NetworkPath


# Values as they are in the file: texts from CSV, anything from JSON, SQLite and Parquet.
Fields = Mapping[str, object]

BITS_PER_MBIT = 1_000_000

BITS_PER_BYTE = 8

# How much of a rejected line is shown.
SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class ImportContext:
    """What a file does not contain: the probe, the path and the time zone of times without one.

    Exports name the probe of each run; `replaces_probe` says whether `probe` takes its place. `date_order` is the order
    of dates such as 01/04/24, None if it is not known.
    """

    probe: str
    path: NetworkPath
    zone: ZoneInfo
    replaces_probe: bool = False
    date_order: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """A run from a file, and the line (or row) that it was read from.

    `former_id` is the id that the run had when it was imported by a version whose ids did not depend on the probe.
    """

    line: int
    attempt: Attempt
    former_id: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedPart:
    """A line (or row) of a file that gives no run, and the reason."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportNote:
    """What could not be known about a line (or row) that was imported all the same."""

    line: int
    text: str


Record = ImportedRun | RejectedPart | ImportNote


class UnusableRowError(Exception):
    """A row gives no run; the message is the reason."""


def normalize_names(fields: Mapping[str, object]) -> Fields:
    """Return the fields with normalized names, see `normalize_name`."""
    return {normalize_name(str(name)): value for name, value in fields.items()}


@functools.lru_cache(maxsize=1024)
def normalize_name(name: str) -> str:
    """Return a column's name as lower-case letters and digits: `Created at`, `created_at`, `createdAt` are the same."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
