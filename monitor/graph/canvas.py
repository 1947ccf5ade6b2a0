"""A canvas measured in pixels from its top left corner: what a graph is painted on, whichever painter paints it.

A kind of graph calls these methods and knows no more. `monitor.graph.figure_canvas` paints with matplotlib, and
`monitor.graph.svg_canvas` writes SVG without it. Texts may come from the network: they are made drawable, in one line,
without control characters. Light: loads neither NumPy nor matplotlib.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from monitor.graph.theme import ASIDE_STYLE, HEADING_STYLE, MARGIN, PHONE_MARGIN, PHONE_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from monitor.graph.theme import Shade, TextStyle

    Point = tuple[float, float]
    # Left, top, right and bottom, in the units of the plot area.
    Corners = tuple[float, float, float, float]
    # Left, top, width and height, in pixels.
    Place = tuple[float, float, float, float]

Dash = Literal["-", "--", ":", "-."]

ELLIPSIS = "…"
# Between a heading and its unit.
HEADING_GAP = 6

# Control, format (such as changes of direction), surrogate and private characters.
UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


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


@dataclass(frozen=True, slots=True)
class ShownValue:
    """What was measured at a pixel of the time axis, as a reader sees it: when, the values by line, and failures.

    `values` has a text for each of the names of its `Readings`, empty where nothing was measured.
    """

    x: float
    when: str
    values: tuple[str, ...]
    failures: str = ""


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of a graph over time, oldest first: `box` holds its panels, `span` are its ends in epoch seconds.

    `names` are those of the lines with their units, `colors` theirs in the light theme.
    """

    box: Box
    span: tuple[float, float]
    names: tuple[str, ...]
    colors: tuple[str, ...]
    readings: tuple[ShownValue, ...]


class Canvas(ABC):
    """Draws text, rules and plot areas; every length is in pixels at scale 1."""

    # Whether readers can point at it: then graphs say what was measured where.
    is_alive = False

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.readings: list[Readings] = []

    @property
    def is_phone(self) -> bool:
        """Whether it is laid out for a phone."""
        return self.width < PHONE_WIDTH

    @property
    def margin(self) -> int:
        """The room at its left and right edges."""
        return PHONE_MARGIN if self.is_phone else MARGIN

    @abstractmethod
    def rules(self, lines: Sequence[tuple[Point, Point]], color: str, dash: Dash = "-") -> None:
        """Draw straight lines, one pixel wide."""

    @abstractmethod
    def area(self, place: Place, across: Point, up: Point) -> PlotArea:
        """Return a plot area at (left, top, width, height) with the ranges `across` (x) and `up` (y) of its data."""

    @abstractmethod
    def text_on(self, at: Point, text: str, shade: Shade, size: float) -> None:
        """Write a short text around (x, y) on a tile of a shade, in whichever of black and white can be read there."""

    @abstractmethod
    def to_drawable(self, text: str) -> str:
        """Return a text in one line, without characters that cannot be drawn."""

    @abstractmethod
    def _measure(self, text: str, text_style: TextStyle) -> float: ...

    @abstractmethod
    def _write(self, at: Point, text: str, text_style: TextStyle) -> None: ...

    def text(self, at: Point, text: str, text_style: TextStyle, room: float | None = None) -> str:
        """Write one line at (x, y), shortened with an ellipsis to fit `room`; return the text as written."""
        text = self._cut(self.to_drawable(text), text_style, room)
        if text:
            self._write(at, text, text_style)
        return text

    def wrap(self, parts: Sequence[str], between: str, text_style: TextStyle, room: float) -> list[str]:
        """Join parts into lines, each with as many as fit into `room`; a part that does not breaks between words."""
        lines: list[str] = []
        for part in filter(None, parts):
            longer = lines[-1] + between + part if lines else part
            if lines and self.width_of(longer, text_style) <= room:
                lines[-1] = longer
            else:
                lines.extend(self._wrap_words(part, text_style, room))
        return lines

    def width_of(self, text: str, text_style: TextStyle) -> float:
        """Return the width of a text in pixels."""
        return self._measure(self.to_drawable(text), text_style)

    def heading(self, at: Point, text: str, unit: str = "") -> float:
        """Write a heading with its unit beside it; return the x at which both end."""
        self.text(at, text, HEADING_STYLE)
        x = at[0] + self.width_of(text, HEADING_STYLE) + HEADING_GAP
        self.text((x, at[1]), unit, ASIDE_STYLE)
        return x + self.width_of(unit, ASIDE_STYLE)

    def _wrap_words(self, part: str, text_style: TextStyle, room: float) -> list[str]:
        # Hardly any glyph is wider than the font size, so a short enough text need not be measured.
        if len(part) * text_style.size <= room or self.width_of(part, text_style) <= room:
            return [part]
        lines = [""]
        for word in part.split():
            longer = f"{lines[-1]} {word}".lstrip()
            if not lines[-1] or self.width_of(longer, text_style) <= room:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def _cut(self, text: str, text_style: TextStyle, room: float | None) -> str:
        if room is None or len(text) * text_style.size <= room:
            return text
        width, start = self._measure(text, text_style), text
        while width > room and len(start) > 1:
            start = start[: min(len(start) - 1, int(len(start) * room / width))]
            text = start.rstrip() + ELLIPSIS
            width = self._measure(text, text_style)
        return text


class PlotArea(ABC):
    """A box on a canvas with data coordinates of its own, to which drawing is clipped."""

    @abstractmethod
    def lines(
        self, joined: Sequence[Sequence[Point]], color: str, pixels: float, zorder: float, dash: Dash = "-"
    ) -> None:
        """Draw polylines."""

    @abstractmethod
    def shapes(self, outlines: Sequence[Sequence[Point]], color: str, edge: float, alpha: float, zorder: float) -> None:
        """Fill outlines; an edge of `edge` pixels keeps shapes visible that are narrower than one."""

    @abstractmethod
    def tiles(self, corners: Iterable[Corners], shades: Sequence[Shade]) -> None:
        """Fill each rectangle with a shade of its own."""

    @abstractmethod
    def marks(self, points: Sequence[Point], marker: str, color: str, pixels: float, *, hollow: bool = False) -> None:
        """Draw a mark at each point; at the border of the area it is not clipped."""

    def rectangles(self, corners: Iterable[Corners], color: str, edge: float, alpha: float, zorder: float) -> None:
        """Fill rectangles, like `shapes`."""
        self.shapes([outline_of(one) for one in corners], color, edge, alpha, zorder)


def outline_of(corners: Corners) -> list[Point]:
    """Return the four corners of a rectangle, in turn."""
    left, top, right, bottom = corners
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def to_one_line(text: str) -> str:
    """Return a text in one line, with a space for each run of spaces and control characters."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    return " ".join("".join(" " if unicodedata.category(char) in UNPRINTABLE else char for char in text).split())
