"""Colours, text styles, sizes, themes and file formats. Data only; lengths are in pixels at scale 1.

Everything is drawn in the colours of the light theme, and the canvas replaces each with that of the theme in use. The
colours are those of Okabe and Ito, "Color Universal Design" (2008), distinguishable with any colour vision. No meaning
depends on colour alone: each panel, row and line is labelled. Imports nothing heavy: the command line reads its tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

from monitor.analysis.metrics import Metric
from monitor.model import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping


# Colours of the light theme.
PAPER = "white"
INK = "#1a1a1a"
MUTED = "#5f6368"
GRID = "#e4e6e8"
FINE_GRID = "#f1f2f3"
AXIS = "#9aa0a6"
PLAN = "#3c4043"
FAILURE_SPAN = "#f9dccd"
# Of the second and further lines of a panel; the first has the colour of its metric.
OTHER_SERIES = ("#1a1a1a", "#a06000", "#56b4e9")
METRIC_COLORS = {
    Metric.DOWNLOAD: "#0072b2",
    Metric.UPLOAD: "#009e73",
    **dict.fromkeys((Metric.LATENCY, Metric.DOWNLOAD_LATENCY, Metric.UPLOAD_LATENCY), "#8e4b8e"),
}
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


# From this lightness on (ITU-R BT.601 luma, of 255), ink on a tile is dark.
BRIGHT = 127.5
ON_BRIGHT, ON_DARK = "#000000", "#ffffff"


@dataclass(frozen=True, slots=True)
class Theme:
    """Background, replacements of the light colours, and the colours of heat maps.

    `ramp` begins near the background, for what is well, and ends with the strongest colour, for what is missing most.
    Its lightness only rises or falls, so that it is read with any colour vision, and without colours.
    """

    name: str
    paper: str
    ramp: tuple[str, ...]
    inks: Mapping[str, str] = field(default_factory=dict)

    def ink(self, color: str) -> str:
        """Return the colour that replaces one of the light theme."""
        return self.inks.get(color, color)


LIGHT = Theme("light", PAPER, ("#eceef0", "#f8cfa4", "#ee9a4d", "#d55e00", "#6b2300"))
DARK = Theme("dark", _DARK[PAPER], ("#25282c", "#54381f", "#a35a17", "#f08a24", "#ffd49a"), _DARK)
PRINT = Theme("print", PAPER, ("#f0f0f0", "#000000"), _PRINT)
THEMES = {theme.name: theme for theme in (LIGHT, DARK, PRINT)}


class Shade(NamedTuple):
    """A colour of a heat map: how strong it is from 0 (calm) to 1 on a scale, that of hours or that of failures."""

    scale: Literal["hours", "failures"]
    strength: float


def shade_color(theme: Theme, shade: Shade) -> str:
    """Return the colour of a shade; a strength beyond the ends of the scale is that of the end."""
    strength = min(max(shade.strength, 0.0), 1.0)
    if shade.scale == "failures":
        return blend_colors(theme.ink(GRID), theme.ink(SCOPE_COLORS[Scope.LINE]), strength)
    place = strength * (len(theme.ramp) - 1)
    first = min(int(place), len(theme.ramp) - 2)
    return blend_colors(theme.ramp[first], theme.ramp[first + 1], place - first)


def blend_colors(first: str, second: str, share: float) -> str:
    """Return the colour that is `share` of the distance from the first to the second, each as #rrggbb."""
    pairs = zip(_channels(first), _channels(second), strict=True)
    return "#" + "".join(f"{round(one + (other - one) * share):02x}" for one, other in pairs)


def ink_on(color: str) -> str:
    """Return black or white, whichever can be read on a colour."""
    red, green, blue = _channels(color)
    return ON_BRIGHT if 0.299 * red + 0.587 * green + 0.114 * blue > BRIGHT else ON_DARK


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


# Lines of a panel differ in their dashes, scopes of failures in their marks, so that nothing depends on colour alone.
DASHES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")
SCOPE_MARKS = {Scope.LINE: "s", Scope.PROVIDER: "^", Scope.CONFIG: "D", Scope.LOCAL: "o", Scope.UNKNOWN: "X"}
ENVELOPE_ALPHA = 0.28

TITLE_SIZE, BIG_SIZE, TEXT_SIZE, SMALL_SIZE = 21, 27, 13, 12


@dataclass(frozen=True, slots=True)
class TextStyle:
    """Size in pixels, colour, weight and alignment of a text."""

    size: float
    color: str = INK
    bold: bool = False
    align: Literal["left", "center", "right"] = "left"


TITLE_STYLE = TextStyle(TITLE_SIZE, bold=True)
PHONE_TITLE_STYLE = TextStyle(17, bold=True)
HEADING_STYLE = TextStyle(TEXT_SIZE, bold=True)
# Beside a heading, such as its unit, and below the title.
ASIDE_STYLE = TextStyle(TEXT_SIZE, MUTED)
SMALL_STYLE = TextStyle(SMALL_SIZE)
NOTE_STYLE = TextStyle(SMALL_SIZE, MUTED)
PLAN_STYLE = TextStyle(SMALL_SIZE, PLAN)
# Left of a row, left of a y axis, below an x axis.
ROW_NAME_STYLE = TextStyle(SMALL_SIZE, align="right")
VALUE_LABEL_STYLE = TextStyle(SMALL_SIZE, MUTED, align="right")
TICK_STYLE = TextStyle(SMALL_SIZE, MUTED, align="center")
TIME_STYLE = TextStyle(SMALL_SIZE, align="center")
# In the middle of a plot without data.
EMPTY_STYLE = TextStyle(TEXT_SIZE, MUTED, align="center")

DEFAULT_SIZE = (1200, 860)
MIN_SIZE = (600, 840)
PHONE_SIZE = (390, 1000)
# On a canvas narrower than this the tiles of the header take two rows.
NARROW_WIDTH = 900

# A canvas narrower than this is one for a phone.
PHONE_WIDTH = 500

MARGIN, LEFT_MARGIN, RIGHT_MARGIN = 24, 112, 84
PHONE_MARGIN, PHONE_LEFT_MARGIN, PHONE_RIGHT_MARGIN = 8, 66, 60
TITLE_Y, LINE_HEIGHT, TILE_HEIGHT = 36, 20, 100
MARK_ROW_HEIGHT, MARK_ROWS_TITLE_HEIGHT = 15, 20
PANEL_TITLE_HEIGHT, AXIS_LABELS_HEIGHT, FOOTER_LINE_HEIGHT = 30, 46, 14

# A labelled tick of the time axis has at least so much room.
TICK_PIXELS = 62


def side_margins(width: float) -> tuple[int, int]:
    """Return how much room graphs over time leave on the left and on the right of a canvas of this width."""
    return (LEFT_MARGIN, RIGHT_MARGIN) if width >= PHONE_WIDTH else (PHONE_LEFT_MARGIN, PHONE_RIGHT_MARGIN)


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


def format_of_name(name: str) -> FileFormat | None:
    """Return the format by the extension of a file name: PNG without one, None for one that is not supported."""
    ending = PurePath(name).suffix.lower()
    return next((form for form in FILE_FORMATS if ending == f".{form}"), None if ending else "png")
