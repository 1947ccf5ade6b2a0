"""The row numbers of probes, ISPs and servers: each is stored once, and found or made when a run names it."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Column, Table, bindparam, select
from sqlalchemy.dialects import sqlite

from monitor.model import Server
from monitor.store.tables import isps, probes, runs, servers

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import ColumnElement, Connection, Insert

_NOBODY = Server()


class Names:
    """Row numbers by name, remembered for as long as one transaction stores runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], int] = {}

    def probe(self, name: str) -> int:
        """Return the row of a probe."""
        return self._row(probes, "name", {"name": name})

    def isp(self, name: str | None) -> int | None:
        """Return the row of an ISP, None for none."""
        return None if name is None else self._row(isps, "name", {"name": name})

    def server(self, server: Server | None) -> int | None:
        """Return the row of a server, None for one of which nothing is known."""
        if server is None or server == _NOBODY:
            return None
        values = dataclasses.asdict(server)
        return self._row(servers, "digest", {"digest": digest(tuple(values.values())), **values})

    def _row(self, table: Table, key: str, values: dict[str, Any]) -> int:
        place = (table.name, values[key])
        if place not in self._known:
            self._known[place] = self._find(table.c[key], values[key]) or self._make(table, key, values)
        return self._known[place]

    def _find(self, column: Column[Any], value: str) -> int | None:
        found: int | None = self._connection.scalar(
            select(column.table.c.pk).where(column == bindparam("value")), {"value": value}
        )
        return found

    def _make(self, table: Table, key: str, values: dict[str, Any]) -> int:
        """Insert a row; where another transaction does so at once, take that one's."""
        self._connection.execute(insert_new(self._connection, table), values)
        made = self._find(table.c[key], values[key])
        assert made is not None  # noqa: S101  it was inserted, by us or by another
        return made


def of_probe(name: str) -> ColumnElement[bool]:
    """Return the condition that a run is of the probe with that name."""
    return runs.c.probe_pk == select(probes.c.pk).where(probes.c.name == name).scalar_subquery()


def insert_new(connection: Connection, table: Table) -> Insert:
    """Return an insert that passes over rows which are there."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415  big, and most stores are a file

        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def digest(values: tuple[str | None, ...]) -> str:
    """Return what tells a server, given as the values of its columns, from any other."""
    return hashlib.blake2b(msgspec.json.encode(values), digest_size=16).hexdigest()
