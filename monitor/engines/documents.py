"""Find JSON objects in what a program printed, one a line or spread over lines, among anything else. Pure.

Nothing raises here: a half line, a broken character or absurd nesting is text like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Item = dict[str, object] | str


def items(output: bytes) -> Iterator[Item]:
    """Yield each JSON object and each line of other text, in order; blank lines are left out."""
    opened: list[str] = []
    for line in _lines(output):
        if line.startswith("{"):
            yield from _closed(opened)
            opened = [line]
        elif opened:
            opened.append(line)
        else:
            yield line
        if opened and line.startswith(("{", "}")) and (found := decode("\n".join(opened))) is not None:
            yield found
            opened = []
    yield from _closed(opened)


def _closed(opened: list[str]) -> Iterator[Item]:
    """Yield the object whose last line is indented, else the lines; a single line was tried when it came."""
    found = decode("\n".join(opened)) if len(opened) > 1 else None
    yield from opened if found is None else [found]


def decode(text: str) -> dict[str, object] | None:
    """Return the JSON object that `text` is, else None."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return found if isinstance(found, dict) else None


def _lines(output: bytes) -> Iterator[str]:
    # Split at line feeds only: JSON texts may hold other characters that str.splitlines takes for an end of line.
    for line in output.decode("utf-8", "replace").split("\n"):
        if (trimmed := line.strip("\r\0\ufeff")).strip():
            yield trimmed
