"""Make a file of a drawing: PNG, SVG or PDF, the same bytes for the same drawing, whatever a matplotlibrc says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from monitor.graph import style
from monitor.graph.sheet import Sheet
from monitor.graph.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.graph.forms import Form
    from monitor.graph.theme import Theme

# Set for each picture, so that nobody's matplotlibrc changes it. Names from the network are never read as formulas.
RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "text.parse_math": False,
    "text.usetex": False,
    "text.hinting": "no_autohint",
    "svg.hashsalt": "speedmon",
    "pdf.fonttype": 42,
}
KEPT = frozenset({"backend", "interactive", "timezone"})


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture is made as: `size` in pixels, so many times `scale` for print, where text and lines grow along."""

    size: tuple[int, int] = style.SIZE
    scale: float = 1.0
    theme: Theme = LIGHT
    form: Form = "png"


def paint(draw: Callable[[Sheet], None], look: Look, title: str, smallest: tuple[int, int] = style.SMALLEST) -> bytes:
    """Return the file of what `draw` puts on a sheet; a PDF or SVG is as large as the PNG is on a screen.

    Raises:
        ValueError: the size is smaller than `smallest`.
    """
    if any(given < least for given, least in zip(look.size, smallest, strict=True)):
        raise ValueError(f"a graph of {look.size} pixels is smaller than {smallest}")
    with mpl.rc_context():
        mpl.rcParams.update({key: value for key, value in mpl.rcParamsDefault.items() if key not in KEPT} | RC)
        sheet = Sheet(*look.size, look.scale, look.theme)
        draw(sheet)
        return sheet.file(title, look.form)
