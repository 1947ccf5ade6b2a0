"""Adds optional libraries to this very installation, as the owner of its environment; pipx, venv, uv or the system's.

What cannot be installed is no failure of the installation: the caller gets the command that does it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.system.installation import install_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Extra of this distribution: the library, and the module that it brings. The distribution itself is not named: another
# one in the package index is called speedmon.
LIBRARIES = {"notify": ("apprise", "apprise"), "mqtt": ("paho-mqtt", "paho")}

DEADLINE_S = 900

MAX_REASON = 300


def missing_libraries(extras: Iterable[str]) -> tuple[str, ...]:
    """Return the libraries of extras that are not there yet."""
    wanted = (LIBRARIES[extra] for extra in dict.fromkeys(extras))
    return tuple(library for library, module in wanted if importlib.util.find_spec(module) is None)


def add_libraries(libraries: tuple[str, ...]) -> str:
    """Install libraries; return why that failed, with the command that does it, empty if it did not."""
    command = install_command(*libraries)
    try:
        reason = _run(command)
    except (OSError, subprocess.SubprocessError) as error:
        reason = str(error)
    return f"{', '.join(libraries)} could not be installed ({reason}): run: {command}" if reason else ""


def split_command(command: str) -> tuple[list[str], dict[str, str]]:
    """Return the words of a command and the variables before it, without sudo: whoever installs is root."""
    words = shlex.split(command)
    words = words[1:] if words[0] == "sudo" else words
    variables = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    return words, variables


def _run(command: str) -> str:
    words, variables = split_command(command)
    owner = pwd.getpwuid(Path(sys.prefix).stat().st_uid)
    as_owner = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": ()} if os.geteuid() == 0 else {}
    done = subprocess.run(
        words,
        env=_environment(owner.pw_dir, variables, os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=DEADLINE_S,
        check=False,
        **as_owner,  # type: ignore[call-overload]
    )
    lines = (done.stderr or done.stdout).strip().splitlines()
    return (lines[-1] if lines else f"exit code {done.returncode}")[:MAX_REASON] if done.returncode else ""


def _environment(home: str, variables: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the command: sudo's PATH leaves out where pipx lies."""
    own_programs = [f"{home}/.local/bin", "/usr/local/bin", "/usr/bin", "/bin"]
    path = os.pathsep.join([*own_programs, environ.get("PATH", "")])
    kept = {
        name: value for name, value in environ.items() if name.lower().endswith("_proxy") or name.startswith("PIP_")
    }
    return {**kept, "HOME": home, "PATH": path, "LC_ALL": "C.UTF-8", **variables}
