"""docs/commands.md is what the commands print as their help."""

from __future__ import annotations

import click
import pytest
from command_table import DOCUMENT, iter_commands, make_document

from monitor.cli.main import cli

TOP = click.Context(cli, info_name="speedmon")

GROUPS = ["config", "db", "fleet", "notify"]


def test_the_document_is_current():
    """Every command and option is there with its help; `python tests/support/command_table.py` writes the file."""
    assert DOCUMENT.read_text() == make_document()


def test_every_command_is_documented():
    """Those of groups are commands too."""
    names = {context.command_path for _, context in iter_commands(cli, TOP)}
    assert {"speedmon collect", "speedmon db backup", "speedmon fleet push"} <= names


@pytest.mark.parametrize("name", GROUPS)
def test_the_list_of_a_group_is_whole(name: str):
    """What a command of a group does is said in so few words that none are cut off."""
    group = cli.get_command(TOP, name)
    assert group is not None
    page = group.get_help(click.Context(group, parent=TOP, info_name=name, terminal_width=80))
    assert "..." not in page.partition("Commands:")[2]
