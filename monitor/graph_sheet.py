"""A sheet of paper measured in pixels from its top left corner, over a matplotlib figure. Knows no speed test."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from monitor.graph_font import families, printable
from monitor.graph_style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 100
POINTS_PER_INCH = 72
POINTS = POINTS_PER_INCH / DOTS_PER_INCH
ELLIPSIS = "…"
Dash = Literal["-", "--", ":"]


@dataclass(frozen=True, slots=True)
class Pen:
    """How a line of text is written; the size is in pixels."""

    size: float
    color: str = INK
    bold: bool = False
    align: Literal["left", "center", "right"] = "left"

    @property
    def font(self) -> FontProperties:
        """The font, with what it falls back to."""
        weight = "bold" if self.bold else "normal"
        return FontProperties(family=families(), size=self.size * POINTS, weight=weight)


class Sheet:
    """Places text and axes; every length is in pixels of a picture at scale 1."""

    def __init__(self, width: int, height: int, scale: float) -> None:
        self.width = width
        self.height = height
        self.figure = Figure(figsize=(width / DOTS_PER_INCH, height / DOTS_PER_INCH), dpi=DOTS_PER_INCH * scale)
        self.figure.set_facecolor("white")
        renderer: Any = RendererAgg  # matplotlib gives it no types
        self._renderer = renderer(width, height, DOTS_PER_INCH)

    def text(self, at: tuple[float, float], words: str, pen: Pen, room: float | None = None) -> float:
        """Write one line on the base line at (x, y) and return its width; cut with an ellipsis where `room` ends."""
        words, width = self._cut(printable(words), pen.font, room)
        x, y = at[0] / self.width, 1 - at[1] / self.height
        self.figure.text(x, y, words, fontproperties=pen.font, color=pen.color, ha=pen.align, va="baseline")
        return width

    def width_of(self, words: str, pen: Pen) -> float:
        """Return how wide a line would be."""
        return self._measure(printable(words), pen.font)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return bare axes: no frame, no ticks; the caller draws what it wants to be seen."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(box)
        axes.set_facecolor("none")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        return axes

    def rule(self, start: tuple[float, float], end: tuple[float, float], color: str, dash: Dash = "-") -> None:
        """Draw a straight line, one pixel wide."""
        xs, ys = zip(start, end, strict=True)
        across, up = [x / self.width for x in xs], [1 - y / self.height for y in ys]
        self.figure.add_artist(Line2D(across, up, color=color, linewidth=POINTS, linestyle=dash))

    def png(self, title: str) -> bytes:
        """Return the picture; the same sheet gives the same bytes."""
        file = BytesIO()
        metadata = {"Software": "speedmon", "Title": printable(title)}
        self.figure.savefig(file, format="png", metadata=metadata)
        return file.getvalue()

    def _cut(self, words: str, font: FontProperties, room: float | None) -> tuple[str, float]:
        width, kept = self._measure(words, font), words
        while room is not None and width > room and len(kept) > 1:
            kept = kept[: min(len(kept) - 1, int(len(kept) * room / width))]
            words = kept.rstrip() + ELLIPSIS
            width = self._measure(words, font)
        return words, width

    def _measure(self, words: str, font: FontProperties) -> float:
        width, _, _ = self._renderer.get_text_width_height_descent(words, font, ismath=False)
        return float(width)
