"""What each block of a report becomes on the pages of a PDF, one function a kind, and tables of any number of rows."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image
from reportlab.lib.colors import Color
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.platypus import CondPageBreak, Flowable, HRFlowable, Spacer
from reportlab.platypus import Table as Grid

from monitor.report.document import Facts, Picture, Table, Text, number_sections
from monitor.report.pdf.page import (
    BOLD,
    HAIR,
    HEIGHT,
    INK,
    LINK,
    PLAIN,
    QUIET,
    WIDTH,
    Bookmark,
    Ending,
    Entry,
    Pages,
    load_fonts,
    paragraph,
    printable,
    style,
)
from monitor.report.pdf.table import table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from typing import BinaryIO

    from monitor.report.document import Block, Document, Section


TITLE, SUBTITLE = style(20, font=BOLD), style(10.5, QUIET)

TEXT, FAINT = style(9.5), style(9.5, QUIET)

TONES = {"plain": TEXT, "lead": style(12), "note": style(8.5, QUIET)}

CAPTION = style(9, font=BOLD, spaceAfter=1 * mm)

HEADINGS = {
    1: style(14, font=BOLD, bulletFontName=BOLD, bulletFontSize=14, bulletColor=QUIET, leftIndent=10 * mm),
    2: style(11, font=BOLD, bulletFontName=BOLD, bulletFontSize=11, bulletColor=QUIET, leftIndent=12 * mm),
}

_ENTRY = {"bulletFontName": PLAIN, "bulletFontSize": 9.5, "bulletColor": QUIET, "rightIndent": 12 * mm}

ENTRIES = {
    1: style(9.5, LINK, leftIndent=8 * mm, **_ENTRY),
    2: style(9.5, LINK, bulletIndent=8 * mm, leftIndent=18 * mm, **_ENTRY),
}

# The bar at the left and the background of what is set apart.
BOXES = {
    "good": (Color(26 / 255, 127 / 255, 75 / 255), Color(232 / 255, 245 / 255, 238 / 255)),
    "bad": (Color(184 / 255, 57 / 255, 14 / 255), Color(253 / 255, 238 / 255, 231 / 255)),
}

GAP, NAMES = 3 * mm, 40 * mm

# Below a heading there is room for more than a line of what it heads.
COMPANY = 25 * mm


def write(document: Document, made_at: datetime, file: BinaryIO) -> None:
    """Write the report to an open file; the same report made at the same time gives the same bytes.

    Raises:
        OSError: the file cannot be written.
    """
    load_fonts()
    Pages(file, document.title, document.subtitle, made_at).write(list(_story(document)))


def _story(document: Document) -> Iterator[Flowable]:
    sections, pages = list(number_sections(document.blocks)), dict[str, int]()
    yield paragraph(document.title, TITLE)
    yield paragraph(document.subtitle, SUBTITLE)
    yield HRFlowable(WIDTH, 1.7, color=INK, spaceBefore=GAP, spaceAfter=2 * GAP)
    yield from _contents(sections)
    level = -1
    for section in sections:
        if section.heading:
            # An outline may not leave a level out.
            level = min(section.heading.level - 1, level + 1)
            yield from _heading(section, level, pages)
        for block in section.blocks:
            yield from _block(block)
            yield Spacer(0, GAP)
    yield Ending(pages)


def _contents(sections: Iterable[Section]) -> Iterator[Flowable]:
    entries = [
        Entry(section.heading.text, ENTRIES[section.heading.level], section.number)
        for section in sections
        if section.heading
    ]
    if entries:
        yield paragraph("Contents", CAPTION)
        yield from entries
        yield Spacer(0, GAP)


def _heading(section: Section, level: int, pages: dict[str, int]) -> Iterator[Flowable]:
    heading = section.heading
    if heading:
        look = HEADINGS[heading.level]
        yield CondPageBreak(look.leading + GAP * 4 + _company(section.blocks))
        yield Spacer(0, GAP * (3.3 - heading.level))
        yield Bookmark(heading.text, look, (section.number, level), pages)
        yield Spacer(0, GAP)


def _company(blocks: Sequence[Block]) -> float:
    """Return how much of what stands below a heading is to stay on its page."""
    first = blocks[0] if blocks else None
    return float(min(_size(first)[1], HEIGHT - COMPANY) if isinstance(first, Picture) else COMPANY)


def _block(block: Block) -> Iterator[Flowable]:
    match block:
        case Text() if block.tone in BOXES:
            yield _box(block)
        case Text():
            yield paragraph(block.text, TONES[block.tone])
        case Facts():
            yield _facts(block)
        case Picture():
            yield _Graph(block)
        case Table():
            yield CondPageBreak(CAPTION.leading * 2 + COMPANY / 2)
            yield paragraph(block.caption, CAPTION)
            yield table_of(block)


def _box(text: Text) -> Flowable:
    bar, background = BOXES[text.tone]
    look = [
        ("BACKGROUND", (0, 0), (-1, -1), background),
        ("LINEBEFORE", (0, 0), (0, -1), 1.6 * mm, bar, 0),
        ("LEFTPADDING", (0, 0), (-1, -1), 5 * mm),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2.5 * mm),
        ("TOPPADDING", (0, 0), (-1, -1), 2 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5 * mm),
    ]
    return Grid([[paragraph(text.text, TEXT)]], [WIDTH], style=look, splitInRow=1)


def _facts(facts: Facts) -> Flowable:
    look = [
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1 * mm),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, HAIR),
    ]
    rows = [[paragraph(name, FAINT), paragraph(value, TEXT)] for name, value in facts.rows]
    return Grid(rows, [NAMES, WIDTH - NAMES], style=look, splitInRow=1)


class _Graph(Flowable):
    """A picture, with what it shows in words for who cannot see it."""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self._picture = picture
        self.width, self.height = _size(picture)
        self.hAlign = "CENTER"

    def wrap(self, *_: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        with Image.open(BytesIO(self._picture.png)) as opened:
            flat = opened.convert("RGB")
        # https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf 14.9.3
        words = f"\N{ZERO WIDTH NO-BREAK SPACE}{printable(self._picture.alt)}".encode("utf-16-be").hex()
        self.canv.addLiteral(f"/Span <</Alt <{words}>>> BDC")
        self.canv.drawImage(ImageReader(flat), 0, 0, self.width, self.height)
        self.canv.addLiteral("EMC")


def _size(picture: Picture) -> tuple[float, float]:
    """Return width and height on the page."""
    # https://www.w3.org/TR/png/#11IHDR: width and height lie behind the signature and the head of the first chunk.
    wide, high = struct.unpack(">II", picture.png[16:24])
    height = min(WIDTH * picture.share * high / wide, HEIGHT - COMPANY)
    return height * wide / high, height
