"""The lookup tables of probes, ISPs and servers: each name is stored once, when a run first uses it.

In a fleet a probe belongs to an installation, which claims its name.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import sqlite

from monitor.errors import ProbeClashError, UsageError
from monitor.model import Server
from monitor.store import postgres
from monitor.store.tables import identity, isps, probes, runs, servers

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from sqlalchemy import ColumnElement, Connection, Insert, Table


_UNKNOWN_SERVER = Server()


class RowNumbers:
    """Primary keys by name, cached for one transaction that stores runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], int] = {}
        self._servers: dict[Server, int] = {}

    def probe(self, name: str) -> int:
        """Return the primary key of a probe; inserts it if it is new."""
        return self._row(probes, "name", {"name": name})

    def isp(self, name: str | None) -> int | None:
        """Return the primary key of an ISP, None for None; inserts it if it is new."""
        return None if name is None else self._row(isps, "name", {"name": name})

    def server(self, server: Server | None) -> int | None:
        """Return the primary key of a server, None if nothing is known of it; inserts it if it is new."""
        if server is None or server == _UNKNOWN_SERVER:
            return None
        if server not in self._servers:
            values = dataclasses.asdict(server)
            row = {"digest": server_digest(tuple(values.values())), **values}
            self._servers[server] = self._row(servers, "digest", row)
        return self._servers[server]

    def _row(self, table: Table, key: str, values: dict[str, Any]) -> int:
        name = (table.name, values[key])
        if name not in self._known:
            query = select(table.c.pk).where(table.c[key] == bindparam("value"))
            pk = self._connection.scalar(query, {"value": values[key]})
            if pk is None:
                self._connection.execute(insert_if_new(self._connection, table), values)
                # If another transaction inserted the row first, this is that one's key.
                pk = self._connection.execute(query, {"value": values[key]}).scalar_one()
            self._known[name] = pk
        return self._known[name]


def probe_condition(name: str) -> ColumnElement[bool]:
    """Return the condition that a run belongs to the probe of that name."""
    return runs.c.probe_pk == select(probes.c.pk).where(probes.c.name == name).scalar_subquery()


def insert_if_new(connection: Connection, table: Table) -> Insert:
    """Return an insert statement that skips rows which already exist."""
    if connection.dialect.name == "postgresql":
        return postgres.insert_if_new(table)
    return sqlite.insert(table).on_conflict_do_nothing()


def server_digest(values: tuple[str | None, ...]) -> str:
    """Return a digest of a server's columns, which is unique where NULL in SQL is not."""
    return hashlib.blake2b(msgspec.json.encode(values), digest_size=16).hexdigest()


def store_identity(connection: Connection) -> str:
    """Return the unique id of this store."""
    store_id: str = connection.execute(select(identity.c.id)).scalar_one()
    return store_id


def probe_names(connection: Connection) -> list[str]:
    """Return the names of all probes, in alphabetical order."""
    return list(connection.scalars(select(probes.c.name).order_by(probes.c.name)))


def find_probe_pk(connection: Connection, name: str) -> int | None:
    """Return the primary key of the probe of that name; None if there is none."""
    return connection.scalar(select(probes.c.pk).where(probes.c.name == name))


def probe_pks(connection: Connection, names: Collection[str]) -> list[int]:
    """Return the primary keys of the probes with these names.

    Raises:
        UsageError: there is no probe of a name.
    """
    pks = {row.name: row.pk for row in connection.execute(select(probes.c.name, probes.c.pk))}
    if missing := sorted(set(names) - pks.keys()):
        existing = ", ".join(sorted(pks)) or "none"
        raise UsageError(f"there is no probe {missing[0]!r} in this database: its probes are {existing}")
    return [pks[name] for name in names]


def claim_probes(connection: Connection, names: Collection[str], installation: str) -> None:
    """Assign probe names to an installation.

    Raises:
        ProbeClashError: a name belongs to another installation.
    """
    rows = RowNumbers(connection)
    for name in sorted(names):
        row = rows.probe(name)
        free = (probes.c.pk == row, probes.c.installation.is_(None))
        connection.execute(update(probes).where(*free).values(installation=installation))
        if connection.scalar(select(probes.c.installation).where(probes.c.pk == row)) != installation:
            raise ProbeClashError(
                f"the fleet has a probe {name!r} of another installation: set probe.name to another name, or, if"
                " this installation replaces that one, run `speedmon fleet adopt`"
            )


def adopt_probes(connection: Connection, names: Collection[str], installation: str) -> None:
    """Assign probe names to an installation, even if they belong to another."""
    rows = RowNumbers(connection)
    pks = [rows.probe(name) for name in sorted(names)]
    connection.execute(update(probes).where(probes.c.pk.in_(pks)).values(installation=installation))
