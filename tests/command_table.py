"""Write docs/commands.md: every command and option, with the text of `--help`.

`python tests/command_table.py` writes it; a test compares.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parent.parent / "docs" / "commands.md"
HEAD = """# Commands

Every command with its options, as `--help` prints them. This page is made from the commands themselves.

Every command also takes `--config FILE`, before or after its name, and `-h` or `--help`. The exit codes are in the
[README](../README.md#when-something-is-wrong).
"""


def document() -> str:
    """Return the text of the page."""
    found = commands(cli, click.Context(cli, info_name="speedmon"))
    return "\n".join([HEAD, *(_section(command, context) for command, context in found)])


def commands(group: click.Group, above: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield each command that is not a group, those of groups included, in the order of `--help`."""
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=above)
        if isinstance(command, click.Group):
            yield from commands(command, context)
        else:
            yield command, context


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    rows = [*_rows(command, context)]
    table = "\n".join(["", "| option | what it does |", "|---|---|", *rows, ""]) if rows else ""
    return f"## {context.command_path}\n\n`{usage}`\n\n{inspect.cleandoc(command.help or '')}\n{table}"


def _rows(command: click.Command, context: click.Context) -> Iterator[str]:
    for option in command.params:
        record = option.get_help_record(context)
        if isinstance(option, click.Option) and record is not None and option.name != "config":
            names, words = (text.replace("|", "\\|") for text in record)
            yield f"| `{names}` | {words} |"


if __name__ == "__main__":
    DOCUMENT.write_text(document())
