"""Renders a canvas as PNG, SVG or PDF: the same drawing gives the same bytes, whatever a matplotlibrc says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from monitor.graph import style
from monitor.graph.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.graph.theme import RenderOptions

# Set for each graph, so that no matplotlibrc changes it. Names from the network must never be parsed as formulas.
RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "text.parse_math": False,
    "text.usetex": False,
    "text.hinting": "no_autohint",
    "svg.hashsalt": "speedmon",
    "pdf.fonttype": 42,
}
KEPT = frozenset({"backend", "interactive", "timezone"})


def paint(
    draw: Callable[[Sheet], None],
    options: RenderOptions,
    title: str,
    smallest: tuple[int, int] = style.SMALLEST,
) -> bytes:
    """Return what `draw` puts on a canvas as a file; a PDF or SVG is as large as the PNG is on a screen.

    Raises:
        ValueError: the size is smaller than `smallest`.
    """
    width, height = options.size or style.SIZE
    if width < smallest[0] or height < smallest[1]:
        raise ValueError(f"a graph of {(width, height)} pixels is smaller than {smallest}")
    with mpl.rc_context():
        mpl.rcParams.update({key: value for key, value in mpl.rcParamsDefault.items() if key not in KEPT} | RC)
        canvas = Sheet(width, height, options.scale, options.theme)
        draw(canvas)
        return canvas.file(title, options.format)
