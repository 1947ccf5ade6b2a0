"""Sheets of A4 that are filled from top to bottom. All lengths are mm from the upper left corner, type sizes points.

The only importer of fpdf; what a report is made of is not known here.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
from fpdf import FPDF
from PIL import Image

from monitor.graph.font import printable
from monitor.report.pdf.look import BOTTOM, HAIR, LEFT, POINT, RIGHT, SMALL, TOP, WIDTH
from monitor.report.pdf.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from monitor.report.pdf.look import Colour, Type

_FONT = "dejavu"
_HEADER, _FOOTER = 12.0, 287.0


class Paper:
    """The sheets; `y` is how far the last of them is filled."""

    def __init__(self, title: str, made_at: datetime) -> None:
        # It tells of every glyph that a font lacks.
        logging.getLogger("fpdf").setLevel(logging.CRITICAL)
        self._title = printable(title)
        self._pdf = FPDF(format="A4")
        self._pdf.set_auto_page_break(False)
        self._pdf.set_creation_date(made_at)
        self._pdf.set_title(self._title)
        self._pdf.set_lang("en")
        fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
        for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
            self._pdf.add_font(_FONT, style, fonts / name)
        self.wrap = lru_cache(maxsize=20_000)(self._wrap)
        self.width_of = lru_cache(maxsize=20_000)(self._width_of)
        self._kind: Type | None = None
        self.y = TOP
        self.turn()

    @property
    def page(self) -> int:
        """The number of the last sheet, from 1."""
        return self._pdf.page

    def turn(self) -> None:
        """Begin another sheet."""
        self._pdf.add_page()
        self.y = TOP

    def room(self, height: float) -> bool:
        """Tell whether this sheet has so much room left."""
        return self.y + height <= BOTTOM

    def need(self, height: float) -> None:
        """Begin another sheet unless this one has so much room left."""
        if not self.room(height):
            self.turn()

    def _width_of(self, text: str, kind: Type) -> float:
        """Return how wide a line of text is."""
        # By the font itself: the sheet would search others for each character, which takes several times as long.
        return float(self._pdf.fonts[_FONT + "B" * kind.bold].get_text_width(text, kind.size, None)[1]) * POINT

    def _wrap(self, text: str, width: float, kind: Type) -> list[str]:
        """Return the lines of a text in a column, with what can be drawn."""
        return wrapped(printable(text), width, lambda part: self._width_of(part, kind))

    def put(self, text: str, x: float, y: float, kind: Type, align: Literal["left", "right"] = "left") -> None:
        """Put a line of text: `x` is its left or its right end, `y` the top of the line."""
        self._set(kind)
        start = x if align == "left" else x - self.width_of(text, kind)
        self._pdf.text(start, y + (kind.line + kind.size * POINT * 0.72) / 2, text)

    def column(self, text: str, kind: Type, x: float = LEFT, width: float = WIDTH) -> None:
        """Put a text below what there is, broken into lines, over as many sheets as it takes."""
        for line in self.wrap(text, width, kind):
            self.need(kind.line)
            self.put(line, x, self.y, kind)
            self.y += kind.line

    def rule(self, y: float, colour: Colour = HAIR, weight: float = 0.15) -> None:
        """Draw a line across the sheet."""
        self._pdf.set_draw_color(*colour)
        self._pdf.set_line_width(weight)
        self._pdf.line(LEFT, y, RIGHT, y)

    def fill(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Fill a rectangle."""
        self._pdf.set_fill_color(*colour)
        self._pdf.rect(x, y, width, height, style="F")

    def picture(self, png: bytes, alt: str, x: float, width: float, height: float) -> None:
        """Put a picture at `y` and go below it."""
        with Image.open(BytesIO(png)) as opened:
            flat = opened.convert("RGB")
        self._pdf.image(flat, x, self.y, width, height, alt_text=printable(alt))
        self.y += height

    def mark(self, text: str, level: int) -> None:
        """Bookmark this place."""
        self._pdf.set_y(self.y)
        self._pdf.start_section(printable(text), level, strict=False)

    def link(self, x: float, y: float, width: float, height: float, to: str | int) -> None:
        """Make a place lead to an address, or to a target."""
        self._pdf.link(x, y, width, height, to)

    def target(self) -> int:
        """Return a target for links, which is set later."""
        return int(self._pdf.add_link())

    def aim(self, target: int) -> None:
        """Set a target to where the sheet is filled."""
        self._pdf.set_link(target, y=self.y, page=self.page)

    @contextmanager
    def back_on(self, page: int) -> Iterator[None]:
        """Work on an earlier sheet; `y` is for the caller to keep."""
        last = self._pdf.page
        self._leaf(page)
        yield
        self._leaf(last)

    def _leaf(self, page: int) -> None:
        self._pdf.page = page
        # A sheet knows nothing of the font that another one was left with.
        self._pdf.set_font(_FONT, size=1)
        self._kind = None

    def finished(self, foot: str) -> bytes:
        """Return the file, with title, foot and number on each sheet."""
        pages = self.page
        for page in range(1, pages + 1):
            with self.back_on(page):
                if page > 1:
                    self.put(self.wrap(self._title, WIDTH, SMALL)[0], LEFT, _HEADER - SMALL.line, SMALL)
                self.put(self.wrap(foot, WIDTH - 35, SMALL)[0], LEFT, _FOOTER - SMALL.line, SMALL)
                self.put(f"page {page} of {pages}", RIGHT, _FOOTER - SMALL.line, SMALL, "right")
        return bytes(self._pdf.output())

    def _set(self, kind: Type) -> None:
        if kind is self._kind:
            return
        self._kind = kind
        self._pdf.set_font(_FONT, "B" if kind.bold else "", kind.size)
        self._pdf.set_text_color(*kind.colour)
