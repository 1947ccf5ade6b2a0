"""The canvas that writes SVG, without matplotlib: classes instead of colours, so one file serves every theme.

What is a colour of the light theme elsewhere becomes a class here; `monitor.graph.svg_style` has the rules for them.
`name` begins each of its ids, since it may stand in a page. Title and description are for screen readers. Its first
element has the rules, for whoever opens it as a file; a page that takes it in has them itself.
"""

from __future__ import annotations

import json
import unicodedata
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from monitor.graph.canvas import Canvas, PlotArea, to_one_line
from monitor.graph.svg_style import chart_stylesheet, color_class, shade_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.graph.canvas import Corners, Dash, Place, Point, Readings
    from monitor.graph.theme import Shade, TextStyle

# Widths of the characters from space to ~ in thousandths of the font size, as DejaVu Sans has them: few fonts of a
# browser are wider. Others are measured as wide as the widest letters, or as a square.
ASCII_WIDTHS = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
    636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
    748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
    615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
    337, 636, 838,
)  # fmt: skip
OTHER_WIDTH, SQUARE_WIDTH = 700, 1000
NARROW = {"·": 318, "\N{EN DASH}": 500, "°": 500}
BOLD = 1.14

DASH_CLASSES = {"-": "", "--": " dashed", ":": " dotted", "-.": " mixed"}
ANCHORS = {"left": "", "center": " middle", "right": " end"}

# Text lies above everything, rules above what is in a plot area.
RULES_ORDER, TEXT_ORDER, TILES_ORDER, MARKS_ORDER = 5, 6, 2, 4

# Farther from the canvas than any of its elements.
FAR = 99_999.0

