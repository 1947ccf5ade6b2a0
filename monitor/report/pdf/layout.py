"""What each block of a report becomes on paper, one function a kind."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from monitor.report.blocks import Facts, Picture, Table, Text
from monitor.report.outline import sections
from monitor.report.pdf.contents import Contents
from monitor.report.pdf.grid import grid
from monitor.report.pdf.look import BOTTOM, FAINT, INK, LEFT, PLAIN, QUIET, TOP, WIDTH, Type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.report.blocks import Block, Document, Heading
    from monitor.report.pdf.look import Colour
    from monitor.report.pdf.paper import Paper

TITLE, SUBTITLE = Type(20, bold=True), Type(10.5, colour=QUIET)
HEADINGS = {1: Type(14, bold=True), 2: Type(11, bold=True)}
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


def lay_out(document: Document, paper: Paper) -> None:
    """Put a report on paper."""
    told = list(sections(document.blocks))
    _head(document, paper)
    contents = Contents(told, paper)
    paper.y += GAP
    for section in told:
        if section.heading:
            paper.need(HEADINGS[section.heading.level].line + GAP * 4 + _company(section.blocks))
            _heading(section.heading, section.number, contents, paper)
        for block in section.blocks:
            _block(block, paper)
    contents.finish()


def _head(document: Document, paper: Paper) -> None:
    paper.column(document.title, TITLE)
    paper.column(document.subtitle, SUBTITLE)
    paper.y += GAP
    paper.rule(paper.y, INK, 0.6)
    paper.y += GAP * 2


def _heading(heading: Heading, number: str, contents: Contents, paper: Paper) -> None:
    kind = HEADINGS[heading.level]
    if paper.y > TOP:
        paper.y += GAP * (3.3 - heading.level)
    contents.reached(number)
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
