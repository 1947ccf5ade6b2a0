"""The probes of a store: their names and, in a fleet, the installation to which each belongs."""

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
    """Return the unique id of this store."""
    store_id: str = connection.execute(select(identity.c.id)).scalar_one()
    return store_id


def known(connection: Connection) -> list[str]:
    """Return the names of all probes, in alphabetical order."""
    return list(connection.scalars(select(probes.c.name).order_by(probes.c.name)))


def named(connection: Connection, names: Collection[str]) -> list[int]:
    """Return the primary keys of the probes with these names.

    Raises:
        UsageError: there is no probe of a name.
    """
    pks = {row.name: row.pk for row in connection.execute(select(probes.c.name, probes.c.pk))}
    if missing := sorted(set(names) - pks.keys()):
        existing = ", ".join(sorted(pks)) or "none"
        raise UsageError(f"there is no probe {missing[0]!r} in this database: its probes are {existing}")
    return [pks[name] for name in names]


def claim(connection: Connection, names: Collection[str], installation: str) -> None:
    """Assign probe names to an installation.

    Raises:
        ProbeClashError: a name belongs to another installation.
    """
    rows = Names(connection)
    for name in sorted(names):
        row = rows.probe(name)
        free = (probes.c.pk == row, probes.c.installation.is_(None))
        connection.execute(update(probes).where(*free).values(installation=installation))
        if connection.scalar(select(probes.c.installation).where(probes.c.pk == row)) != installation:
            raise ProbeClashError(
                f"the fleet has a probe {name!r} of another installation: set probe.name to another name, or, if"
                " this installation replaces that one, run `speedmon fleet adopt`"
            )


def adopt(connection: Connection, names: Collection[str], installation: str) -> None:
    """Assign probe names to an installation, even if they belong to another."""
    rows = Names(connection)
    pks = [rows.probe(name) for name in sorted(names)]
    connection.execute(update(probes).where(probes.c.pk.in_(pks)).values(installation=installation))
