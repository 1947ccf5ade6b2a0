"""Colours, sizes, themes and file formats. Data only.

Themes: light (the colours of `style`), dark for screens, print in black and grey.

Everything is drawn in the colours of the light theme; the canvas translates each of them. Data only.

Colours, sizes and distances of graphs. Data only; lengths are in pixels at scale 1.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), distinguishable with any colour vision. No
meaning depends on colour alone: each panel, row and line is labelled.

File formats of graphs. Imports nothing heavy: the command line lists them in its help.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Literal, get_args

from monitor.analysis.metrics import Metric
from monitor.model import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping


PLAN = "#3c4043"

METRIC_COLORS = {Metric.DOWNLOAD: "#0072b2", Metric.UPLOAD: "#009e73", Metric.LATENCY: "#8e4b8e"}

MUTED = "#5f6368"

INK = "#1a1a1a"

FINE_GRID = "#f1f2f3"

GRID = "#e4e6e8"

PAPER = "white"

OTHER_SERIES = ("#1a1a1a", "#a06000", "#56b4e9")

AXIS = "#9aa0a6"

FAILURE_SPAN = "#f9dccd"

SCOPE_COLORS = {
    Scope.LINE: "#d55e00",
    Scope.PROVIDER: "#b8860b",
    Scope.CONFIG: "#3c78b4",
    Scope.LOCAL: "#56a0a0",
    Scope.UNKNOWN: "#5f6368",
}

_DARK = {
    PAPER: "#16181b",
    INK: "#e8eaed",
    MUTED: "#a3a9b0",
    GRID: "#33373c",
    FINE_GRID: "#26292d",
    AXIS: "#6b7178",
    PLAN: "#c4c7cb",
    FAILURE_SPAN: "#5a2f1f",
    OTHER_SERIES[1]: "#e69f00",
    METRIC_COLORS[Metric.DOWNLOAD]: "#56b4e9",
    METRIC_COLORS[Metric.UPLOAD]: "#2fc79c",
    METRIC_COLORS[Metric.LATENCY]: "#cc79a7",
    SCOPE_COLORS[Scope.LINE]: "#ff7f2a",
    SCOPE_COLORS[Scope.PROVIDER]: "#e6b422",
    SCOPE_COLORS[Scope.CONFIG]: "#7fb0e0",
    SCOPE_COLORS[Scope.LOCAL]: "#7cc8c8",
}

_BLACK = (INK, PLAN, *METRIC_COLORS.values(), *OTHER_SERIES, *SCOPE_COLORS.values())

_PRINT = dict.fromkeys(_BLACK, "#000000") | {
    MUTED: "#333333",
    GRID: "#d0d0d0",
    FINE_GRID: "#e4e4e4",
    AXIS: "#555555",
    FAILURE_SPAN: "#d2d2d2",
}


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


DARK = Theme("dark", _DARK[PAPER], "cividis", _DARK)

PRINT = Theme("print", PAPER, "gray", _PRINT)

LIGHT = Theme("light", PAPER, "cividis")

THEMES = {theme.name: theme for theme in (LIGHT, DARK, PRINT)}

ENVELOPE_ALPHA = 0.28

# A mark of its own for each scope, so that nothing depends on colour alone.
SCOPE_MARKS = {Scope.LINE: "s", Scope.PROVIDER: "^", Scope.CONFIG: "D", Scope.LOCAL: "o", Scope.UNKNOWN: "X"}

DASHES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")

DEFAULT_SIZE = (1200, 860)

MIN_SIZE = (600, 840)

LEFT_MARGIN = 112

RIGHT_MARGIN = 84

MARGIN = 24

TITLE_SIZE = 21

BIG_SIZE = 27

TEXT_SIZE = 13

SMALL_SIZE = 12

TITLE_Y = 36

LINE_HEIGHT = 20

TILE_HEIGHT = 100

NARROW_WIDTH = 900

MARK_ROW_HEIGHT = 15

MARK_ROWS_TITLE_HEIGHT = 20

PANEL_TITLE_HEIGHT = 30

AXIS_LABELS_HEIGHT = 46

FOOTER_LINE_HEIGHT = 14

PANEL_SHARES = {Metric.DOWNLOAD: 1.25, Metric.UPLOAD: 1.0, Metric.LATENCY: 1.0}

TICK_PIXELS = 62

FileFormat = Literal["png", "svg", "pdf"]

FILE_FORMATS: Final[tuple[FileFormat, ...]] = get_args(FileFormat)


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How a graph is rendered.

    `size` is in pixels at scale 1 (None: the usual size of the kind). `scale` multiplies the resolution for print: text
    and lines grow with it.
    """

    size: tuple[int, int] | None = None
    scale: float = 1.0
    theme: Theme = LIGHT
    format: FileFormat = "png"


METRIC_COLORS |= dict.fromkeys((Metric.DOWNLOAD_LATENCY, Metric.UPLOAD_LATENCY), METRIC_COLORS[Metric.LATENCY])


def format_of_name(name: str) -> FileFormat | None:
    """Return the format by the extension of a file name: PNG without one, None for one that is not supported."""
    ending = PurePath(name).suffix.lower()
    return next((form for form in FILE_FORMATS if ending == f".{form}"), None if ending else "png")
