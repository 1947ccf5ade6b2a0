"""The launcher's group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netns.errors import MissingToolError
from netns.launcher.group import add_member_command, create_group_command, remove_group_command, remove_member_command

if TYPE_CHECKING:
    from private_machine import PrivateMachine

SHADOW, BUSYBOX = {"groupadd", "usermod", "gpasswd", "groupdel"}, {"addgroup", "delgroup"}


@pytest.mark.parametrize(
    ("tools", "commands"),
    [
        (SHADOW | BUSYBOX, ["groupadd --system g", "usermod -aG g u", "gpasswd --delete u g", "groupdel g"]),
        (BUSYBOX, ["addgroup -S g", "addgroup u g", "delgroup u g", "delgroup g"]),
    ],
)
def test_the_tools_that_are_here_are_used(tools: set[str], commands: list[str]):
    """Shadow's tools come first, busybox's do as well."""
    results = [create_group_command("g", tools.__contains__), add_member_command("u", "g", tools.__contains__)]
    results += [remove_member_command("u", "g", tools.__contains__), remove_group_command("g", tools.__contains__)]
    assert [" ".join(command) for command in results] == commands


def test_without_tools_the_fix_is_named():
    """Where neither is installed the error says what to install."""
    with pytest.raises(MissingToolError, match="apt install passwd"):
        create_group_command("g", lambda _tool: False)


def ask(machine: PrivateMachine, *questions: str) -> list[str]:
    """Return the result of each call of `netns.launcher.group` in the machine: its value, or the class of its error."""
    code = "from netns.launcher.group import *\nfrom netns.errors import NetnsError\n"
    for question in questions:
        code += f"try: print({question})\nexcept NetnsError as error: print(type(error).__name__, error)\n"
    return machine.python(code).stdout.splitlines()


@pytest.mark.root
def test_a_group_is_made_once_and_removed_once(machine: PrivateMachine):
    """Each call returns whether it had anything to do."""
    made = ["ensure_group('speedmon')"] * 2
    assert ask(machine, *made, *["remove_group('speedmon')"] * 2) == ["True", "False", "True", "False"]


@pytest.mark.root
def test_a_user_is_put_into_the_group_once(machine: PrivateMachine):
    """The user is a member afterwards."""
    machine.add_user("someone", 4003)
    join = "add_member('someone', 'speedmon')"
    assert ask(machine, "ensure_group('speedmon')", join, join) == ["True", "True", "False"]
    assert machine.run(["id", "-Gn", "someone"]).stdout == "someone speedmon\n"


def test_a_user_that_does_not_exist_is_named(machine: PrivateMachine):
    """A mistyped user name is a mistake of the caller, reported before anything is changed."""
    assert ask(machine, "add_member('nobdy', 'root')") == ["SpecError there is no user 'nobdy' to put into group root"]


@pytest.mark.root
def test_a_tool_that_fails_is_quoted(machine: PrivateMachine):
    """The words of the tool are in the error."""
    (answer,) = ask(machine, "remove_user('root')")
    assert answer.startswith("StepError userdel: userdel: user root is currently used by process ")


@pytest.mark.root
def test_a_primary_group_stays(machine: PrivateMachine):
    """The service's user has it: teardown leaves it, and does not fail."""
    machine.add_user("someone", 4003)
    assert ask(machine, "remove_group('someone')") == ["False"]


@pytest.mark.root
def test_a_user_is_made_with_a_group_that_exists(machine: PrivateMachine):
    """`useradd` alone would fail, as it makes a group of the user's name; a second call makes nothing."""
    made = ("ensure_group('watcher')", "create_user('watcher', 'watcher', '/nonexistent')")
    assert ask(machine, *made, made[1], "remove_group('watcher')") == ["True", "True", "False", "False"]
    assert ask(machine, "remove_user('watcher')", "remove_user('watcher')") == ["True", "False"]
