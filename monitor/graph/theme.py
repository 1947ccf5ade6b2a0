"""Themes: light (the colours of `style`), dark for screens, print in black and grey.

Everything is drawn in the colours of the light theme; the canvas translates each of them. Data only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.graph import style
from monitor.graph.data import Metric
from monitor.model import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.graph.forms import Form


@dataclass(frozen=True, slots=True)
class Theme:
    """Background, replacements of the light colours, and the colour map of heat maps (`ramp`, a matplotlib name)."""

    name: str
    paper: str
    ramp: str
    inks: Mapping[str, str] = field(default_factory=dict)

    def ink(self, color: str) -> str:
        """Return the colour that replaces one of the light theme."""
        return self.inks.get(color, color)


_DARK = {
    style.PAPER: "#16181b",
    style.INK: "#e8eaed",
    style.QUIET: "#a3a9b0",
    style.GRID: "#33373c",
    style.FINE_GRID: "#26292d",
    style.AXIS: "#6b7178",
    style.PLAN: "#c4c7cb",
    style.BAND: "#5a2f1f",
    style.OTHER_TRACKS[1]: "#e69f00",
    style.METRICS[Metric.DOWNLOAD]: "#56b4e9",
    style.METRICS[Metric.UPLOAD]: "#2fc79c",
    style.METRICS[Metric.LATENCY]: "#cc79a7",
    style.SCOPES[Scope.LINE]: "#ff7f2a",
    style.SCOPES[Scope.PROVIDER]: "#e6b422",
    style.SCOPES[Scope.CONFIG]: "#7fb0e0",
    style.SCOPES[Scope.LOCAL]: "#7cc8c8",
}
_BLACK = (style.INK, style.PLAN, *style.METRICS.values(), *style.OTHER_TRACKS, *style.SCOPES.values())
_PRINT = dict.fromkeys(_BLACK, "#000000") | {
    style.QUIET: "#333333",
    style.GRID: "#d0d0d0",
    style.FINE_GRID: "#e4e4e4",
    style.AXIS: "#555555",
    style.BAND: "#d2d2d2",
}

LIGHT = Theme("light", style.PAPER, "cividis")
DARK = Theme("dark", _DARK[style.PAPER], "cividis", _DARK)
PRINT = Theme("print", style.PAPER, "gray", _PRINT)
THEMES = {theme.name: theme for theme in (LIGHT, DARK, PRINT)}


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How a graph is rendered.

    `size` is in pixels at scale 1 (None: the usual size of the kind). `scale` multiplies the resolution for print: text
    and lines grow with it.
    """

    size: tuple[int, int] | None = None
    scale: float = 1.0
    theme: Theme = LIGHT
    format: Form = "png"
