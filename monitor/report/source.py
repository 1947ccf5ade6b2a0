"""Which probes, engines, ISPs and servers the runs of a window name, and how often. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.columns import Columns
    from monitor.model import Path, Server


@dataclass(frozen=True, slots=True)
class Source:
    """Names and how many runs have each: of all runs for probes, paths and engines, else of trusted ones.

    `first` and `last` are when the first and the last run started, UTC; None without runs.
    """

    probes: Counter[str]
    paths: Counter[Path]
    engines: Counter[str]
    isps: Counter[str]
    families: Counter[int]
    servers: Counter[str]
    first: datetime | None
    last: datetime | None


def source(columns: Columns) -> Source:
    """Count the runs by each of their names."""
    probes, paths, engines = Counter[str](), Counter["Path"](), Counter[str]()
    isps, families, servers = Counter[str](), Counter[int](), Counter[str]()
    for attributes, count in columns.counts():
        probes[attributes.probe] += count
        paths[attributes.path] += count
        engines[attributes.engine] += count
        if attributes.trusted:
            isps.update({attributes.isp: count} if attributes.isp else {})
            families.update({attributes.ip_family: count} if attributes.ip_family else {})
            servers.update({called(attributes.server): count} if attributes.server else {})
    ends = [datetime.fromtimestamp(int(at), UTC) for at in columns.started[[0, -1]]] if len(columns) else [None, None]
    return Source(probes, paths, engines, isps, families, servers, *ends)


def called(server: Server) -> str:
    """Return the name, the place and the number of a server, by which an engineer can find it."""
    name = ", ".join(part for part in (server.name, server.location) if part) or server.host or ""
    return " ".join(part for part in (name, f"(no. {server.id})" if server.id else "") if part) or "not named"
