"""Text in lines that fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.report.pdf.page import wrapped
from monitor.report.pdf.table import fitted


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one", ["one"]),
        ("", [""]),
        ("one two", ["one", "two"]),
        ("a b c d", ["a b c", "d"]),
        ("      ", [""]),
        ("abcdefgh", ["abcde", "fgh"]),
        ("a abcdefgh b", ["a", "abcde", "fgh b"]),
    ],
)
def test_lines_of_five_letters(text: str, lines: list[str]):
    """A line ends at a space, or where nothing more fits."""
    assert wrapped(text, 5, len) == lines


@given(st.text("ab  ", max_size=60), st.integers(1, 12))
def test_nothing_is_lost_and_every_line_fits(text: str, width: int):
    """Whatever the text: its letters come in order, in lines that are no wider than they may be."""
    lines = wrapped(text, width, len)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert lines
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize(
    ("needed", "wanted", "widths"),
    [
        ([10, 20], [10, 20], [35, 45]),
        ([10, 20], [30, 50], [30, 50]),
        ([20, 20], [20, 100], [20, 60]),
        ([10, 20], [60, 120], [80 / 3, 160 / 3]),
        ([100, 200, 10], [100, 200, 10], [35, 35, 10]),
    ],
)
def test_columns_fill_the_sheet(needed: list[float], wanted: list[float], widths: list[float]):
    """What is left goes to those that want it, then to all; what lacks is taken from the widest."""
    assert fitted(needed, wanted, 80) == pytest.approx(widths)
