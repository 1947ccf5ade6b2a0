"""Splits a text into JSON objects: one per line, concatenated, spread over lines, or in an array. Pure, streamed.

Memory holds one object at a time. Whatever is not an object, half an object included, becomes lines of text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from monitor.engines.documents import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = dict[str, object] | str
Numbered = tuple[int, Item]

# A longer text is not an object: a brace was opened and never closed.
LIMIT = 4 * 1024 * 1024
# A text longer than this is not parsed again before it has grown by an eighth, so that the work grows linearly.
_SHORT = 64 * 1024
_AROUND = " \t\r\n,[]\ufeff\0"
_OUTSIDE = "\r\n\ufeff\0"
# Used for objects that are not one line: msgspec cannot tell where in a text an object ends.
_FIRST = json.JSONDecoder()


def items(pieces: Iterable[str]) -> Iterator[Numbered]:
    """Yield each object and each other line of text, with the number of the line on which it begins.

    A piece is a line with its end, or a part of a very long line.
    """
    pending, line, parse_at = "", 1, 0
    for piece in pieces:
        if not pending and (item := _whole(piece)) is not None:
            yield from [(line, item)] if item != "" else []
            line += 1
            continue
        if pending.endswith("\n") and piece.startswith("{"):
            # An object at the start of a line: the one before it was cut off.
            yield from _all_of(pending, line)
            line, pending, parse_at = line + pending.count("\n"), "", 0
        pending += piece
        if len(pending) <= LIMIT and (len(pending) < parse_at or not _may_close(piece)):
            continue
        complete, rest = _first_of(pending, line)
        yield from complete
        line, pending = line + pending.count("\n", 0, len(pending) - len(rest)), rest
        if len(pending) > LIMIT:
            yield from _as_lines(pending, line)
            line, pending = line + pending.count("\n"), ""
        parse_at = len(pending) + len(pending) // 8 if len(pending) > _SHORT else 0
    yield from _all_of(pending, line)


def rows_within(item: dict[str, object]) -> list[dict[str, object]]:
    """Return the objects that a web API's answer has in `data`; of any other object, the object itself."""
    data = item.get("data")
    if isinstance(data, list):
        return [row for row in data if isinstance(row, dict)]
    return [data] if isinstance(data, dict) and "id" not in item else [item]


def _whole(piece: str) -> Item | None:
    """Return the item that a line is, an empty text for no item; None if it is only a part, or several items."""
    if not piece.endswith("\n"):
        return None
    if "{" not in piece:
        return piece.strip(_OUTSIDE) if piece.strip(_AROUND) else ""
    text = piece.strip(_AROUND)
    return decode(text) if text.startswith("{") and text.endswith("}") else None


def _may_close(piece: str) -> bool:
    return not piece.endswith("\n") or piece.rstrip(_AROUND).endswith("}")


def _first_of(text: str, line: int) -> tuple[list[Numbered], str]:
    """Return the complete items of a text, and the rest, which begins with a brace that is not closed yet."""
    complete: list[Numbered] = []
    at = 0
    while (brace := text.find("{", at)) >= 0:
        complete += _as_lines(text[at:brace], line)
        line += text.count("\n", at, brace)
        try:
            item, end = _FIRST.raw_decode(text, brace)
        except (ValueError, RecursionError):
            return complete, text[brace:]
        complete.append((line, item))
        line += text.count("\n", brace, end)
        at = end
    cut = text.rfind("\n", at) + 1 or at
    return complete + _as_lines(text[at:cut], line), text[cut:]


def _all_of(text: str, line: int) -> Iterator[Numbered]:
    """Yield the items of a text that has ended; an object that is not closed becomes lines of text."""
    complete, rest = _first_of(text, line)
    yield from complete
    yield from _as_lines(rest, line + text.count("\n", 0, len(text) - len(rest)))


def _as_lines(text: str, line: int) -> list[Numbered]:
    numbered = enumerate(text.split("\n"), line)
    return [(number, part.strip(_OUTSIDE)) for number, part in numbered if part.strip(_AROUND)]
