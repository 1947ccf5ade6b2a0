"""The measures of the paper: margins in mm, colours, and how text looks. Change the look of the PDF here."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[int, int, int]
INK: Colour = (22, 25, 29)
QUIET: Colour = (85, 93, 102)
HAIR: Colour = (205, 210, 215)
LINK: Colour = (0, 95, 151)

LEFT, RIGHT, TOP, BOTTOM = 16.0, 194.0, 20.0, 276.0
WIDTH = RIGHT - LEFT
POINT = 25.4 / 72


@dataclass(frozen=True, slots=True)
class Type:
    """How text looks: its size in points, weight, colour, and the height of a line in mm."""

    size: float
    bold: bool = False
    colour: Colour = INK

    @property
    def line(self) -> float:
        """The height of a line."""
        return self.size * POINT * 1.42


PLAIN, FAINT, SMALL = Type(9.5), Type(9.5, colour=QUIET), Type(7.5, colour=QUIET)
