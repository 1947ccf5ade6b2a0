"""A canvas measured in pixels from its top left corner, on top of a matplotlib figure; fonts, and saving as a file.

Knows nothing of speed tests. The only importer of matplotlib, whose axes are not used: they bring ticks and frames,
which cost time and would be hidden. Texts may come from the network: they are made drawable, in one line, without
control characters and only with glyphs that a font has. The same drawing gives the same bytes, whatever a matplotlibrc
says.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2D, Bbox, TransformedBbox

from monitor.graph.theme import ASIDE_STYLE, DEFAULT_SIZE, HEADING_STYLE, LIGHT, PAPER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.artist import Artist

    from monitor.graph.theme import FileFormat, RenderOptions, TextStyle, Theme

    Point = tuple[float, float]
    # Left, top, right and bottom, in the units of the plot area.
    Corners = tuple[float, float, float, float]

Dash = Literal["-", "--", ":", "-."]

DOTS_PER_INCH = 100
POINTS_PER_PIXEL = 72 / DOTS_PER_INCH
ELLIPSIS = "…"
# Between a heading and its unit.
HEADING_GAP = 6

DEFAULT_FONT = "DejaVu Sans"
MISSING_GLYPH = "\N{WHITE SQUARE}"

# Tried in this order for characters that matplotlib's own font lacks, such as Chinese.
FALLBACK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "FreeSans",
    "Unifont",
)

# Control, format (such as changes of direction), surrogate and private characters.
UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})

# Set for each graph, so that no matplotlibrc changes it. Names from the network must never be parsed as formulas.
MATPLOTLIB_SETTINGS: dict[Any, Any] = {
    "font.family": [DEFAULT_FONT],
    "text.parse_math": False,
    "text.usetex": False,
    "text.hinting": "no_autohint",
    "svg.hashsalt": "speedmon",
    "pdf.fonttype": 42,
}
# These stay as they are in the process.
KEPT_SETTINGS = frozenset({"backend", "interactive", "timezone"})

# No date, so that the same canvas gives the same bytes; None removes what matplotlib writes about itself.
FILE_METADATA: dict[FileFormat, dict[str, str | None]] = {
    "png": {"Software": "speedmon"},
    "svg": {"Creator": "speedmon", "Date": None},
    "pdf": {"Creator": "speedmon", "Producer": None, "CreationDate": None},
}


def render_canvas(draw: Callable[[Canvas], None], options: RenderOptions, title: str) -> bytes:
    """Return what `draw` puts on a canvas as a file; a PDF or SVG is as large as the PNG is on a screen."""
    settings = {key: value for key, value in mpl.rcParamsDefault.items() if key not in KEPT_SETTINGS}
    with mpl.rc_context():
        mpl.rcParams.update(settings | MATPLOTLIB_SETTINGS)
        canvas = Canvas(*(options.size or DEFAULT_SIZE), options.scale, options.theme)
        draw(canvas)
        return canvas.file(title, options.format)


class Box(NamedTuple):
    """Left and top edge, width and height."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The x of the right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The y of the bottom edge."""
        return self.top + self.height


