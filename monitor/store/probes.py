"""The probes of a store: their names, and in a fleet the installation that each belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from monitor.errors import ProbeClashError, UsageError
from monitor.store.names import Names
from monitor.store.tables import identity, probes

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection


def identity_of(connection: Connection) -> str:
    """Return what tells this store from any other."""
    found: str = connection.execute(select(identity.c.id)).scalar_one()
    return found


def known(connection: Connection) -> list[str]:
    """Return the names of all probes, in alphabetical order."""
    return list(connection.scalars(select(probes.c.name).order_by(probes.c.name)))


def named(connection: Connection, wanted: Collection[str]) -> list[int]:
    """Return the rows of probes.

    Raises:
        UsageError: a name is no probe's.
    """
    found = {row.name: row.pk for row in connection.execute(select(probes.c.name, probes.c.pk))}
    if missing := sorted(set(wanted) - found.keys()):
        there = ", ".join(sorted(found)) or "none"
        raise UsageError(f"there is no probe {missing[0]!r} in this database: its probes are {there}")
    return [found[name] for name in wanted]


def claim(connection: Connection, names: Collection[str], installation: str) -> None:
    """Take probe names that belong to no installation.

    Raises:
        ProbeClashError: a name is another installation's.
    """
    rows = Names(connection)
    for name in sorted(names):
        row = rows.probe(name)
        free = (probes.c.pk == row, probes.c.installation.is_(None))
        connection.execute(update(probes).where(*free).values(installation=installation))
        if connection.scalar(select(probes.c.installation).where(probes.c.pk == row)) != installation:
            raise ProbeClashError(
                f"the fleet has a probe {name!r} of another installation: set probe.name to a name of its own, or,"
                " where this installation replaces that one, run `speedmon fleet adopt`"
            )


def adopt(connection: Connection, names: Collection[str], installation: str) -> None:
    """Take probe names, whosever they are."""
    rows = Names(connection)
    mine = [rows.probe(name) for name in sorted(names)]
    connection.execute(update(probes).where(probes.c.pk.in_(mine)).values(installation=installation))
