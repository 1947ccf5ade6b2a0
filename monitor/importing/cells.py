"""Values as files hold them, cleaned: a number may be a text, and missing, empty or impossible is None. Pure."""

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
    """Return the number that a text is; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return int(value) if value.strip().isdecimal() else float(value)
    except ValueError:
        return None


def whole(value: object) -> int | None:
    """Return a whole number, None where there is none."""
    found = number(value)
    return found if isinstance(found, int) else None


def rate_bps(value: object, bits_each: int = 1) -> int | None:
    """Return a rate in bit/s from a number of units of `bits_each` bits; 0 and less is none."""
    return readings.rate_bps(number(value), bits_each)


def flag(value: object) -> bool | None:
    """Return what a truth value says in any of its spellings, None for anything else."""
    text = str(value).strip().lower()
    if text in {"1", "true", "yes"}:
        return True
    return False if text in {"0", "false", "no"} else None


def with_plain_names(fields: Mapping[str, object]) -> Fields:
    """Return the fields under their plain names."""
    return {plain(str(name)): value for name, value in fields.items()}


@functools.lru_cache(maxsize=1024)
def plain(name: str) -> str:
    """Return a column's name without what spellings differ in: `Created at`, `created_at`, `createdAt` are one."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
