"""A place on a sheet, in pixels from its top left corner. Pure."""

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
        """Where it ends at the right."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Where it ends below."""
        return self.top + self.height
