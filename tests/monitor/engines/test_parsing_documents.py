"""JSON objects among anything else: what is found, what is text, and what floods cost."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.engines.parsing import MAX_DECODE_TRIES, decode_array, parse_items, to_json_text


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b'{"a":1}\ntext\n{"b":2}', [{"a": 1}, "text", {"b": 2}]),
        (b'{\n\t"a": {\n\t}\n}\n', [{"a": {}}]),
        (b'{\n"a": {\n}\n}\n', [{"a": {}}]),
        (b'{"a":[\n\t{}\n\t]}\n', [{"a": [{}]}]),
        (b'{"a":\n{"b":2}\n', ['{"a":', {"b": 2}]),
        (b'\xef\xbb\xbf{"a":1}\r\n\0\n', [{"a": 1}]),
        (b'{"a":"\xff"}', [{"a": "\N{REPLACEMENT CHARACTER}"}]),
        (b"[1]\nnull\n", ["[1]", "null"]),
        (b'{"a":-Infinity,"b":1e999}', [{"a": -math.inf, "b": math.inf}]),
        (b'{"a":"\\ud800"}', [{"a": "\ud800"}]),
        (b'{"a":' + b"9" * 5000 + b"}", ['{"a":' + "9" * 5000 + "}"]),
    ],
)
def test_objects_and_lines(output: bytes, expected: list[object]) -> None:
    """Objects on one line or many are found; anything else is a line."""
    assert list(parse_items(output)) == expected


@pytest.mark.parametrize(("depth", "expected"), [(MAX_DECODE_TRIES - 2, True), (MAX_DECODE_TRIES + 2, False)])
def test_ends_that_are_tried_are_bounded(depth: int, expected: bool) -> None:
    """An object with very many lines that could be its end is text, so that a flood of them costs no time."""
    nested: dict[str, object] = {}
    for _ in range(depth):
        nested = {"a": nested}
    output = json.dumps(nested, indent=0).encode()
    assert (list(parse_items(output)) == [nested]) is expected


def test_flood_of_ends_is_lines() -> None:
    """Nothing of an object that never ends is lost."""
    assert list(parse_items(b"{x\n" + b"}\n" * 100_000)) == ["{x", *["}"] * 100_000]


@given(st.binary(max_size=300))
def test_any_bytes_are_items(output: bytes) -> None:
    """No output is refused."""
    assert all(isinstance(item, str | dict) for item in parse_items(output))


@pytest.mark.parametrize(
    ("text", "expected"), [("[1]", [1]), ("null", []), ("{}", None), ("[", None), ("[" * 9999, None)]
)
def test_arrays(text: str, expected: list[object] | None) -> None:
    """An array is a list, null an empty one, and anything else none."""
    assert decode_array(text) == expected


def test_json_as_text_again() -> None:
    """Decoded JSON is one line of JSON again."""
    assert to_json_text({"a": ["\N{SNOWMAN}", math.inf, 10**400]}) == f'{{"a": ["\N{SNOWMAN}", Infinity, {10**400}]}}'
