"""The steps that keep a namespace on one uplink and back: what `netns.pinning` plans. Pure data, like `netns.steps`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netns.routing import EVERYWHERE, PROTOCOL
from netns.steps import Step

if TYPE_CHECKING:
    from netns.routing import Route, Rule

# The largest there is, so that every other route is better.
LAST_METRIC = 4_294_967_295


def _route(route: Route) -> str:
    network = "default" if route.network == EVERYWHERE else route.network
    end = f"table {route.table} proto {PROTOCOL}"
    if route.link is None:
        return f"unreachable {network} metric {LAST_METRIC} {end}"
    way = f" via {route.router} dev {route.link} onlink" if route.router else f" dev {route.link}"
    return f"{network}{way} {end}"


def _rule(rule: Rule) -> str:
    return f"priority {rule.priority} iif {rule.link} from {rule.source} lookup {rule.table} protocol {rule.protocol}"


class AddTableRoute(Step, frozen=True):
    """Put a route into the table of a pinned namespace."""

    route: Route

    def __str__(self) -> str:
        return f"ip route add {_route(self.route)}"

    @property
    def undo(self) -> Step:
        return DeleteTableRoute(self.route)


class DeleteTableRoute(Step, frozen=True):
    """Take a route out of the table of a pinned namespace; one that went with its link is gone already."""

    route: Route

    def __str__(self) -> str:
        return f"ip route delete {_route(self.route)}"

    @property
    def undo(self) -> Step:
        return AddTableRoute(self.route)


class AddRule(Step, frozen=True):
    """Have what comes from the namespace looked up in its own table."""

    rule: Rule

    def __str__(self) -> str:
        return f"ip rule add {_rule(self.rule)}"

    @property
    def undo(self) -> Step:
        return DeleteRule(self.rule)


class DeleteRule(Step, frozen=True):
    """Have what comes from the namespace looked up like anything else again."""

    rule: Rule

    def __str__(self) -> str:
        return f"ip rule delete {_rule(self.rule)}"

    @property
    def undo(self) -> Step:
        return AddRule(self.rule)
