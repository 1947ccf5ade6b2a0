"""Write the tables of settings in docs/configuration.md, from the file that `speedmon config init` writes.

`python tests/support/settings_table.py` writes them; a test compares.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from places import ROOT

from monitor.config.load import config_template

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = ROOT / "docs" / "configuration.md"

BEGIN, END = "<!-- settings -->\n", "<!-- end of settings -->"

SECTION = re.compile(r"^# (?P<purpose>.+)\n\[(?P<name>\w+)\]\n", re.MULTILINE)

SETTING = re.compile(r"^# (?P<help>.+)\n#(?P<key>\w+) = (?P<default>.+)$", re.MULTILINE)

# This default depends on the machine.
HOST_NAME = "probe", "name"


def read_tables() -> str:
    """Return the part of the page that is generated at present."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


def make_tables() -> str:
    """Return a heading and a table for each section."""
    return "\n".join(_sections(config_template()))


def write_tables() -> None:
    """Replace the generated part of the page."""
    before, begin, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + begin + make_tables() + END + rest.partition(END)[2])


def _sections(text: str) -> Iterator[str]:
    heads = list(SECTION.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    for head, end in zip(heads, ends, strict=True):
        rows = "".join(_row(head["name"], setting) for setting in SETTING.finditer(text, head.end(), end))
        yield f"### {head['name']}\n\n{head['purpose']}\n\n| setting | default | what it does |\n|---|---|---|\n{rows}"


def _row(section: str, setting: re.Match[str]) -> str:
    default = "the host name" if (section, setting["key"]) == HOST_NAME else f"`{setting['default']}`"
    words = setting["help"].replace("|", "\\|")
    return f"| `{setting['key']}` | {default} | {words} |\n"


if __name__ == "__main__":
    write_tables()
