"""The user who called sudo, from the variables that sudo sets (sudo(8)).

Imported before each test, so it imports next to nothing.
"""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, NamedTuple

from netns.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Caller(NamedTuple):
    """The numeric user and group id of the user who called sudo."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


def behind_sudo(environ: Mapping[str, str]) -> Caller | None:
    """Return the user who called sudo; None if this process is not root, or if root itself called sudo.

    Raises:
        SpecError: SUDO_UID or SUDO_GID is not a number.
    """
    uid, gid = environ.get("SUDO_UID", "0"), environ.get("SUDO_GID", "0")
    if os.geteuid() != 0 or uid == "0":
        return None
    if not (_is_number(uid) and _is_number(gid)):
        raise SpecError(f"SUDO_UID and SUDO_GID must be numbers, but are {uid!r} and {gid!r}: unset them")
    return Caller(int(uid), int(gid))


def environment(caller: Caller, environ: Mapping[str, str]) -> dict[str, str]:
    """Return sudo's environment with the caller's HOME, USER and LOGNAME instead of root's."""
    try:
        user = pwd.getpwuid(caller.uid)
    except KeyError:
        return {**environ, "HOME": "/"}
    return {**environ, "HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
