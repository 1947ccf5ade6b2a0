"""The pages of the PDF: measures, fonts, wrapping, the contents, and what each page has at head and foot.

Change the look of the PDF here. Lengths are points, with y upwards, as in a PDF. Only this package imports reportlab,
whose settings and fonts are those of the whole process: a setting is put back after each report, and the fonts have
names of their own.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from reportlab import rl_config
from reportlab.lib.colors import Color
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Paragraph

from monitor.graph.figure_canvas import MISSING_GLYPH, font_file, to_drawable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from typing import BinaryIO


PLAIN, BOLD = "speedmon-plain", "speedmon-bold"

_FONTS = {PLAIN: font_file(), BOLD: font_file(bold=True)}

INK = Color(22 / 255, 25 / 255, 29 / 255)

QUIET = Color(85 / 255, 93 / 255, 102 / 255)

HAIR = Color(205 / 255, 210 / 255, 215 / 255)

LINK = Color(0, 95 / 255, 151 / 255)

WIDTH, HEIGHT = 178 * mm, 256 * mm

LEFT, BOTTOM = 16 * mm, 21 * mm

_HEAD, _FOOT = 285 * mm, 11 * mm


def style(size: float, colour: Color = INK, font: str = PLAIN, **more: Any) -> ParagraphStyle:
    """Return how text of this size looks."""
    return ParagraphStyle("", fontName=font, fontSize=size, leading=size * 1.42, textColor=colour, **more)


_SMALL = style(7.5, QUIET)

_CONTENTS = style(9.5, font=BOLD, spaceAfter=1 * mm)


def printable(text: str) -> str:
    """Return a text that the fonts can draw, with a white square for each letter that they lack.

    Letters beyond U+FFFF are left out too: reportlab writes their numbers so that a reader cannot search or copy them.
    """
    line = to_drawable(text)
    return line if line.isascii() else "".join(char if _drawable(char) else MISSING_GLYPH for char in line)


@lru_cache(maxsize=4096)
def _drawable(char: str) -> bool:
    return ord(char) < 0x10000 and all(ord(char) in pdfmetrics.getFont(name).face.charToGlyph for name in _FONTS)  # noqa: PLR2004


def paragraph(text: str, look: ParagraphStyle) -> Paragraph:
    """Return a text that names no markup, whatever it looks like."""
    return Paragraph(escape(printable(text)), look)


@lru_cache(maxsize=20_000)
def wrap(text: str, width: float, font: str, size: float) -> tuple[str, ...]:
    """Return the lines of a text in a column, with what can be drawn."""
    return tuple(wrapped(printable(text), width, lambda part: width_of(part, font, size)))


@lru_cache(maxsize=20_000)
def width_of(text: str, font: str, size: float) -> float:
    """Return how wide a line of text is."""
    return float(pdfmetrics.stringWidth(text, font, size))


def wrapped(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Return the lines of a text, broken at spaces, or within a word that no line can take; one at least."""
    if measure(text) <= width:
        return [text]
    lines = [""]
    for piece in (piece for word in text.split() for piece in _pieces(word, width, measure)):
        longer = f"{lines[-1]} {piece}" if lines[-1] else piece
        if measure(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(piece)
    return lines if lines[0] else lines[1:] or lines


def _pieces(word: str, width: float, measure: Callable[[str], float]) -> Iterator[str]:
    """Yield a word whole, or in parts of which each fits."""
    while len(word) > 1 and measure(word) > width:
        end = next((end for end in range(len(word) - 1, 1, -1) if measure(word[:end]) <= width), 1)
        yield word[:end]
        word = word[end:]
    yield word


class Bookmark(Paragraph):
    """A heading that the contents and the outline lead to; `pages` learns on which page it is."""

    def __init__(self, text: str, look: ParagraphStyle, at: tuple[str, int], pages: dict[str, int]) -> None:
        super().__init__(escape(printable(text)), look, bulletText=at[0])
        self._title, (self._number, self._level), self._pages = printable(text), at, pages

    def split(self, _width: float, _height: float) -> list[Flowable]:
        """Heads are not broken: a head that has no room goes to the next page."""
        return []

    def draw(self) -> None:
        """Draw the heading, mark the place, and underline one of the first level."""
        super().draw()
        self.canv.bookmarkHorizontal(self._number, 0, self.height)
        self.canv.addOutlineEntry(f"{self._number} {self._title}", self._number, self._level, closed=False)
        self._pages[self._number] = self.canv.getPageNumber()
        if not self._level:
            rule(self.canv, -1 * mm)


class Entry(Paragraph):
    """A line of the contents, which leads to a heading; the number of its page is put there at the end."""

    def __init__(self, text: str, look: ParagraphStyle, number: str) -> None:
        super().__init__(f'<a href="#{number}">{escape(printable(text))}</a>', look, bulletText=number)
        self._number = number

    def draw(self) -> None:
        """Draw the line, and where the page's number will be."""
        super().draw()
        later(self.canv, f"page-of-{self._number}", WIDTH, self.height - self.style.fontSize)


class Ending(Flowable):
    """What ends the story: from here the pages of the headings and the number of pages are known."""

    def __init__(self, pages: dict[str, int]) -> None:
        super().__init__()
        self._pages = pages

    def wrap(self, *_: float) -> tuple[float, float]:
        """Take no room."""
        return 0, 0

    def draw(self) -> None:
        """Fill in what earlier pages left open."""
        for number, page in self._pages.items():
            self._fill(f"page-of-{number}", str(page), 9.5)
        last = self.canv.getPageNumber()
        for page in range(1, last + 1):
            self._fill(f"page-{page}", f"page {page} of {last}", _SMALL.fontSize)

    def _fill(self, name: str, text: str, size: float) -> None:
        self.canv.beginForm(name, -WIDTH, -size, 0, size)
        self.canv.setFont(PLAIN, size)
        self.canv.setFillColor(QUIET)
        self.canv.drawRightString(0, 0, text)
        self.canv.endForm()


def later(canvas: Any, name: str, x: float, y: float) -> None:
    """Leave a place whose right end is at x for what only the end of the story knows."""
    canvas.saveState()
    canvas.translate(x, y)
    canvas.doForm(name)
    canvas.restoreState()


def rule(canvas: Any, y: float, colour: Color = HAIR, weight: float = 0.4) -> None:
    """Draw a line across what stands on the page."""
    canvas.setStrokeColor(colour)
    canvas.setLineWidth(weight)
    canvas.line(0, y, WIDTH, y)


class Pages(BaseDocTemplate):
    """A4 pages with the report's title above and its subtitle below; made at a given time, for the same bytes."""

    def __init__(self, file: BinaryIO, title: str, subtitle: str, made_at: datetime) -> None:
        self._made_at, self._title, self._subtitle = made_at, printable(title), printable(subtitle)
        about = {"title": self._title, "author": "speedmon", "creator": "speedmon", "lang": "en"}
        super().__init__(file, pagesize=A4, invariant=True, pageCompression=1, **about)
        frame = Frame(LEFT, BOTTOM, WIDTH, HEIGHT, 0, 0, 0, 0)
        self.addPageTemplates(PageTemplate(frames=[frame], onPage=self._furnish))

    def write(self, story: list[Flowable]) -> None:
        """Put the story on pages and write them to the file."""
        with _fewer_bytes():
            self.build(story)

    def beforeDocument(self) -> None:  # noqa: N802  reportlab's name
        """Date the document by the report, not by the clock."""
        made = self._made_at.strftime("D:%Y%m%d%H%M%S%z")
        stamp = f"{made[:-2]}'{made[-2:]}'"
        self.canv.setDateFormatter(lambda *_: stamp)

    def _furnish(self, canvas: Any, _: BaseDocTemplate) -> None:
        canvas.saveState()
        canvas.setFont(PLAIN, _SMALL.fontSize)
        canvas.setFillColor(QUIET)
        if canvas.getPageNumber() > 1:
            canvas.drawString(LEFT, _HEAD, wrap(self._title, WIDTH, PLAIN, _SMALL.fontSize)[0])
        canvas.drawString(LEFT, _FOOT, wrap(self._subtitle, WIDTH - 35 * mm, PLAIN, _SMALL.fontSize)[0])
        later(canvas, f"page-{canvas.getPageNumber()}", LEFT + WIDTH, _FOOT)
        canvas.restoreState()


def load_fonts() -> None:
    """Make the fonts known to reportlab, once in a process."""
    known = pdfmetrics.getRegisteredFontNames()
    for name, file in _FONTS.items():
        if name not in known:
            pdfmetrics.registerFont(TTFont(name, file))


@contextmanager
def _fewer_bytes() -> Iterator[None]:
    """Write streams as they are: as text, reportlab's habit, each takes a quarter more."""
    before, rl_config.useA85 = rl_config.useA85, 0
    try:
        yield
    finally:
        rl_config.useA85 = before
