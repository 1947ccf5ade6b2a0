"""Cleans values of imported files: a number may be a text; missing, empty or impossible values become None. Pure."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from monitor.engines import readings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.importing.model import Fields

MBIT = 1_000_000
BYTE = 8


def number(value: object) -> object:
    """Return a text as a number, None if it is none; anything that is not a text is returned unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return int(value) if value.strip().isdecimal() else float(value)
    except ValueError:
        return None


def whole(value: object) -> int | None:
    """Return a whole number; None if the value is none."""
    parsed = number(value)
    return parsed if isinstance(parsed, int) else None


def rate_bps(value: object, bits_each: int = 1) -> int | None:
    """Return a rate in bit/s, given in units of `bits_each` bits per second; None if it is not above 0."""
    return readings.rate_bps(number(value), bits_each)


def flag(value: object) -> bool | None:
    """Return a truth value from any of its spellings; None for anything else."""
    text = str(value).strip().lower()
    if text in {"1", "true", "yes"}:
        return True
    return False if text in {"0", "false", "no"} else None


def with_plain_names(fields: Mapping[str, object]) -> Fields:
    """Return the fields with normalized names, see `plain`."""
    return {plain(str(name)): value for name, value in fields.items()}


@functools.lru_cache(maxsize=1024)
def plain(name: str) -> str:
    """Return a column's name as lower-case letters and digits: `Created at`, `created_at`, `createdAt` are the same."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
