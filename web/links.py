"""The URLs in the page: each changes one parameter and keeps the others. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Links:
    """The parameters of the page: window in days, filter of the table, and probes (none: all)."""

    days: int
    only: str
    probes: tuple[str, ...] = ()

    def page(self, **changes: Any) -> str:
        """Return the URL of the page with some parameters changed."""
        changed = replace(self, **changes)
        return _address("/", changed, only="" if changed.only == "all" else changed.only)

    def picture(self, size: str = "") -> str:
        """Return the URL of the graph."""
        return _address("/graph.png", self, size=size)

    def runs(self) -> str:
        """Return the URL of the runs as JSON."""
        return _address("/api/v1/runs", self)


def _address(path: str, links: Links, **extra: str) -> str:
    """Return the URL of a path with the common parameters and the extra ones that are not empty."""
    parameters = [(key, value) for key, value in extra.items() if value]
    probe_parameters = [("probe", name) for name in links.probes]
    return f"{path}?{urlencode([('days', links.days), *parameters, *probe_parameters])}"
