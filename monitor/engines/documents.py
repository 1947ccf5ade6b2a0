"""Find JSON objects in what a program printed, one a line or spread over lines, among anything else. Pure.

Nothing raises here: a half line, a broken character or absurd nesting is text like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Item = dict[str, object] | str

# How many ends of an object are tried before its lines are text: each try reads them all again.
MAX_TRIES = 50


def items(output: bytes) -> Iterator[Item]:
    """Yield each JSON object and each line of other text, in order; blank lines are left out."""
    opened: list[str] = []
    tries = 0
    for line in _lines(output):
        if line.startswith("{"):
            yield from _closed(opened)
            opened, tries = [line], 0
        elif opened:
            opened.append(line)
        else:
            yield line
        if not opened or not line.startswith(("{", "}")):
            continue
        if (found := decode("\n".join(opened))) is not None:
            yield found
            opened = []
        elif (tries := tries + 1) == MAX_TRIES:
            yield from opened
            opened = []
    yield from _closed(opened)


def _closed(opened: list[str]) -> Iterator[Item]:
    """Yield the object whose last line is indented, else the lines; a single line was tried when it came."""
    found = decode("\n".join(opened)) if len(opened) > 1 else None
    yield from opened if found is None else [found]


def decode(text: str) -> dict[str, object] | None:
    """Return the JSON object that `text` is, else None; a number that is none or too large is one all the same."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        found = _lenient(text) if text.endswith("}") else None
    return found if isinstance(found, dict) else None


def _lenient(text: str) -> object:
    """Return what Python's own reader makes of it, which takes NaN, 1e999 and half a surrogate pair for values."""
    import json  # noqa: PLC0415  only for what msgspec refuses

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def decode_array(text: str) -> list[object] | None:
    """Return the JSON array that `text` is, an empty one for `null`; else None."""
    try:
        return msgspec.json.decode(text, type=list[object] | None) or []
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def json_text(value: object) -> str:
    """Return decoded JSON as a text again, for a complaint."""
    import json  # noqa: PLC0415  only for what is no result; it takes everything that `decode` returns

    return json.dumps(value, ensure_ascii=False)


def _lines(output: bytes) -> Iterator[str]:
    # Split at line feeds only: JSON texts may hold other characters that str.splitlines takes for an end of line.
    for line in output.decode("utf-8", "replace").split("\n"):
        if (trimmed := line.strip("\r\0\ufeff")).strip():
            yield trimmed
