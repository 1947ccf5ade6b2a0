"""The lookup tables of probes, ISPs and servers: each name is stored once, and inserted when a run first uses it."""

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
    """Primary keys by name, cached for one transaction that stores runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], int] = {}

    def probe(self, name: str) -> int:
        """Return the primary key of a probe; inserts it if it is new."""
        return self._row(probes, "name", {"name": name})

    def isp(self, name: str | None) -> int | None:
        """Return the primary key of an ISP, None for None; inserts it if it is new."""
        return None if name is None else self._row(isps, "name", {"name": name})

    def server(self, server: Server | None) -> int | None:
        """Return the primary key of a server, None if nothing is known of it; inserts it if it is new."""
        if server is None or server == _NOBODY:
            return None
        values = dataclasses.asdict(server)
        return self._row(servers, "digest", {"digest": digest(tuple(values.values())), **values})

    def _row(self, table: Table, key: str, values: dict[str, Any]) -> int:
        name = (table.name, values[key])
        if name not in self._known:
            self._known[name] = self._find(table.c[key], values[key]) or self._insert(table, key, values)
        return self._known[name]

    def _find(self, column: Column[Any], value: str) -> int | None:
        pk: int | None = self._connection.scalar(
            select(column.table.c.pk).where(column == bindparam("value")), {"value": value}
        )
        return pk

    def _insert(self, table: Table, key: str, values: dict[str, Any]) -> int:
        """Insert a row and return its key; if another transaction inserted it first, return that one's."""
        self._connection.execute(insert_new(self._connection, table), values)
        pk = self._find(table.c[key], values[key])
        assert pk is not None  # noqa: S101  inserted by this transaction or by another
        return pk


def of_probe(name: str) -> ColumnElement[bool]:
    """Return the condition that a run belongs to the probe of that name."""
    return runs.c.probe_pk == select(probes.c.pk).where(probes.c.name == name).scalar_subquery()


def insert_new(connection: Connection, table: Table) -> Insert:
    """Return an insert statement that skips rows which already exist."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415  large, and most stores are SQLite

        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def digest(values: tuple[str | None, ...]) -> str:
    """Return a digest of a server's columns, which is unique where NULL in SQL is not."""
    return hashlib.blake2b(msgspec.json.encode(values), digest_size=16).hexdigest()
