"""Text in lines that fit a width. Pure: `measure` tells how wide a text is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def wrapped(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Return the lines of a text, broken at spaces, or within a word that no line can take; one at least."""
    if measure(text) <= width:
        return [text]
    lines = [""]
    for piece in (piece for word in text.split() for piece in _pieces(word, width, measure)):
        longer = f"{lines[-1]} {piece}" if lines[-1] else piece
        if measure(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(piece)
    return lines if lines[0] else lines[1:] or lines


def _pieces(word: str, width: float, measure: Callable[[str], float]) -> Iterator[str]:
    """Yield a word whole, or in parts of which each fits."""
    while len(word) > 1 and measure(word) > width:
        end = next((end for end in range(len(word) - 1, 1, -1) if measure(word[:end]) <= width), 1)
        yield word[:end]
        word = word[end:]
    yield word
