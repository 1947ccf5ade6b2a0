"""The contents: put down first, when nobody knows on which sheet a section will stand, and numbered last."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from monitor.report.pdf.look import FAINT, LEFT, LINK, RIGHT, WIDTH, Type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.report.blocks import Heading
    from monitor.report.outline import Section
    from monitor.report.pdf.paper import Paper

BOLD, LINKED = Type(9.5, bold=True), Type(9.5, colour=LINK)
INDENT, NUMBERS = 8.0, 12.0


class _Entry(NamedTuple):
    """A line of the contents: the sheet and place it stands on, and what it leads to."""

    page: int
    y: float
    target: int


class Contents:
    """The contents of sections, put where the paper is filled."""

    def __init__(self, told: Iterable[Section], paper: Paper) -> None:
        self._paper = paper
        self._entries: dict[str, _Entry] = {}
        self._pages: dict[str, int] = {}
        for section in told:
            if section.heading:
                self._begin()
                self._entries[section.number] = self._entry(section.number, section.heading)

    def reached(self, number: str) -> None:
        """Note that a section begins here."""
        self._paper.aim(self._entries[number].target)
        self._pages[number] = self._paper.page

    def finish(self) -> None:
        """Put the page of each section at its line."""
        for number, page in self._pages.items():
            entry = self._entries[number]
            with self._paper.back_on(entry.page):
                self._paper.put(str(page), RIGHT, entry.y, FAINT, "right")

    def _begin(self) -> None:
        if not self._entries:
            self._paper.column("Contents", BOLD)
            self._paper.y += 1

    def _entry(self, number: str, heading: Heading) -> _Entry:
        paper, left = self._paper, LEFT + (heading.level - 1) * INDENT
        indent = left + INDENT + (heading.level - 1) * 2
        width = RIGHT - indent - NUMBERS
        height = len(paper.wrap(heading.text, width, LINKED)) * LINKED.line
        paper.need(height)
        entry = _Entry(paper.page, paper.y, paper.target())
        paper.put(number, left, paper.y, FAINT)
        paper.link(LEFT, paper.y, WIDTH, height, entry.target)
        paper.column(heading.text, LINKED, indent, width)
        return entry
