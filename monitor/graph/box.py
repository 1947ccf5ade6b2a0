"""A rectangle on a canvas, in pixels from its top left corner. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """Left and top edge, width and height."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The x of the right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The y of the bottom edge."""
        return self.top + self.height
