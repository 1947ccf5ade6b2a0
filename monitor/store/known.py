"""Finds which of many runs are already stored."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sqlalchemy import select

from monitor.store.tables import runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

# Databases limit the number of values in a statement.
_BATCH = 500


def known(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Return those of the ids that are stored."""
    stored: set[str] = set()
    remaining = iter(ids)
    while batch := list(itertools.islice(remaining, _BATCH)):
        stored.update(connection.scalars(select(runs.c.id).where(runs.c.id.in_(batch))))
    return stored
