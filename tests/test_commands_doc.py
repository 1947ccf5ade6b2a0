"""docs/commands.md has the help of every command."""

from __future__ import annotations

import click
import pytest
from command_table import DOCUMENT, commands, document

from monitor.cli import cli

TOP = click.Context(cli, info_name="speedmon")
GROUPS = ["config", "db", "fleet"]


def test_the_document_is_current():
    """Every command and option is there with its help; `python tests/command_table.py` rewrites the page."""
    assert DOCUMENT.read_text() == document()


def test_every_command_is_documented():
    """The commands of groups are included."""
    names = {context.command_path for _, context in commands(cli, TOP)}
    assert {"speedmon collect", "speedmon db backup", "speedmon fleet push"} <= names


@pytest.mark.parametrize("name", GROUPS)
def test_the_list_of_a_group_is_not_cut(name: str):
    """The short help of each command of a group fits on its line."""
    group = cli.get_command(TOP, name)
    assert group is not None
    page = group.get_help(click.Context(group, parent=TOP, info_name=name, terminal_width=80))
    assert "..." not in page.partition("Commands:")[2]
