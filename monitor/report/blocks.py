"""What a report is made of, whatever it is written as: headings, text, facts, tables, pictures. Pure data.

Whoever words the report makes blocks; `html` and `pdf` write each kind. A new kind needs both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a section; level 1 opens one, 2 a part of it."""

    text: str
    level: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `tone` sets apart what must not be missed, or what is only a note."""

    text: str
    tone: Literal["plain", "lead", "good", "bad", "note"] = "plain"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with what is so, each a line: who measured, what, how and when."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its text, a link, and how bad it is (0 none to 1 worst), which shades it."""

    text: str
    link: str | None = None
    shade: float = 0.0

    @property
    def href(self) -> str | None:
        """The link if it leads to the web: links come from the network, and no other kind is to be followed."""
        return self.link if self.link and self.link.startswith(("https://", "http://")) else None


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column; numbers stand at the right, so that they can be compared."""

    name: str
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns, below a caption; rows may be made as they are written, for there can be many."""

    caption: str
    columns: tuple[Column, ...]
    rows: Iterable[tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A graph as a PNG with what it shows in words, and the width that it fills of the page, from 0 to 1."""

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
