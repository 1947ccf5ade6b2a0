"""JSON objects are found in a text however it is laid out, and however it arrives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.importers import readers

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0\ufeff"), max_size=9)

OBJECTS = st.lists(st.dictionaries(TEXT, TEXT | st.integers() | st.dictionaries(TEXT, TEXT, max_size=2), max_size=3))


def read_items(text: str) -> list[tuple[int, readers.Item]]:
    """Return the items of a text that arrives by lines."""
    return [*readers.read_items(text.splitlines(keepends=True))]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('{"a": 1}\n{"b": 2}\n', [(1, {"a": 1}), (2, {"b": 2})]),
        ('{"a": 1}{"b": 2} {"c": 3}', [(1, {"a": 1}), (1, {"b": 2}), (1, {"c": 3})]),
        ('{\n  "a": {\n    "b": "}"\n  }\n}\n{"c": 1}\n', [(1, {"a": {"b": "}"}}), (6, {"c": 1})]),
        ('[{"a": 1},\n {"b": 2}]\n', [(1, {"a": 1}), (2, {"b": 2})]),
        ('\ufeff{"a": 1}\r\n\r\n{"b": 2}\r\n', [(1, {"a": 1}), (3, {"b": 2})]),
        ('Mon 12:00 {"a": 1}\nbye\n', [(1, "Mon 12:00 "), (1, {"a": 1}), (2, "bye")]),
        ('{"cut": 1,\n{"a": 1}\n', [(1, '{"cut": 1,'), (2, {"a": 1})]),
        ('{"cut": 1', [(1, '{"cut": 1')]),
        ("{no json}\ntext\n", [(1, "{no json}"), (2, "text")]),
        ("", []),
        ("[]\n", []),
        ("{}\n\n{}\n", [(1, {}), (3, {})]),
    ],
)
def test_layouts(text: str, items: list[tuple[int, readers.Item]]):
    """One a line, concatenated, spread, in an array, between text, cut off: each with the line that it begins on."""
    assert read_items(text) == items


@settings(deadline=None)
@given(OBJECTS, st.sampled_from([None, 1]), st.sampled_from(["\n", "", ",\n"]), st.integers(1, 30))
def test_nothing_is_lost_by_how_it_arrives(
    given_objects: list[dict[str, object]], indent: int | None, between: str, size: int
):
    """Any objects, in any layout, cut into pieces of any size, come out as they are and in order."""
    text = "[" + between.join(json.dumps(item, indent=indent) for item in given_objects) + "]"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert [item for _, item in readers.read_items(pieces)] == given_objects


@settings(deadline=None)
@given(st.text('{}[]",:\\\n a1', max_size=60), st.integers(1, 9))
def test_nothing_raises(text: str, size: int):
    """Any garbage is items."""
    for _, item in readers.read_items([text[start : start + size] for start in range(0, len(text), size)]):
        assert isinstance(item, dict | str)


def test_a_brace_that_nothing_closes_does_not_swallow_the_rest():
    """After a limit it is text, line by line, and what follows is found, indented or not."""
    line = "no end " * 1000
    count = readers.MAX_OBJECT_CHARS // len(line) + 2
    items = read_items("{\n" + f"{line}\n" * count + '  {"a": 1}\n')
    assert items[0] == (1, "{")
    assert items[-1] == (count + 2, {"a": 1})


def test_an_array_of_years_on_one_line():
    """It is read while it arrives: the first object is there before the last piece is asked for."""
    asked = []

    def pieces() -> Iterator[str]:
        for number in range(1000):
            asked.append(number)
            yield '{"a": {"b": "c"}},' * 1000

    items = readers.read_items(pieces())
    assert next(items) == (1, {"a": {"b": "c"}})
    assert asked == [0]
    items.close()
