"""A canvas measured in pixels from its top left corner, on top of a matplotlib figure. Knows nothing of speed tests.

Data goes into plot areas of our own: matplotlib's axes bring ticks and frames, which cost time and would be hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.transforms import Affine2D, Bbox, TransformedBbox

from monitor.graph.font import families, printable
from monitor.graph.style import INK, PAPER
from monitor.graph.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist

    from monitor.graph.forms import Form
    from monitor.graph.theme import Theme

    Point = tuple[float, float]

DOTS_PER_INCH = 100
POINTS_PER_INCH = 72
POINTS = POINTS_PER_INCH / DOTS_PER_INCH
ELLIPSIS = "…"
# No date, so that the same canvas gives the same bytes; None removes what matplotlib writes about itself.
METADATA: dict[Form, dict[str, str | None]] = {
    "png": {"Software": "speedmon"},
    "svg": {"Creator": "speedmon", "Date": None},
    "pdf": {"Creator": "speedmon", "Producer": None, "CreationDate": None},
}
Dash = Literal["-", "--", ":", "-."]


@dataclass(frozen=True, slots=True)
class Pen:
    """Size in pixels, colour, weight and alignment of a text."""

    size: float
    color: str = INK
    bold: bool = False
    align: Literal["left", "center", "right"] = "left"


@lru_cache(maxsize=64)
def _font(size: float, bold: bool) -> FontProperties:
    return FontProperties(family=families(), size=size * POINTS, weight="bold" if bold else "normal")


class Sheet:
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

    def text(self, at: Point, text: str, text_style: Pen, room: float | None = None) -> str:
        """Write one line at (x, y), shortened with an ellipsis to fit `room`; return the text as written."""
        text = self._cut(printable(text), text_style, room)
        if not text:
            return text
        x, y = at[0] / self.width, 1 - at[1] / self.height
        font = _font(text_style.size, text_style.bold)
        self.figure.text(
            x, y, text, fontproperties=font, color=self.theme.ink(text_style.color), ha=text_style.align, va="baseline"
        )
        return text

    def wrap(self, parts: Sequence[str], between: str, text_style: Pen, room: float) -> list[str]:
        """Join parts into lines, each with as many as fit into `room`."""
        lines: list[str] = []
        for part in filter(None, parts):
            longer = lines[-1] + between + part if lines else part
            if lines and self.width_of(longer, text_style) <= room:
                lines[-1] = longer
            else:
                lines.append(part)
        return lines

    def width_of(self, text: str, text_style: Pen) -> float:
        """Return the width of a text in pixels."""
        return self._measure(printable(text), text_style)

    def rules(self, lines: Sequence[tuple[Point, Point]], color: str, dash: Dash = "-") -> None:
        """Draw straight lines, one pixel wide."""
        inside = [[(x / self.width, 1 - y / self.height) for x, y in line] for line in lines]
        ink, transform = self.theme.ink(color), self.figure.transFigure
        drawn = LineCollection(inside, colors=ink, linewidths=POINTS, linestyles=dash, transform=transform, zorder=5)
        self.figure.add_artist(drawn)

    def area(self, place: tuple[float, float, float, float], across: Point, up: Point) -> Area:
        """Return a plot area at (left, top, width, height) with the ranges `across` (x) and `up` (y) of its data."""
        return Area(self, place, across, up)

    def file(self, title: str, form: Form = "png") -> bytes:
        """Return the canvas as a file; the same canvas gives the same bytes."""
        written = BytesIO()
        # Level 3 takes half the time of the default 6, and the files are no larger.
        more: Any = {"pil_kwargs": {"compress_level": 3}} if form == "png" else {}
        self.figure.savefig(written, format=form, metadata=METADATA[form] | {"Title": printable(title)}, **more)
        return written.getvalue()

    def _cut(self, text: str, text_style: Pen, room: float | None) -> str:
        # Hardly any glyph is wider than the font size, so a short enough text need not be measured.
        if room is None or len(text) * text_style.size <= room:
            return text
        width, start = self._measure(text, text_style), text
        while width > room and len(start) > 1:
            start = start[: min(len(start) - 1, int(len(start) * room / width))]
            text = start.rstrip() + ELLIPSIS
            width = self._measure(text, text_style)
        return text

    def _measure(self, text: str, text_style: Pen) -> float:
        font = _font(text_style.size, text_style.bold)
        width, _, _ = self._renderer.get_text_width_height_descent(text, font, ismath=False)
        return float(width)


class Area:
    """A box on a canvas with data coordinates of its own, to which drawing is clipped."""

    def __init__(self, canvas: Sheet, place: tuple[float, float, float, float], across: Point, up: Point) -> None:
        left, top, width, height = place
        bottom = canvas.height - top - height
        to_sheet = Affine2D().scale(1 / canvas.width, 1 / canvas.height)
        box = Bbox.from_bounds(left, bottom, width, height).transformed(to_sheet)
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
        ink, width = self._ink(color), pixels * POINTS
        self._add(LineCollection(joined, colors=ink, linewidths=width, linestyles=dash, zorder=zorder))

    def shapes(self, outlines: Sequence[Sequence[Point]], color: str, edge: float, alpha: float, zorder: float) -> None:
        """Fill outlines; an edge of `edge` pixels keeps shapes visible that are narrower than one."""
        self._add(
            PolyCollection(outlines, color=self._ink(color), alpha=alpha, linewidths=edge * POINTS, zorder=zorder)
        )

    def tiles(self, outlines: Sequence[Sequence[Point]], inks: Sequence[str]) -> None:
        """Fill each outline with a colour of its own, the same in every theme."""
        self._add(PolyCollection(outlines, facecolors=list(inks), linewidths=0, zorder=2))

    def marks(self, points: Sequence[Point], marker: str, color: str, pixels: float, *, hollow: bool = False) -> None:
        """Draw a mark at each point; at the border of the area it is not clipped."""
        if points:
            xs, ys = zip(*points, strict=True)
            ink, size = self._ink(color), pixels * POINTS
            mark = Line2D(xs, ys, linestyle="none", marker=marker, color=ink, markersize=size, zorder=4)
            mark.set_markeredgewidth(POINTS if hollow else 0)
            mark.set_markerfacecolor(self._ink(PAPER) if hollow else ink)
            self._add(mark)
            mark.set_clip_on(False)

    def _add(self, artist: Artist) -> None:
        artist.set_transform(self.transform)
        self.figure.add_artist(artist, clip=False)
        artist.set_clip_box(self._clip)
        self.artists.append(artist)