class Canvas:
    """Draws text, rules and plot areas; every length is in pixels at scale 1."""

    def __init__(self, width: int, height: int, scale: float, theme: Theme = LIGHT) -> None:
        self.width = width
        self.height = height
        self.figure = Figure(figsize=(width / DOTS_PER_INCH, height / DOTS_PER_INCH), dpi=DOTS_PER_INCH * scale)
        self.figure.set_facecolor(theme.paper)
        self.theme = theme
        FigureCanvasAgg(self.figure)
        renderer: Any = RendererAgg  # matplotlib gives it no types
        self._renderer = renderer(width, height, DOTS_PER_INCH)

    def text(self, at: Point, text: str, text_style: TextStyle, room: float | None = None) -> str:
        """Write one line at (x, y), shortened with an ellipsis to fit `room`; return the text as written."""
        text = self._cut(to_drawable(text), text_style, room)
        if not text:
            return text
        x, y = at[0] / self.width, 1 - at[1] / self.height
        font = _font_properties(text_style.size, text_style.bold)
        self.figure.text(
            x, y, text, fontproperties=font, color=self.theme.ink(text_style.color), ha=text_style.align, va="baseline"
        )
        return text

    def wrap(self, parts: Sequence[str], between: str, text_style: TextStyle, room: float) -> list[str]:
        """Join parts into lines, each with as many as fit into `room`."""
        lines: list[str] = []
        for part in filter(None, parts):
            longer = lines[-1] + between + part if lines else part
            if lines and self.width_of(longer, text_style) <= room:
                lines[-1] = longer
            else:
                lines.append(part)
        return lines

    def width_of(self, text: str, text_style: TextStyle) -> float:
        """Return the width of a text in pixels."""
        return self._measure(to_drawable(text), text_style)

    def heading(self, at: Point, text: str, unit: str = "") -> float:
        """Write a heading with its unit beside it; return the x at which both end."""
        self.text(at, text, HEADING_STYLE)
        x = at[0] + self.width_of(text, HEADING_STYLE) + HEADING_GAP
        self.text((x, at[1]), unit, ASIDE_STYLE)
        return x + self.width_of(unit, ASIDE_STYLE)

    def rules(self, lines: Sequence[tuple[Point, Point]], color: str, dash: Dash = "-") -> None:
        """Draw straight lines, one pixel wide."""
        inside = [[(x / self.width, 1 - y / self.height) for x, y in line] for line in lines]
        ink, transform = self.theme.ink(color), self.figure.transFigure
        drawn = LineCollection(
            inside, colors=ink, linewidths=POINTS_PER_PIXEL, linestyles=dash, transform=transform, zorder=5
        )
        self.figure.add_artist(drawn)

    def area(self, place: tuple[float, float, float, float], across: Point, up: Point) -> PlotArea:
        """Return a plot area at (left, top, width, height) with the ranges `across` (x) and `up` (y) of its data."""
        return PlotArea(self, place, across, up)

    def file(self, title: str, form: FileFormat = "png") -> bytes:
        """Return the canvas as a file; the same canvas gives the same bytes."""
        written = BytesIO()
        # Level 3 takes half the time of the default 6, and the files are no larger.
        more: Any = {"pil_kwargs": {"compress_level": 3}} if form == "png" else {}
        self.figure.savefig(written, format=form, metadata=FILE_METADATA[form] | {"Title": to_drawable(title)}, **more)
        return written.getvalue()

    def _cut(self, text: str, text_style: TextStyle, room: float | None) -> str:
        # Hardly any glyph is wider than the font size, so a short enough text need not be measured.
        if room is None or len(text) * text_style.size <= room:
            return text
        width, start = self._measure(text, text_style), text
        while width > room and len(start) > 1:
            start = start[: min(len(start) - 1, int(len(start) * room / width))]
            text = start.rstrip() + ELLIPSIS
            width = self._measure(text, text_style)
        return text

    def _measure(self, text: str, text_style: TextStyle) -> float:
        font = _font_properties(text_style.size, text_style.bold)
        width, _, _ = self._renderer.get_text_width_height_descent(text, font, ismath=False)
        return float(width)


