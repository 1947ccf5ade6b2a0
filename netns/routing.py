"""The routing of a pinned namespace as frozen data: the kernel's policy rules, and the table that one of ours leads to.

Ours carry a protocol number of their own (ip-route(8), "protocol"), by which they are found again.
"""

from __future__ import annotations

from msgspec import Struct

# Free in /etc/iproute2/rt_protos; daemons that clean up after themselves remove what has their own number.
PROTOCOL = 115
EVERYWHERE = "0.0.0.0/0"


class Rule(Struct, frozen=True):
    """A policy rule for IPv4: what comes in by `link` from `source` is looked up in `table`; None is any."""

    priority: int
    table: int
    link: str | None = None
    source: str | None = None
    protocol: int = PROTOCOL


class Route(Struct, frozen=True):
    """A route of our own in a table; without a link it refuses, where nothing better is left."""

    table: int
    network: str
    link: str | None = None
    router: str | None = None


class Routing(Struct, frozen=True):
    """The host's policy rules, our own routes, and the numbers of all tables that hold a route of anybody."""

    rules: tuple[Rule, ...] = ()
    routes: tuple[Route, ...] = ()
    tables: frozenset[int] = frozenset()