# Outlines of marks that are a pixel wide from their middle: moves, relative to it.
MARKS = {
    "s": ((-1, -1), (2, 0), (0, 2), (-2, 0)),
    "D": ((0, -1.3), (1.3, 1.3), (-1.3, 1.3), (-1.3, -1.3)),
    "^": ((0, -1), (1, 2), (-2, 0)),
    "X": ((0, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (-0.5, 0.5),
          (-0.5, -0.5), (0.5, -0.5), (-0.5, -0.5), (0.5, -0.5)),
}  # fmt: skip


class SvgCanvas(Canvas):
    """Collects elements, and writes them as one SVG."""

    is_alive = True

    def __init__(self, width: int, height: int, name: str) -> None:
        super().__init__(width, height)
        self._name = name
        self._elements: list[tuple[float, str]] = []
        self._clips: list[Place] = []
        self._prose: list[str] = []

    def to_drawable(self, text: str) -> str:
        """Return a text in one line; a browser finds a font for each character."""
        return to_one_line(text)

    def add(self, order: float, element: str) -> None:
        """Add an element; those with a lower order lie below."""
        self._elements.append((order, element))

    def rules(self, lines: Sequence[tuple[Point, Point]], color: str, dash: Dash = "-") -> None:
        """Draw straight lines, one pixel wide."""
        path = "".join(f"M{_number(x)} {_number(y)}L{_number(to_x)} {_number(to_y)}" for (x, y), (to_x, to_y) in lines)
        if path:
            self.add(RULES_ORDER, f'<path class="l {color_class(color)}{DASH_CLASSES[dash]}" d="{path}"/>')

    def area(self, place: Place, across: Point, up: Point) -> SvgArea:
        """Return a plot area."""
        return SvgArea(self, place, across, up)

    def text_on(self, at: Point, text: str, shade: Shade, size: float) -> None:
        """Write a short text on a tile."""
        classes = f"t{size:g} middle on-{shade_class(shade)}"
        self.add(TEXT_ORDER, f'<text class="{classes}" x="{_number(at[0])}" y="{_number(at[1])}">{escape(text)}</text>')

    def clip(self, place: Place) -> str:
        """Return the attribute that cuts an element off at a box."""
        if place not in self._clips:
            self._clips.append(place)
        return f' clip-path="url(#{self._name}-{self._clips.index(place)})"'

    def file(self, title: str) -> str:
        """Return the SVG."""
        box = f"0 0 {self.width} {self.height}"
        name = self._name
        labels = f'aria-labelledby="{name}-title {name}-text"'
        elements = (element for _, element in sorted(self._elements, key=lambda one: one[0]))
        return (
            f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" {labels}'
            f"{self._readings_attribute()}><style>{chart_stylesheet()}</style>"
            f'<title id="{name}-title">{escape(to_one_line(title))}</title>'
            f'<desc id="{name}-text">{escape(_to_sentences(self._prose))}</desc>'
            f"<defs>{''.join(self._clip_paths())}</defs>{''.join(elements)}</svg>"
        )

    def _clip_paths(self) -> Iterator[str]:
        for index, (left, top, width, height) in enumerate(self._clips):
            box = f'x="{_number(left)}" y="{_number(top)}" width="{_number(width)}" height="{_number(height)}"'
            yield f'<clipPath id="{self._name}-{index}"><rect {box}/></clipPath>'

    def _readings_attribute(self) -> str:
        if not self.readings:
            return ""
        text = json.dumps([_to_json(one) for one in self.readings], ensure_ascii=False, separators=(",", ":"))
        # In single quotes, since JSON is full of double ones.
        return f" data-readings='{escape(text, quote=False).replace(chr(39), '&#39;')}'"

    def _write(self, at: Point, text: str, text_style: TextStyle) -> None:
        if text_style.align == "left":
            self._prose.append(text)
        bold = " bold" if text_style.bold else ""
        classes = f"t{text_style.size:g} {color_class(text_style.color)}{ANCHORS[text_style.align]}{bold}"
        self.add(TEXT_ORDER, f'<text class="{classes}" x="{_number(at[0])}" y="{_number(at[1])}">{escape(text)}</text>')

    def _measure(self, text: str, text_style: TextStyle) -> float:
        return sum(map(_width_of, text)) * text_style.size / 1000 * (BOLD if text_style.bold else 1)


class SvgArea(PlotArea):
    """A plot area of an SVG."""

    def __init__(self, canvas: SvgCanvas, place: Place, across: Point, up: Point) -> None:
        self._canvas = canvas
        left, top, width, height = self._place = place
        self._x_scale, self._y_scale = width / (across[1] - across[0]), -height / (up[1] - up[0])
        self._x, self._y = left - across[0] * self._x_scale, top + height - up[0] * self._y_scale

    def lines(
        self, joined: Sequence[Sequence[Point]], color: str, pixels: float, zorder: float, dash: Dash = "-"
    ) -> None:
        """Draw polylines."""
        placed = [self._to_pixels(line) for line in joined]
        if placed:
            width = "" if pixels == 1 else f' stroke-width="{pixels:g}"'
            classes = f"l {color_class(color)}{DASH_CLASSES[dash]}"
            path = "".join(map(_to_path, placed))
            self._canvas.add(zorder, f'<path class="{classes}"{width}{self._clip(placed)} d="{path}"/>')

    def shapes(self, outlines: Sequence[Sequence[Point]], color: str, edge: float, alpha: float, zorder: float) -> None:
        """Fill outlines."""
        placed = [self._to_pixels(outline) for outline in outlines]
        if placed:
            style = (f' stroke-width="{edge:g}"' if edge else "") + (f' opacity="{alpha:g}"' if alpha != 1 else "")
            classes = f"f {color_class(color)}{' edge' if edge else ''}"
            path = "".join(f"{_to_path(outline)}z" for outline in placed)
            self._canvas.add(zorder, f'<path class="{classes}"{style}{self._clip(placed)} d="{path}"/>')

    def tiles(self, corners: Iterable[Corners], shades: Sequence[Shade]) -> None:
        """Fill each rectangle with a shade of its own; those of the same shade are one element."""
        paths: dict[str, list[str]] = {}
        for one, shade in zip(corners, shades, strict=True):
            paths.setdefault(shade_class(shade), []).append(self._rectangle(one))
        for name, outlines in paths.items():
            self._canvas.add(TILES_ORDER, f'<path class="f {name}" d="{"".join(outlines)}"/>')

    def marks(self, points: Sequence[Point], marker: str, color: str, pixels: float, *, hollow: bool = False) -> None:
        """Draw a mark at each point."""
        if not points:
            return
        placed, name = self._to_pixels(points), color_class(color)
        if marker == "o":
            # A line without a length and with round ends is a dot.
            path = "".join(f"M{_number(x)} {_number(y)}h0" for x, y in placed)
            dots = f'<path class="l round {{}}" stroke-width="{{:g}}" d="{path}"/>'
            self._canvas.add(MARKS_ORDER, dots.format(name, pixels))
            if hollow:
                self._canvas.add(MARKS_ORDER, dots.format("paper", pixels - 2))
            return
        path = "".join(_mark(x, y, marker, pixels / 2) for x, y in placed)
        self._canvas.add(MARKS_ORDER, f'<path class="{"hollow" if hollow else "f"} {name}" d="{path}"/>')

    def _rectangle(self, corners: Corners) -> str:
        left, top, right, bottom = corners
        across, down = _number((right - left) * self._x_scale), _number((bottom - top) * self._y_scale)
        x, y = _number(self._x + left * self._x_scale), _number(self._y + top * self._y_scale)
        return f"M{x} {y}h{across}v{down}H{x}z"

    def _to_pixels(self, points: Sequence[Point]) -> list[Point]:
        x, y, x_scale, y_scale = self._x, self._y, self._x_scale, self._y_scale
        return [(x + x_scale * across, y + y_scale * up) for across, up in points]

    def _clip(self, placed: Sequence[Sequence[Point]]) -> str:
        """Return the attribute that cuts off what leaves the area; empty where nothing does."""
        left, top, width, height = self._place
        xs, ys = [x for line in placed for x, _ in line], [y for line in placed for _, y in line]
        if not xs or (min(xs) >= left and max(xs) <= left + width and min(ys) >= top and max(ys) < top + height):
            return ""
        return self._canvas.clip(self._place)


def _number(value: float) -> str:
    """Return pixels to a tenth; those too far away to be seen are brought near."""
    if not -FAR < value < FAR:
        value = FAR if value > 0 else -FAR
    return f"{value:.1f}".removesuffix(".0")


def _to_path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in points)


def _mark(x: float, y: float, marker: str, half: float) -> str:
    (first_x, first_y), *moves = MARKS[marker]
    start = f"M{_number(x + first_x * half)} {_number(y + first_y * half)}"
    return start + "".join(f"l{_number(dx * half)} {_number(dy * half)}" for dx, dy in moves) + "z"


@lru_cache(maxsize=4096)
def _width_of(char: str) -> int:
    code = ord(char) - ord(" ")
    if 0 <= code < len(ASCII_WIDTHS):
        return ASCII_WIDTHS[code]
    wide = unicodedata.east_asian_width(char) in {"W", "F"} or unicodedata.category(char) == "So"
    return NARROW.get(char, SQUARE_WIDTH if wide else OTHER_WIDTH)


def _to_sentences(texts: Sequence[str]) -> str:
    return " ".join(text if text.endswith((".", ":", ",")) else f"{text}." for text in texts)


def _to_json(readings: Readings) -> dict[str, object]:
    return {
        "box": [round(part) for part in readings.box],
        "span": readings.span,
        "names": [to_one_line(name) for name in readings.names],
        "classes": [color_class(color) for color in readings.colors],
        "at": [(round(one.x, 1), one.when, one.failures, *one.values) for one in readings.readings],
    }
