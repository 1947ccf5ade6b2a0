"""docs/namespace.md as data: its generated parts and the commands in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from places import ROOT

if TYPE_CHECKING:
    from home_network_with_services import HomeNetworkWithServices

DOCS = ROOT / "docs"

DOCUMENT, PICTURE = DOCS / "namespace.md", DOCS / "namespace.svg"
MEASURED, PRINTED = "measured", "printed"


def read_part(name: str) -> str:
    """Return the text between the two markers of a generated part."""
    return DOCUMENT.read_text().partition(f"<!-- {name} -->\n")[2].partition(f"<!-- end of {name} -->")[0]


def write_part(name: str, content: str) -> None:
    """Replace a generated part."""
    before, mark, rest = DOCUMENT.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    DOCUMENT.write_text(before + mark + content + end + after)


def format_dry_run(home: HomeNetworkWithServices, user: str) -> str:
    """Return the output of a dry run as a block, without the figures that differ between hosts."""
    printed = home.speedmon("setup-netns", "--user", user, "--dry-run").stdout.replace(user, "YOU")
    return f"```text\n{re.sub(r' {2}# [0-9]+ bytes| [0-9]+(?= (?:commands|settings))', '', printed)}```\n"


def find_commands(heading: str) -> list[str]:
    """Return the command lines of the blocks below a heading."""
    section = DOCUMENT.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^( *)```sh\n(.*?)^\1```$", section, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for _, block in blocks for line in block.splitlines()]
    return [line for line in lines if not line.startswith("#")]


def find_headings() -> list[str]:
    """Return the headings of the sections."""
    return re.findall(r"^## (.+)$", DOCUMENT.read_text(), re.MULTILINE)


def read_table_rows() -> dict[str, list[str]]:
    """Return the cells of each row of the measured table, by its first."""
    rows = (line.strip("| ").split(" | ") for line in read_part(MEASURED).splitlines()[2:])
    return {first: rest for first, *rest in rows}