class PlotArea:
    """A box on a canvas with data coordinates of its own, to which drawing is clipped."""

    def __init__(self, canvas: Canvas, place: tuple[float, float, float, float], across: Point, up: Point) -> None:
        left, top, width, height = place
        bottom = canvas.height - top - height
        to_figure = Affine2D().scale(1 / canvas.width, 1 / canvas.height)
        box = Bbox.from_bounds(left, bottom, width, height).transformed(to_figure)
        per_unit = box.width / (across[1] - across[0]), box.height / (up[1] - up[0])
        to_box = Affine2D().translate(-across[0], -up[0]).scale(*per_unit)
        self.figure = canvas.figure
        self._ink = canvas.theme.ink
        self.transform = to_box.translate(box.x0, box.y0) + canvas.figure.transFigure
        self._clip = TransformedBbox(box, canvas.figure.transFigure)
        self.artists: list[Artist] = []

    def lines(
        self, joined: Sequence[Sequence[Point]], color: str, pixels: float, zorder: float, dash: Dash = "-"
    ) -> None:
        """Draw polylines."""
        ink, width = self._ink(color), pixels * POINTS_PER_PIXEL
        self._add(LineCollection(joined, colors=ink, linewidths=width, linestyles=dash, zorder=zorder))

    def shapes(self, outlines: Sequence[Sequence[Point]], color: str, edge: float, alpha: float, zorder: float) -> None:
        """Fill outlines; an edge of `edge` pixels keeps shapes visible that are narrower than one."""
        self._add(
            PolyCollection(
                outlines, color=self._ink(color), alpha=alpha, linewidths=edge * POINTS_PER_PIXEL, zorder=zorder
            )
        )

    def rectangles(self, corners: Iterable[Corners], color: str, edge: float, alpha: float, zorder: float) -> None:
        """Fill rectangles, like `shapes`."""
        self.shapes(list(map(_outline, corners)), color, edge, alpha, zorder)

    def tiles(self, corners: Iterable[Corners], inks: Sequence[str]) -> None:
        """Fill each rectangle with a colour of its own, the same in every theme."""
        self._add(PolyCollection(list(map(_outline, corners)), facecolors=list(inks), linewidths=0, zorder=2))

    def marks(self, points: Sequence[Point], marker: str, color: str, pixels: float, *, hollow: bool = False) -> None:
        """Draw a mark at each point; at the border of the area it is not clipped."""
        if points:
            xs, ys = zip(*points, strict=True)
            ink, size = self._ink(color), pixels * POINTS_PER_PIXEL
            mark = Line2D(xs, ys, linestyle="none", marker=marker, color=ink, markersize=size, zorder=4)
            mark.set_markeredgewidth(POINTS_PER_PIXEL if hollow else 0)
            mark.set_markerfacecolor(self._ink(PAPER) if hollow else ink)
            self._add(mark)
            mark.set_clip_on(False)

    def _add(self, artist: Artist) -> None:
        artist.set_transform(self.transform)
        self.figure.add_artist(artist, clip=False)
        artist.set_clip_box(self._clip)
        self.artists.append(artist)


def _outline(corners: Corners) -> list[Point]:
    left, top, right, bottom = corners
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def ramp_color(theme: Theme, share: float) -> str:
    """Return the colour of a value between 0 (calm) and 1 (strong) on the ramp of a theme; others are clipped."""
    place = min(max(share, 0.0), 1.0) * (len(theme.ramp) - 1)
    first = min(int(place), len(theme.ramp) - 2)
    return blend_colors(theme.ramp[first], theme.ramp[first + 1], place - first)


def blend_colors(first: str, second: str, share: float) -> str:
    """Return the colour that is `share` of the way from the first to the second."""
    red, green, blue = (one + (other - one) * share for one, other in zip(to_rgb(first), to_rgb(second), strict=True))
    return to_hex((red, green, blue))


def font_file(*, bold: bool = False) -> Path:
    """Return the TrueType file of the font that matplotlib brings along."""
    return Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")


@lru_cache(maxsize=64)
def _font_properties(size: float, bold: bool) -> FontProperties:
    return FontProperties(family=font_families(), size=size * POINTS_PER_PIXEL, weight="bold" if bold else "normal")


@lru_cache(maxsize=1)
def font_families() -> tuple[str, ...]:
    """Return the fonts to draw with: matplotlib's own, then the installed fallbacks."""
    installed = {font.name for font in fontManager.ttflist}
    return (DEFAULT_FONT, *(name for name in FALLBACK_FONTS if name in installed))


def to_drawable(text: str) -> str:
    """Return a text that draws without a warning: characters that no installed font has become white squares."""
    printed = "".join(" " if unicodedata.category(char) in UNPRINTABLE else char for char in text).split()
    line = " ".join(printed)
    return line if line.isascii() else "".join(char if _is_drawable(char) else MISSING_GLYPH for char in line)


@lru_cache(maxsize=4096)
def _is_drawable(char: str) -> bool:
    in_default = all(_has_glyph(DEFAULT_FONT, weight, char) for weight in ("normal", "bold"))
    return in_default or any(_has_glyph(family, "normal", char) for family in font_families()[1:])


def _has_glyph(family: str, weight: str, char: str) -> bool:
    font = get_font(findfont(FontProperties(family=family, weight=weight)))
    return font.get_char_index(ord(char)) != 0
