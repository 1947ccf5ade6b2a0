"""Numbers as files have them: read where they are certain, else refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.importers import quantities
from monitor.importers.quantities import (
    DEFAULT_STYLE,
    Mark,
    NumberStyle,
    UnreadableNumberError,
    detect_style,
    read_number,
)

COMMAS = NumberStyle(Mark.UNCERTAIN, Mark.ONLY_DECIMAL)

GROUPED = NumberStyle(Mark.GROUPING, Mark.ONLY_DECIMAL)

POINTS = NumberStyle(Mark.ONLY_DECIMAL, Mark.UNCERTAIN)

THOUSANDS = NumberStyle(Mark.ONLY_DECIMAL, Mark.GROUPING)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("93.25", 93.25),
        (" 93 ", 93),
        ("1e3", 1000),
        ("93,25", 93.25),
        ("5888372,2077", 5888372.2077),
        ("11.957.052", 11957052),
        ("1,234,567.5", 1234567.5),
        ("1.234.567,5", 1234567.5),
        ("5 888 372,21", 5888372.21),
        ("5\u202f888\u202f372", 5888372),
        ("11'957'052", 11957052),
        ("0,123", 0.123),
        ("-1", -1),
        ("\u22121", -1),
        (".5", 0.5),
        (12, 12),
        (1.5, 1.5),
    ],
)
def test_certain_numbers(text: object, expected: float):
    """Decimal commas, thousands separators and signs that can be read in one way only."""
    assert read_number(text, quantities.no_factor) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("1,234", "12,34,567", "1.2.3", "1,2,3", "192.0.2.7", "1 2", "12 34", "..", "1.", "1,234.5.6", "0x10"),
        *("1_000", "one", "#VALUE!", "∞", "inf", "1e999", "93.25x", "9-3", "2021-07-01", "٣", "1'23", "9" * 100 + "x"),
        *(True, [], {}, b"1", float("inf")),
    ],
)
def test_what_is_not_certain_is_refused(value: object):
    """It is neither a number nor a missing one."""
    with pytest.raises(UnreadableNumberError):
        read_number(value, quantities.no_factor)


@pytest.mark.parametrize("value", ["", " ", "N/A", "null", "None", "-", "nan", None, float("nan")])
def test_words_for_nothing(value: object):
    """They are missing numbers."""
    assert read_number(value, quantities.no_factor) is None


@pytest.mark.parametrize(
    ("text", "style", "expected"),
    [
        ("48,377", COMMAS, 48.377),
        ("48.377", COMMAS, None),
        ("48.377", GROUPED, 48377),
        ("48,377", THOUSANDS, 48377),
        ("48.377", THOUSANDS, 48.377),
        ("48,377", DEFAULT_STYLE, None),
        ("11.957.052", THOUSANDS, None),
    ],
)
def test_a_mark_before_three_digits_depends_on_the_file(text: str, style: NumberStyle, expected: float | None):
    """Where the file does not show what it means, the number is refused."""
    if expected is None:
        with pytest.raises(UnreadableNumberError):
            read_number(text, quantities.no_factor, style)
    else:
        assert read_number(text, quantities.no_factor, style) == expected


@pytest.mark.parametrize(
    ("texts", "delimiter", "style"),
    [
        (["93,25", "48,377"], ";", COMMAS),
        (["48,377"], ";", NumberStyle(Mark.UNCERTAIN, Mark.DECIMAL)),
        (["93.25", "11.957.052"], ",", POINTS),
        (["48,377"], ",", DEFAULT_STYLE),
        (["93,25", "11.957.052"], ";", GROUPED),
        (["93.25", "48,377"], ",", POINTS),
        (["93.25", "48,377"], ";", POINTS),
        (["1,234.5", "48,377"], ",", THOUSANDS),
        (["1,234,567"], ",", NumberStyle(Mark.DECIMAL, Mark.GROUPING)),
        (["93.25", "93,25"], ";", NumberStyle(Mark.MIXED, Mark.MIXED)),
        (["192.0.2.7", "2021-07-01", "1.2.3", "x"], ",", DEFAULT_STYLE),
    ],
)
def test_what_the_marks_of_a_file_mean(texts: list[str], delimiter: str, style: NumberStyle):
    """Numbers that can be read in one way show it for those that cannot."""
    assert detect_style(texts, delimiter) == style


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("87.31 Mbit/s", 87_310_000),
        ("87,31 Mbit/s", 87_310_000),
        ("50.00 Mbits/s", 50_000_000),
        ("87.31Mbps", 87_310_000),
        ("1.5 Gbit/s", 1_500_000_000),
        ("900 kbps", 900_000),
        ("900 Kbit/s", 900_000),
        ("11 MB/s", 88_000_000),
        ("11 Mbyte/s", 88_000_000),
        ("5888372 bit/s", 5_888_372),
        ("1 MiB/s", 8 * 1024 * 1024),
    ],
)
def test_rates_with_their_unit(text: str, expected: float):
    """The unit beside a number goes before that of the format."""
    assert read_number(text, quantities.rate_factor, DEFAULT_STYLE, 8) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["87 furlongs", "87 ms", "87 %", "87 MBPS", "87 Mbit/h", "87 Mbit/s down"])
def test_units_that_do_not_fit(text: str):
    """They are refused."""
    with pytest.raises(UnreadableNumberError, match="not in a known unit"):
        read_number(text, quantities.rate_factor)


def test_a_rate_that_must_have_a_unit():
    """Without one it is refused."""
    with pytest.raises(UnreadableNumberError, match="without a unit"):
        read_number("87.31", quantities.rate_factor, DEFAULT_STYLE, None)


@settings(deadline=None)
@given(st.floats(0, 1e12, allow_nan=False), st.sampled_from(["point", "comma", "grouped", "swiss"]))
def test_no_readable_number_is_lost(number: float, form: str):
    """However a program or a spreadsheet writes it, a number with two decimals is the same number."""
    rounded = round(number, 2)
    text = f"{rounded:,.2f}"
    written = {
        "point": f"{rounded:.2f}",
        "comma": f"{rounded:.2f}".replace(".", ","),
        "grouped": text.translate(str.maketrans(",.", ".,")),
        "swiss": text.replace(",", "'"),
    }[form]
    assert read_number(written, quantities.no_factor) == rounded


@settings(deadline=None)
@given(st.text(max_size=30))
def test_no_text_without_a_digit_is_a_number(text: str):
    """It is missing, or it is refused."""
    if not any(mark in "0123456789" for mark in text):
        try:
            assert read_number(text, quantities.rate_factor) is None
        except UnreadableNumberError:
            return
        assert text.strip().lower() in quantities.MISSING_WORDS
