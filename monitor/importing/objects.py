"""JSON objects out of a text that arrives in pieces: one a line, concatenated, spread over lines, or in an array. Pure.

Memory holds one object at a time. What is no object comes out as lines of text, half an object too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from monitor.engines.documents import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = dict[str, object] | str
Numbered = tuple[int, Item]

# An object longer than this is none: something opened a brace and never closed it.
LIMIT = 4 * 1024 * 1024
# A longer one is not tried again before it has grown by an eighth, so that the work stays proportional to its length.
_SHORT = 64 * 1024
_AROUND = " \t\r\n,[]\ufeff\0"
_OUTSIDE = "\r\n\ufeff\0"
# Only what is no line by itself comes here; msgspec cannot say where in a text an object ends.
_FIRST = json.JSONDecoder()


def items(pieces: Iterable[str]) -> Iterator[Numbered]:
    """Yield each object and each other line of text with the number of the line that it begins on.

    A piece is a line with its end, or a part of one that is very long.
    """
    held, line, due = "", 1, 0
    for piece in pieces:
        if not held and (found := _whole(piece)) is not None:
            yield from [(line, found)] if found != "" else []
            line += 1
            continue
        if held.endswith("\n") and piece.startswith("{"):
            # An object at the start of a line: the one before it was cut off.
            yield from _all_of(held, line)
            line, held, due = line + held.count("\n"), "", 0
        held += piece
        if len(held) <= LIMIT and (len(held) < due or not _may_close(piece)):
            continue
        found_items, rest = _first_of(held, line)
        yield from found_items
        line, held = line + held.count("\n", 0, len(held) - len(rest)), rest
        if len(held) > LIMIT:
            yield from _as_lines(held, line)
            line, held = line + held.count("\n"), ""
        due = len(held) + len(held) // 8 if len(held) > _SHORT else 0
    yield from _all_of(held, line)


def rows_within(item: dict[str, object]) -> list[dict[str, object]]:
    """Return the objects that an answer of a web API wraps into `data`; any other object is itself."""
    data = item.get("data")
    if isinstance(data, list):
        return [row for row in data if isinstance(row, dict)]
    return [data] if isinstance(data, dict) and "id" not in item else [item]


def _whole(piece: str) -> Item | None:
    """Return what a line is by itself, the common case; None where it may be only a part, or more than one thing."""
    if not piece.endswith("\n"):
        return None
    if "{" not in piece:
        return piece.strip(_OUTSIDE) if piece.strip(_AROUND) else ""
    text = piece.strip(_AROUND)
    return decode(text) if text.startswith("{") and text.endswith("}") else None


def _may_close(piece: str) -> bool:
    return not piece.endswith("\n") or piece.rstrip(_AROUND).endswith("}")


def _first_of(text: str, line: int) -> tuple[list[Numbered], str]:
    """Return the items at the start of a text, and the rest, which begins with a brace that nothing closes yet."""
    found: list[Numbered] = []
    at = 0
    while (brace := text.find("{", at)) >= 0:
        found += _as_lines(text[at:brace], line)
        line += text.count("\n", at, brace)
        try:
            item, end = _FIRST.raw_decode(text, brace)
        except (ValueError, RecursionError):
            return found, text[brace:]
        found.append((line, item))
        line += text.count("\n", brace, end)
        at = end
    cut = text.rfind("\n", at) + 1 or at
    return found + _as_lines(text[at:cut], line), text[cut:]


def _all_of(text: str, line: int) -> Iterator[Numbered]:
    """Yield what a text holds to which nothing more will come; a brace that is not closed is text."""
    found, rest = _first_of(text, line)
    yield from found
    yield from _as_lines(rest, line + text.count("\n", 0, len(text) - len(rest)))


def _as_lines(text: str, line: int) -> list[Numbered]:
    numbered = enumerate(text.split("\n"), line)
    return [(number, part.strip(_OUTSIDE)) for number, part in numbered if part.strip(_AROUND)]
