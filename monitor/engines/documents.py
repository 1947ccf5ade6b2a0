"""Find JSON objects in the output of a program, on one line or several, among other text. Pure.

Nothing here raises an exception: incomplete lines, broken characters and absurd nesting are treated as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Item = dict[str, object] | str

# How many possible ends of an object are tried before its lines are text: each try parses all of them again.
MAX_TRIES = 50


def items(output: bytes) -> Iterator[Item]:
    """Yield each JSON object and each line of other text, in order; blank lines are left out."""
    object_lines: list[str] = []
    tries = 0
    for line in _lines(output):
        if line.startswith("{"):
            yield from _closed(object_lines)
            object_lines, tries = [line], 0
        elif object_lines:
            object_lines.append(line)
        else:
            yield line
        if not object_lines or not line.startswith(("{", "}")):
            continue
        if (document := decode("\n".join(object_lines))) is not None:
            yield document
            object_lines = []
        elif (tries := tries + 1) == MAX_TRIES:
            yield from object_lines
            object_lines = []
    yield from _closed(object_lines)


def _closed(object_lines: list[str]) -> Iterator[Item]:
    """Yield an object that ends with an indented line, else its lines; a single line has been tried already."""
    document = decode("\n".join(object_lines)) if len(object_lines) > 1 else None
    yield from object_lines if document is None else [document]


def decode(text: str) -> dict[str, object] | None:
    """Return the JSON object in `text`, else None; NaN and numbers that are too large are accepted."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        document = _lenient(text) if text.endswith("}") else None
    return document if isinstance(document, dict) else None


def _lenient(text: str) -> object:
    """Decode with Python's json module, which accepts NaN, 1e999 and half a surrogate pair."""
    import json  # noqa: PLC0415  only for what msgspec refuses

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def decode_array(text: str) -> list[object] | None:
    """Return the JSON array in `text`, an empty one for `null`; else None."""
    try:
        return msgspec.json.decode(text, type=list[object] | None) or []
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def json_text(value: object) -> str:
    """Return decoded JSON as text again, for a complaint."""
    import json  # noqa: PLC0415  only for what is not a result; it takes everything that `decode` returns

    return json.dumps(value, ensure_ascii=False)


def _lines(output: bytes) -> Iterator[str]:
    # Split at line feeds only: JSON strings may hold other characters that str.splitlines takes for a line end.
    for line in output.decode("utf-8", "replace").split("\n"):
        if (trimmed := line.strip("\r\0\ufeff")).strip():
            yield trimmed
