"""Policy routing as frozen data: the kernel's policy rules, and the routes of a pinned namespace's own table.

Our rules and routes have a protocol number of their own (ip-route(8), "protocol"), by which they are recognised.
"""

from __future__ import annotations

from msgspec import Struct

# Unused in /etc/iproute2/rt_protos; routing daemons remove only what has their own number.
PROTOCOL = 115
EVERYWHERE = "0.0.0.0/0"


class Rule(Struct, frozen=True):
    """An IPv4 policy rule: packets received on `link` from `source` (None: any) are looked up in `table`."""

    priority: int
    table: int
    link: str | None = None
    source: str | None = None
    protocol: int = PROTOCOL


class Route(Struct, frozen=True):
    """A route of ours in a table; without a link it is the unreachable route that comes last."""

    table: int
    network: str
    link: str | None = None
    router: str | None = None


class Routing(Struct, frozen=True):
    """The host's policy rules, our own routes, and the numbers of all tables that contain any route."""

    rules: tuple[Rule, ...] = ()
    routes: tuple[Route, ...] = ()
    tables: frozenset[int] = frozenset()
