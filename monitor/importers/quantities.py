"""Numbers as files have them: decimal commas, thousands separators, and units beside them. Pure.

The one reader of numbers for all formats. A text that is not certainly a number raises `UnreadableNumberError`; a
word for "nothing", such as N/A, is None. Which mark is the decimal one is a property of a file, see `NumberStyle`.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


MISSING_WORDS = frozenset(
    {"", "-", "--", "\u2013", "\u2014", "n/a", "n.a.", "#n/a", "na", "nan", "null", "(null)", "none", "nil", "\\n"}
)

_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)

# A sign, digits with marks between them, an exponent, a unit.
_WITH_UNIT = re.compile(
    r"([+-]?)(\d[\d.,' ]*(?<=\d)|[.,]\d+)(?:[eE]([+-]?\d{1,3})(?![\w.,]))?\s*([^\d\s.,'+-].*)?", re.ASCII
)

_GROUPED_BY = {mark: re.compile(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+", re.ASCII) for mark in ".,' "}

# One mark and three digits after it: 1.234 or 1,234 may be a thousand or a fraction. 0.123 is a fraction.
_AMBIGUOUS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}", re.ASCII)

_FRACTION = re.compile(r"\d*[.,]\d+", re.ASCII)

_NOT_ZERO = re.compile(r"[+-]?[0.]*[1-9]", re.ASCII)

_MAX_CHARS = 60

# Spaces that do not break, and signs, as spreadsheets and word processors write them.
_TYPOGRAPHY = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"})

_RATE_UNIT = re.compile(r"([kKMGTmgt]?)(i?)(?:([bB])(?:ps|/s|/sec)|([bB]its?|[bB]ytes?)(?:/s|/sec|/second|ps)?)")

_SIZE_UNIT = re.compile(r"([kKMGT]?)(i?)(?:B|[bB]ytes?)")

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}

_MS_UNITS = {"ms": 1.0, "msec": 1.0, "milliseconds": 1.0, "s": 1e3, "sec": 1e3, "seconds": 1e3, "us": 1e-3, "µs": 1e-3}

_PERCENT_UNITS = {"%": 1.0, "percent": 1.0, "pct": 1.0}


class UnreadableNumberError(ValueError):
    """A text is not certainly a number, or has a unit that does not fit."""


class Mark(Enum):
    """What a point or a comma inside a number means in a file."""

    DECIMAL = auto()
    # It never marks thousands: another number of the file shows it.
    ONLY_DECIMAL = auto()
    GROUPING = auto()
    UNCERTAIN = auto()
    # The file uses it for both.
    MIXED = auto()


_DECIMAL = (Mark.DECIMAL, Mark.ONLY_DECIMAL)

_INFINITE = (float("inf"), float("-inf"))


@dataclass(frozen=True)
class NumberStyle:
    """What points and commas mean in a file where a number alone does not show it: 1.234 and 1,234."""

    point: Mark = Mark.DECIMAL
    comma: Mark = Mark.UNCERTAIN

    @functools.cached_property
    def has_decimal_point(self) -> bool:
        """Whether 1.234 is a fraction."""
        return self.point in _DECIMAL

    @functools.cached_property
    def has_decimal_comma(self) -> bool:
        """Whether 1,234 is a fraction."""
        return self.comma in _DECIMAL


DEFAULT_STYLE = NumberStyle()


def read_number(
    value: object,
    to_factor: Callable[[str], float | None],
    style: NumberStyle = DEFAULT_STYLE,
    default_factor: float | None = 1,
) -> float | None:
    """Return a number, times the factor of its unit; None for an empty value.

    Args:
        value: a number, or a text.
        to_factor: returns the factor of a unit, None for one that does not fit.
        style: what points and commas mean in the file.
        default_factor: the factor of a number without a unit; None if it must have one.

    Raises:
        UnreadableNumberError: anything else.
    """
    if isinstance(value, str):
        number, unit = _split_unit(value, style)
        factor = to_factor(unit) if unit is not None else default_factor
    else:
        number, unit, factor = _to_checked(value), None, default_factor
    if number is None:
        return None
    if factor is None:
        raise UnreadableNumberError("without a unit" if unit is None else f"not in a known unit: {unit!r}")
    return number if factor == 1 else number * factor


def _to_checked(value: object) -> float | None:
    if value is None or value != value:  # noqa: PLR0124  NaN is the only value that differs from itself
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value in _INFINITE:
        raise UnreadableNumberError("not a number")
    return value


def _split_unit(value: str, style: NumberStyle) -> tuple[float | None, str | None]:
    """Return the number of a text, None for a word for nothing, and its unit."""
    text = value.strip()
    # Almost every number, quickly: with the decimal mark of the file, and nothing beside it.
    plain = text.replace(",", ".", 1) if style.has_decimal_comma and "." not in text else text
    if _PLAIN.fullmatch(plain) and (style.has_decimal_point or not _AMBIGUOUS.fullmatch(text.lstrip("+-"))):
        return _to_finite(plain), None
    if text.lower() in MISSING_WORDS:
        return None, None
    match = _WITH_UNIT.fullmatch(text.translate(_TYPOGRAPHY)) if len(text) <= _MAX_CHARS else None
    if match is None:
        raise UnreadableNumberError("not a number")
    sign, digits, exponent, unit = match.groups()
    number = _to_finite(f"{sign}{_to_plain_digits(digits, style)}{f'e{exponent}' if exponent else ''}")
    return number, unit.strip() if unit else None


def _to_finite(text: str) -> float:
    number = float(text) if not text.isdecimal() or len(text) > _MAX_CHARS else int(text)
    if number in _INFINITE:
        raise UnreadableNumberError("too large")
    if number == 0 and _NOT_ZERO.match(text):
        raise UnreadableNumberError("too small")
    return number


def _to_plain_digits(digits: str, style: NumberStyle) -> str:
    """Return digits without thousands separators, and with a point as the decimal mark."""
    marks = "".join(dict.fromkeys(re.sub(r"\d", "", digits)))
    if not marks:
        return digits
    if len(marks) > 1 or marks in "' ":
        return _to_plain_grouped(digits, marks)
    meaning = style.point if marks == "." else style.comma
    if digits.count(marks) > 1:
        if meaning in {Mark.MIXED, Mark.ONLY_DECIMAL} or not _GROUPED_BY[marks].fullmatch(digits):
            raise UnreadableNumberError("not a number")
        return digits.replace(marks, "")
    if _AMBIGUOUS.fullmatch(digits) and meaning not in _DECIMAL:
        if meaning is not Mark.GROUPING:
            raise UnreadableNumberError(f"not clear: its {'point' if marks == '.' else 'comma'} may mark thousands")
        return digits.replace(marks, "")
    return digits.replace(",", ".")


def _to_plain_grouped(digits: str, marks: str) -> str:
    """Return the digits of a number with two kinds of marks, or with spaces or apostrophes between thousands."""
    whole, mark, fraction = digits.rpartition(marks[1]) if len(marks) > 1 else (digits, "", "")
    if len(marks) > 2 or mark in {"'", " "} or not _GROUPED_BY[marks[0]].fullmatch(whole) or (mark and not fraction):  # noqa: PLR2004  marks of thousands and of fractions
        raise UnreadableNumberError("not a number")
    return f"{whole.replace(marks[0], '')}{'.' if mark else ''}{fraction}"


def detect_style(texts: Iterable[str], delimiter: str) -> NumberStyle:
    """Return what points and commas mean in a file, from texts of it that show it, and from its delimiter."""
    decimal, grouping = set(), set()
    for text in texts:
        match = _WITH_UNIT.fullmatch(text.strip().translate(_TYPOGRAPHY)) if len(text) <= _MAX_CHARS else None
        if match is None:
            continue
        digits = match[2]
        marks = [mark for mark in digits if not mark.isdigit()]
        if len({*marks}) > 1 and _is_grouped(digits, marks):
            grouping.add(marks[0])
            decimal.add(marks[-1])
        elif len(marks) > 1 and _GROUPED_BY[marks[0]].fullmatch(digits):
            grouping.add(marks[0])
        elif len(marks) == 1 and _FRACTION.fullmatch(digits) and not _AMBIGUOUS.fullmatch(digits):
            decimal.add(marks[0])
    return NumberStyle(_point_meaning(decimal, grouping, delimiter), _comma_meaning(decimal, grouping, delimiter))


def _is_grouped(digits: str, marks: list[str]) -> bool:
    return marks.count(marks[-1]) == 1 and bool(_GROUPED_BY[marks[0]].fullmatch(digits.rpartition(marks[-1])[0]))


def _point_meaning(decimal: set[str], grouping: set[str], delimiter: str) -> Mark:
    if "." in decimal:
        return Mark.MIXED if "," in decimal else Mark.ONLY_DECIMAL
    if "." in grouping:
        return Mark.GROUPING
    # Who separates by ; writes fractions with commas.
    return Mark.UNCERTAIN if "," in decimal or delimiter == ";" else Mark.DECIMAL


def _comma_meaning(decimal: set[str], grouping: set[str], delimiter: str) -> Mark:
    if "," in decimal:
        return Mark.MIXED if "," in grouping or "." in decimal else Mark.ONLY_DECIMAL
    if "," in grouping:
        return Mark.GROUPING
    return Mark.DECIMAL if delimiter == ";" and "." not in decimal else Mark.UNCERTAIN


def rate_factor(unit: str) -> float | None:
    """Return how many bit/s a unit of rates is; None if it is not one. b is a bit and B a byte, as everywhere."""
    match = _RATE_UNIT.fullmatch(unit.replace(" ", ""))
    if match is None:
        return None
    prefix, binary, letter, word = match.groups()
    bits = 8 if letter == "B" or (word or "").lower().startswith("byte") else 1
    return float((1024 if binary else 1000) ** _POWERS[prefix.lower()] * bits)


def size_factor(unit: str) -> float | None:
    """Return how many bytes a unit of sizes is; None if it is not one."""
    match = _SIZE_UNIT.fullmatch(unit.replace(" ", ""))
    return float((1024 if match[2] else 1000) ** _POWERS[match[1].lower()]) if match else None


def ms_factor(unit: str) -> float | None:
    """Return how many ms a unit of time is; None if it is not one."""
    return _MS_UNITS.get(unit.lower().replace("\u03bc", "µ"))


def percent_factor(unit: str) -> float | None:
    """Return 1 for a sign of percent; None for anything else."""
    return _PERCENT_UNITS.get(unit.lower())


def no_factor(_unit: str) -> float | None:
    """Return None: a number that has no unit."""
    return None
