"""Which of many runs are stored already."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sqlalchemy import select

from monitor.store.tables import runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

# Databases limit the values of a statement.
_BATCH = 500


def known(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Return those of the ids that a stored run has."""
    found: set[str] = set()
    left = iter(ids)
    while batch := list(itertools.islice(left, _BATCH)):
        found.update(connection.scalars(select(runs.c.id).where(runs.c.id.in_(batch))))
    return found
