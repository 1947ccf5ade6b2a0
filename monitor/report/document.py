"""The blocks that a report is made of, and the numbering of its sections. Pure data.

The sections make blocks; HTML and PDF each write every kind of block. A new kind needs code in both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


Tone = Literal["plain", "lead", "good", "bad", "note"]


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a section (level 1) or of a subsection (level 2)."""

    text: str
    level: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `tone` makes it stand out or, for a note, step back."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and their values, a line each."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its text, a link, and how bad its value is, from 0 to 1, which is shown as shading."""

    text: str
    link: str | None = None
    shade: float = 0.0

    @property
    def href(self) -> str | None:
        """The link if it is http or https. Links come from outside; others, such as `javascript:`, are not shown."""
        return self.link if self.link and self.link.startswith(("https://", "http://")) else None


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column; columns of numbers are aligned right."""

    name: str
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, columns and rows. There can be many rows, so they may be an iterator, to be read once."""

    caption: str
    columns: tuple[Column, ...]
    rows: Iterable[tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A graph as a PNG, its text alternative, and its width as a fraction of the page's."""

    png: bytes
    alt: str
    share: float = 1.0


Block = Heading | Text | Facts | Table | Picture


@dataclass(frozen=True, slots=True)
class Document:
    """A report: its title, one line below it, and its blocks in order."""

    title: str
    subtitle: str
    blocks: Iterable[Block]


@dataclass(frozen=True, slots=True)
class DataFile:
    """The CSV file beside the report: its name without folders, its SHA-256 in hex, and its number of runs."""

    name: str
    sha256: str
    rows: int


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


def number_sections(blocks: Iterable[Block]) -> Iterator[Section]:
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
