"""The classes of an SVG and their rules, for light and dark screens and for paper. Pure and light."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from monitor.analysis.metrics import Metric
from monitor.graph import theme
from monitor.graph.theme import Shade, ink_on, shade_color

if TYPE_CHECKING:
    from monitor.graph.theme import Theme

COLOR_CLASSES = {
    **{color: f"scope-{scope}" for scope, color in theme.SCOPE_COLORS.items()},
    theme.OTHER_SERIES[1]: "third",
    theme.OTHER_SERIES[2]: "fourth",
    theme.METRIC_COLORS[Metric.DOWNLOAD]: "download",
    theme.METRIC_COLORS[Metric.UPLOAD]: "upload",
    theme.METRIC_COLORS[Metric.LATENCY]: "latency",
    theme.PAPER: "paper",
    theme.INK: "ink",
    theme.MUTED: "muted",
    theme.GRID: "grid",
    theme.FINE_GRID: "fine",
    theme.AXIS: "axis",
    theme.PLAN: "plan",
    theme.FAILURE_SPAN: "span",
}

# The strength of a shade is one of so many steps.
SHADE_STEPS = 20
SCALES = ("hours", "failures")

TEXT_SIZES = (11, 12, 13, 17, 21, 27)

SHAPES = """\
.chart{display:block;font-family:system-ui,sans-serif}
.chart text{fill:currentColor}
.chart .l{fill:none;stroke:currentColor;stroke-linejoin:round}
.chart .f{fill:currentColor}
.chart .edge{stroke:currentColor}
.chart .hollow{stroke:currentColor}
.chart .round{stroke-linecap:round}
.chart .dashed{stroke-dasharray:5 3}
.chart .dotted{stroke-dasharray:1 2}
.chart .mixed{stroke-dasharray:6 2 1 2}
.chart .middle{text-anchor:middle}
.chart .end{text-anchor:end}
.chart .bold{font-weight:bold}
"""


def color_class(color: str) -> str:
    """Return the class that stands for a colour of the light theme."""
    return COLOR_CLASSES[color]


def shade_class(shade: Shade) -> str:
    """Return the class of a shade."""
    return f"{shade.scale}-{round(min(max(shade.strength, 0.0), 1.0) * SHADE_STEPS)}"


@cache
def chart_stylesheet() -> str:
    """Return the stylesheet of all charts."""
    sizes = "".join(f".chart .t{size}{{font-size:{size}px}}\n" for size in TEXT_SIZES)
    return (
        f"{SHAPES}{sizes}{_theme_rules(theme.LIGHT)}"
        f"@media (prefers-color-scheme:dark){{\n{_theme_rules(theme.DARK)}}}\n"
        f"@media print{{\n{_theme_rules(theme.PRINT)}}}\n"
    )


def _theme_rules(one: Theme) -> str:
    inks = {**{color: one.ink(color) for color in COLOR_CLASSES}, theme.PAPER: one.paper}
    colors = "".join(f".chart .{name},.key .{name}{{color:{inks[color]}}}\n" for color, name in COLOR_CLASSES.items())
    shades = [Shade(scale, step / SHADE_STEPS) for scale in SCALES for step in range(SHADE_STEPS + 1)]  # type: ignore[arg-type]
    tiles = "".join(
        f".chart .{shade_class(shade)}{{color:{color}}}\n.chart .on-{shade_class(shade)}{{color:{ink_on(color)}}}\n"
        for shade, color in ((shade, shade_color(one, shade)) for shade in shades)
    )
    return f"{colors}.chart .hollow{{fill:{one.paper}}}\n{tiles}"
