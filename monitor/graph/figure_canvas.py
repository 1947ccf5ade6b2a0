"""The canvas on top of a matplotlib figure; fonts, and saving as a file.

Knows nothing of speed tests. The only importer of matplotlib, whose axes are not used: they bring ticks and frames,
which cost time and would be hidden. Texts are drawn only with glyphs that a font has. The same drawing gives the same
bytes, whatever a matplotlibrc says.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2D, Bbox, TransformedBbox

from monitor.graph.canvas import Canvas, PlotArea, outline_of, to_one_line
from monitor.graph.theme import DEFAULT_SIZE, LIGHT, PAPER, TextStyle, ink_on, shade_color

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.artist import Artist

    from monitor.graph.canvas import Corners, Dash, Place, Point
    from monitor.graph.theme import FileFormat, RenderOptions, Shade, Theme

DOTS_PER_INCH = 100
POINTS_PER_PIXEL = 72 / DOTS_PER_INCH
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


def render_canvas(draw: Callable[[FigureCanvas], None], options: RenderOptions, title: str) -> bytes:
    """Return what `draw` puts on a canvas as a file; a PDF or SVG is as large as the PNG is on a screen."""
    settings = {key: value for key, value in mpl.rcParamsDefault.items() if key not in KEPT_SETTINGS}
    with mpl.rc_context():
        mpl.rcParams.update(settings | MATPLOTLIB_SETTINGS)
        canvas = FigureCanvas(*(options.size or DEFAULT_SIZE), options.scale, options.theme)
        draw(canvas)
        return canvas.file(title, options.format)


class FigureCanvas(Canvas):
    """Draws on a matplotlib figure, in the colours of a theme."""

    def __init__(self, width: int, height: int, scale: float, theme: Theme = LIGHT) -> None:
        super().__init__(width, height)
        self.figure = Figure(figsize=(width / DOTS_PER_INCH, height / DOTS_PER_INCH), dpi=DOTS_PER_INCH * scale)
        self.figure.set_facecolor(theme.paper)
        self.theme = theme
        FigureCanvasAgg(self.figure)
        renderer: Any = RendererAgg  # matplotlib gives it no types
        self._renderer = renderer(width, height, DOTS_PER_INCH)

    def to_drawable(self, text: str) -> str:
        """Return a text that draws without a warning."""
        return to_drawable(text)

    def text_on(self, at: Point, text: str, shade: Shade, size: float) -> None:
        """Write a short text on a tile."""
        self._write(at, text, TextStyle(size, ink_on(shade_color(self.theme, shade)), align="center"))

    def rules(self, lines: Sequence[tuple[Point, Point]], color: str, dash: Dash = "-") -> None:
        """Draw straight lines, one pixel wide."""
        inside = [[(x / self.width, 1 - y / self.height) for x, y in line] for line in lines]
        ink, transform = self.theme.ink(color), self.figure.transFigure
        drawn = LineCollection(
            inside, colors=ink, linewidths=POINTS_PER_PIXEL, linestyles=dash, transform=transform, zorder=5
        )
        self.figure.add_artist(drawn)

    def area(self, place: Place, across: Point, up: Point) -> FigureArea:
        """Return a plot area at (left, top, width, height) with the ranges `across` (x) and `up` (y) of its data."""
        return FigureArea(self, place, across, up)

    def file(self, title: str, form: FileFormat = "png") -> bytes:
        """Return the canvas as a file; the same canvas gives the same bytes."""
        written = BytesIO()
        # Level 3 takes half the time of the default 6, and the files are no larger.
        more: Any = {"pil_kwargs": {"compress_level": 3}} if form == "png" else {}
        self.figure.savefig(written, format=form, metadata=FILE_METADATA[form] | {"Title": to_drawable(title)}, **more)
        return written.getvalue()

    def _write(self, at: Point, text: str, text_style: TextStyle) -> None:
        x, y = at[0] / self.width, 1 - at[1] / self.height
        font = _font_properties(text_style.size, text_style.bold)
        self.figure.text(
            x, y, text, fontproperties=font, color=self.theme.ink(text_style.color), ha=text_style.align, va="baseline"
        )

    def _measure(self, text: str, text_style: TextStyle) -> float:
        font = _font_properties(text_style.size, text_style.bold)
        width, _, _ = self._renderer.get_text_width_height_descent(text, font, ismath=False)
        return float(width)


class FigureArea(PlotArea):
    """A plot area on a figure."""

    def __init__(self, canvas: FigureCanvas, place: Place, across: Point, up: Point) -> None:
        left, top, width, height = place
        bottom = canvas.height - top - height
        to_figure = Affine2D().scale(1 / canvas.width, 1 / canvas.height)
        box = Bbox.from_bounds(left, bottom, width, height).transformed(to_figure)
        per_unit = box.width / (across[1] - across[0]), box.height / (up[1] - up[0])
        to_box = Affine2D().translate(-across[0], -up[0]).scale(*per_unit)
        self.figure = canvas.figure
        self._theme, self._ink = canvas.theme, canvas.theme.ink
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

    def tiles(self, corners: Iterable[Corners], shades: Sequence[Shade]) -> None:
        """Fill each rectangle with a shade of its own."""
        inks = [shade_color(self._theme, shade) for shade in shades]
        self._add(PolyCollection([outline_of(one) for one in corners], facecolors=inks, linewidths=0, zorder=2))

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
    line = to_one_line(text)
    return line if line.isascii() else "".join(char if _is_drawable(char) else MISSING_GLYPH for char in line)


@lru_cache(maxsize=4096)
def _is_drawable(char: str) -> bool:
    in_default = all(_has_glyph(DEFAULT_FONT, weight, char) for weight in ("normal", "bold"))
    return in_default or any(_has_glyph(family, "normal", char) for family in font_families()[1:])


def _has_glyph(family: str, weight: str, char: str) -> bool:
    font = get_font(findfont(FontProperties(family=family, weight=weight)))
    return font.get_char_index(ord(char)) != 0
