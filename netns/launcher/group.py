"""The group whose members may use the launcher: managed with the tools of shadow (passwd) or busybox."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from typing import TYPE_CHECKING

from netns.errors import MissingToolError, SpecError, StepError

if TYPE_CHECKING:
    from collections.abc import Callable

_SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_TIMEOUT_S = 30


def ensure_group(group: str) -> bool:
    """Create a system group; return whether it had to be created.

    Raises:
        MissingToolError: neither shadow's nor busybox's tools are installed.
        StepError: the tool failed, for instance without root; the message quotes it.
    """
    if _find_group(group) is not None:
        return False
    _run_tool(create_group_command(group, _is_installed))
    return True


def _has_user(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def require_user(user: str, group: str) -> None:
    """Make sure that a user exists.

    Raises:
        SpecError: there is no such user.
    """
    if not _has_user(user):
        raise SpecError(f"there is no user {user!r} to put into group {group}")


def add_member(user: str, group: str) -> bool:
    """Add a user to the group, from the next login on; return whether the user had to be added.

    Raises:
        SpecError: there is no such user.
        MissingToolError, StepError: as for `ensure_group`.
    """
    require_user(user, group)
    entry = _find_group(group)
    if entry is not None and user in entry.gr_mem:
        return False
    _run_tool(add_member_command(user, group, _is_installed))
    return True


def remove_member(user: str, group: str) -> bool:
    """Remove a user from the group; return whether the user was in it.

    Raises:
        MissingToolError, StepError: as for `ensure_group`.
    """
    entry = _find_group(group)
    if entry is None or user not in entry.gr_mem:
        return False
    _run_tool(remove_member_command(user, group, _is_installed))
    return True


def remove_group(group: str) -> bool:
    """Remove the group; return whether there was one. A user's primary group stays, as the tools refuse to remove it.

    Raises:
        MissingToolError, StepError: as for `ensure_group`.
    """
    entry = _find_group(group)
    if entry is None or any(user.pw_gid == entry.gr_gid for user in pwd.getpwall()):
        return False
    _run_tool(remove_group_command(group, _is_installed))
    return True


def create_user(user: str, group: str, home: str) -> bool:
    """Create a system user that cannot log in, with a group that exists; return whether there was none.

    Raises:
        MissingToolError, StepError: as for `ensure_group`.
    """
    if _has_user(user):
        return False
    _run_tool(create_user_command(user, group, home, _is_installed))
    return True


def remove_user(user: str) -> bool:
    """Remove a user, not the home directory; return whether there was one.

    Raises:
        MissingToolError, StepError: as for `ensure_group`, for instance while a process of the user runs.
    """
    if not _has_user(user):
        return False
    _run_tool(_first_available((["userdel", user], ["deluser", user]), _is_installed))
    return True


def create_user_command(user: str, group: str, home: str, is_installed: Callable[[str], bool]) -> list[str]:
    """Return the command that creates a system user; `is_installed` says which tools there are."""
    shadow = ["useradd", "--system", "--gid", group, "--home-dir", home, "--no-create-home"]
    busybox = ["adduser", "-S", "-D", "-H", "-h", home, "-s", "/sbin/nologin", "-G", group, user]
    return _first_available(([*shadow, "--shell", "/usr/sbin/nologin", user], busybox), is_installed)


def create_group_command(group: str, is_installed: Callable[[str], bool]) -> list[str]:
    """Return the command that creates a system group; `is_installed` says which tools there are."""
    return _first_available((["groupadd", "--system", group], ["addgroup", "-S", group]), is_installed)


def add_member_command(user: str, group: str, is_installed: Callable[[str], bool]) -> list[str]:
    """Return the command that adds a user to a group; `is_installed` says which tools there are."""
    return _first_available((["usermod", "-aG", group, user], ["addgroup", user, group]), is_installed)


def remove_member_command(user: str, group: str, is_installed: Callable[[str], bool]) -> list[str]:
    """Return the command that removes a user from a group; `is_installed` says which tools there are."""
    return _first_available((["gpasswd", "--delete", user, group], ["delgroup", user, group]), is_installed)


def remove_group_command(group: str, is_installed: Callable[[str], bool]) -> list[str]:
    """Return the command that removes a group; `is_installed` says which tools there are."""
    return _first_available((["groupdel", group], ["delgroup", group]), is_installed)


def _first_available(commands: tuple[list[str], list[str]], is_installed: Callable[[str], bool]) -> list[str]:
    for command in commands:
        if is_installed(command[0]):
            return command
    tools = " nor ".join(command[0] for command in commands)
    raise MissingToolError(f"neither {tools} is installed, and the launcher's group needs one: apt install passwd")


def _find_group(group: str) -> grp.struct_group | None:
    try:
        return grp.getgrnam(group)
    except KeyError:
        return None


def _search_path() -> str:
    # The system's own tools come first, as root runs them; a user's PATH often lacks the sbin folders.
    return f"{_SYSTEM_PATH}:{os.environ.get('PATH', '')}"


def _is_installed(tool: str) -> bool:
    return shutil.which(tool, path=_search_path()) is not None


def _run_tool(command: list[str]) -> None:
    environment = {**os.environ, "PATH": _search_path(), "LC_ALL": "C"}
    completed = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if completed.returncode != 0:
        raise StepError.from_output(command[0], completed.stderr or completed.stdout, completed.returncode)
