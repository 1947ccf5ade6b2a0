"""Numbers the sections of a report, for HTML and PDF alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.report.blocks import Heading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.report.blocks import Block


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, its number (`2`, or `2.1` for a subsection) and the blocks up to the next heading.

    Blocks before the first heading form a section without one.
    """

    number: str = ""
    heading: Heading | None = None
    blocks: list[Block] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The target of links to this section."""
        return f"section-{self.number.replace('.', '-')}"


def sections(blocks: Iterable[Block]) -> Iterator[Section]:
    """Yield the sections and their subsections, in order."""
    counts = [0, 0]
    section = Section()
    for block in blocks:
        if not isinstance(block, Heading):
            section.blocks.append(block)
            continue
        if section.heading or section.blocks:
            yield section
        counts = [counts[0] + 1, 0] if block.level == 1 else [counts[0], counts[1] + 1]
        section = Section(".".join(map(str, counts[: block.level])), block)
    if section.heading or section.blocks:
        yield section
