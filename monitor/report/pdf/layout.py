"""What each block of a report becomes on paper, one function a kind, and the contents before them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from monitor.report.blocks import Facts, Picture, Table, Text
from monitor.report.outline import sections
from monitor.report.pdf.grid import grid
from monitor.report.pdf.paper import BOTTOM, INK, LEFT, LINK, QUIET, RIGHT, TOP, WIDTH, Type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.report.blocks import Block, Document, Heading
    from monitor.report.outline import Section
    from monitor.report.pdf.paper import Colour, Paper

TITLE, SUBTITLE = Type(20, bold=True), Type(10.5, colour=QUIET)
HEADINGS = {1: Type(14, bold=True), 2: Type(11, bold=True)}
PLAIN, BOLD, FAINT, LINKED = Type(9.5), Type(9.5, bold=True), Type(9.5, colour=QUIET), Type(9.5, colour=LINK)
TONES = {"plain": PLAIN, "lead": Type(12), "good": PLAIN, "bad": PLAIN, "note": Type(8.5, colour=QUIET)}
# The bar at the left and the paper of what is set apart.
BOXES: dict[str, tuple[Colour, Colour]] = {
    "good": ((26, 127, 75), (232, 245, 238)),
    "bad": ((184, 57, 14), (253, 238, 231)),
}
GAP, PADDING, BAR = 3.0, 2.5, 1.6
NAMES = 40.0
# Below a heading there is room for more than a line of what it heads.
COMPANY = 25.0


class _Entry(NamedTuple):
    """A line of the contents: the sheet and place it stands on, and what it leads to."""

    page: int
    y: float
    target: int


def lay_out(document: Document, paper: Paper) -> None:
    """Put a report on paper."""
    told = list(sections(document.blocks))
    _head(document, paper)
    headed = [section for section in told if section.heading]
    entries = _contents(headed, paper)
    pages: list[int] = []
    for section in told:
        if section.heading:
            paper.need(HEADINGS[section.heading.level].line + GAP * 4 + _company(section.blocks))
            _heading(section.heading, section.number, entries[len(pages)].target, paper)
            pages.append(paper.page)
        for block in section.blocks:
            _block(block, paper)
    for entry, page in zip(entries, pages, strict=True):
        with paper.back_on(entry.page):
            paper.put(str(page), RIGHT, entry.y, FAINT, "right")


def _head(document: Document, paper: Paper) -> None:
    paper.column(document.title, TITLE)
    paper.column(document.subtitle, SUBTITLE)
    paper.y += GAP
    paper.rule(paper.y, INK, 0.6)
    paper.y += GAP * 2


def _contents(headed: Sequence[Section], paper: Paper) -> list[_Entry]:
    """Put the contents, whose page numbers nobody knows yet."""
    if headed:
        paper.column("Contents", BOLD)
        paper.y += 1
    entries = [_entry(section, section.heading, paper) for section in headed if section.heading]
    paper.y += GAP
    return entries


def _entry(section: Section, heading: Heading, paper: Paper) -> _Entry:
    x = LEFT + (heading.level - 1) * 8
    indent = x + 8 + (heading.level - 1) * 2
    lines = paper.wrap(heading.text, RIGHT - indent - 12, LINKED)
    paper.need(len(lines) * LINKED.line)
    entry = _Entry(paper.page, paper.y, paper.target())
    paper.put(section.number, x, paper.y, FAINT)
    paper.link(LEFT, paper.y, WIDTH, len(lines) * LINKED.line, entry.target)
    paper.column(heading.text, LINKED, indent, RIGHT - indent - 12)
    return entry


def _heading(heading: Heading, number: str, target: int, paper: Paper) -> None:
    kind = HEADINGS[heading.level]
    if paper.y > TOP:
        paper.y += GAP * (3.3 - heading.level)
    paper.aim(target)
    paper.mark(f"{number} {heading.text}", heading.level - 1)
    paper.put(number, LEFT, paper.y, Type(kind.size, colour=QUIET))
    indent = paper.width_of(number, kind) + 4
    paper.column(heading.text, kind, LEFT + indent, WIDTH - indent)
    if heading.level == 1:
        paper.rule(paper.y + 1)
    paper.y += GAP


def _block(block: Block, paper: Paper) -> None:
    match block:
        case Text():
            _text(block, paper)
        case Facts():
            _facts(block, paper)
        case Picture():
            _picture(block, paper)
        case Table():
            grid(block, paper)
    paper.y += GAP


def _text(text: Text, paper: Paper) -> None:
    kind = TONES[text.tone]
    if text.tone not in BOXES:
        paper.column(text.text, kind)
        return
    bar, background = BOXES[text.tone]
    lines = paper.wrap(text.text, WIDTH - BAR - 3 * PADDING, kind)
    height = len(lines) * kind.line + 2 * PADDING
    paper.need(min(height, BOTTOM - TOP))
    paper.fill(LEFT, paper.y, WIDTH, height, background)
    paper.fill(LEFT, paper.y, BAR, height, bar)
    paper.y += PADDING
    paper.column(text.text, kind, LEFT + BAR + 1.5 * PADDING, WIDTH - BAR - 3 * PADDING)
    paper.y += PADDING


def _facts(facts: Facts, paper: Paper) -> None:
    for name, told in facts.rows:
        names = paper.wrap(name, NAMES - 3, FAINT)
        lines = paper.wrap(told, WIDTH - NAMES, PLAIN)
        paper.need(min(max(len(names), len(lines)) * PLAIN.line + 2, BOTTOM - TOP))
        top = paper.y = paper.y + 1
        for at, line in enumerate(names):
            paper.put(line, LEFT, top + at * FAINT.line, FAINT)
        paper.column(told, PLAIN, LEFT + NAMES, WIDTH - NAMES)
        paper.y = max(paper.y, top + len(names) * FAINT.line) + 1 if paper.y > top else paper.y + 1
        paper.rule(paper.y)


def _company(blocks: Sequence[Block]) -> float:
    """Return how much of what stands below a heading is to stay on its sheet."""
    first = blocks[0] if blocks else None
    return min(_size(first)[1], BOTTOM - TOP - COMPANY) if isinstance(first, Picture) else COMPANY


def _picture(picture: Picture, paper: Paper) -> None:
    width, height = _size(picture)
    paper.need(height)
    paper.picture(picture.png, picture.alt, LEFT + (WIDTH - width) / 2, width, height)


def _size(picture: Picture) -> tuple[float, float]:
    """Return width and height on paper."""
    # https://www.w3.org/TR/png/#11IHDR: width and height lie behind the signature and the head of the first chunk.
    wide, high = struct.unpack(">II", picture.png[16:24])
    height = min(WIDTH * picture.share * high / wide, BOTTOM - TOP - COMPANY)
    return height * wide / high, height
