"""Find a program that the user installed, and make sure that it is the right one. Reads PATH and runs --version.

An engine that is a program of its own describes it as a `Program`; all messages of failures to find it are here.
"""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import home
from monitor.engines import readings
from monitor.engines.model import Located
from monitor.model import Failure, Kind, Scope

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

    from monitor.engines.model import Ask
    from monitor.process import Ended


@dataclass(frozen=True, slots=True)
class Program:
    """A program: its name on PATH, the setting for its path, its title in messages, and the pattern of its version.

    The first group of `version` is the version; where --version prints nothing that matches, it is another program.
    """

    name: str
    setting: str
    title: str
    version: re.Pattern[str]


def find(program: Program, configured: str, environ: Mapping[str, str]) -> Located:
    """Return where the program is, by the configured path or on PATH, or why it cannot be found."""
    requested = os.path.expanduser(configured) or program.name  # noqa: PTH111  Path.expanduser raises for unknown users
    binary = shutil.which(requested, path=environ.get("PATH") or home.PATH)
    if binary is None:
        return Located(failure=_absent(program, requested), configured=bool(configured))
    return Located((str(Path(binary).absolute()),), configured=bool(configured))


def identify(program: Program, located: Located, ask: Ask) -> Located:
    """Return `located` with the program's version, or with the failure if it is another program."""
    if located.failure is not None:
        return located
    binary = located.command[0]
    ended = ask([binary, "--version"])
    if ended.exec_errno is not None:
        failure = _not_executable(binary, ended.exec_errno)
        return Located(located.command, None, failure, located.configured)
    printed = b"\n".join((ended.stdout, ended.stderr)).decode("utf-8", "replace").strip()
    if match := program.version.search(printed):
        return Located(located.command, match[1], None, located.configured)
    failure = wrong(program, binary, _self_description(ended, printed))
    return Located(located.command, None, failure, located.configured)


def wrong(program: Program, binary: str, actual: str) -> Failure:
    """Return the failure for another program of the right name."""
    fix = f"set {program.setting} to the path of {program.title}"
    return _start_failure(Kind.WRONG_BINARY, f"{binary} is not {program.title} but {actual}: {fix}")


def _absent(program: Program, requested: str) -> Failure:
    if requested != program.name and Path(requested).is_file():
        return _start_failure(
            Kind.NOT_INSTALLED, f"{requested} is not executable: chmod +x it, or fix {program.setting}"
        )
    problem = f"{requested} does not exist" if requested != program.name else f"no program called {requested} on PATH"
    return _start_failure(
        Kind.NOT_INSTALLED, f"{problem}: install {program.title}, or set {program.setting} to its path"
    )


def _not_executable(binary: str, number: int) -> Failure:
    hint = " (built for another processor?)" if number == errno.ENOEXEC else ""
    return _start_failure(Kind.NOT_INSTALLED, f"{binary} cannot be executed: {os.strerror(number)}{hint}")


def _self_description(ended: Ended, printed: str) -> str:
    if ended.timed_out:
        return "a program that does not answer --version"
    return f"{first!r}" if (first := readings.text(printed.partition("\n")[0], 80)) else "a program that prints nothing"


def _start_failure(kind: Kind, message: str) -> Failure:
    return Failure(kind, Scope.CONFIG, "start", message)
