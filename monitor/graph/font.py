"""Fonts, and text from the network made drawable: one line, no control characters, only glyphs that a font has."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

OWN = "DejaVu Sans"
MISSING = "\N{WHITE SQUARE}"
# Tried in this order for characters that matplotlib's own font lacks, such as Chinese.
FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "FreeSans",
    "Unifont",
)
# Control, format (such as changes of direction), surrogate and private characters.
UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """Return the fonts to draw with: matplotlib's own, then the installed fallbacks."""
    installed = {font.name for font in fontManager.ttflist}
    return (OWN, *(name for name in FALLBACKS if name in installed))


def printable(text: str) -> str:
    """Return a text that draws without a warning: characters that no installed font has become white squares."""
    printed = "".join(" " if unicodedata.category(char) in UNPRINTABLE else char for char in text).split()
    line = " ".join(printed)
    return line if line.isascii() else "".join(char if _drawable(char) else MISSING for char in line)


@lru_cache(maxsize=4096)
def _drawable(char: str) -> bool:
    in_default = all(_has(OWN, weight, char) for weight in ("normal", "bold"))
    return in_default or any(_has(family, "normal", char) for family in families()[1:])


def _has(family: str, weight: str, char: str) -> bool:
    font = get_font(findfont(FontProperties(family=family, weight=weight)))
    return font.get_char_index(ord(char)) != 0
