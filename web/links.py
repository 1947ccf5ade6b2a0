"""The addresses in the page: each changes one thing of what is shown and keeps the rest. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Links:
    """The window in days, which rows of the table are shown, and the probes that were asked for, none for all."""

    days: int
    only: str
    probes: tuple[str, ...] = ()

    def page(self, **changes: Any) -> str:
        """Return the address of the page with these things in place of those of this one."""
        changed = replace(self, **changes)
        return _address("/", changed, only="" if changed.only == "all" else changed.only)

    def picture(self, size: str = "") -> str:
        """Return the address of the picture."""
        return _address("/graph.png", self, size=size)

    def runs(self) -> str:
        """Return the address of the runs as JSON."""
        return _address("/api/v1/runs", self)


def _address(path: str, links: Links, **extra: str) -> str:
    """Return the address of a path with what is the same for all of them, and more where there is any."""
    parameters = [(key, value) for key, value in extra.items() if value]
    probe_parameters = [("probe", name) for name in links.probes]
    return f"{path}?{urlencode([('days', links.days), *parameters, *probe_parameters])}"
