"""Find a program that the user installed, and make sure that it is the one an engine means. An edge: asks PATH.

A new engine that is a program of its own describes it as a `Program`; the words of every failure to find it are here.
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
    """A program: its name on PATH, the setting that names its path, what people call it, how it tells its version.

    The first group of `version` is the version; a program that prints nothing of the kind for --version is another one.
    """

    name: str
    setting: str
    title: str
    version: re.Pattern[str]


def find(program: Program, configured: str, environ: Mapping[str, str]) -> Located:
    """Return where the program is, by the configured path or by PATH, or why it is nowhere."""
    wanted = os.path.expanduser(configured) or program.name  # noqa: PTH111  Path.expanduser raises for strange users
    binary = shutil.which(wanted, path=environ.get("PATH") or home.PATH)
    if binary is None:
        return Located(failure=_absent(program, wanted), configured=bool(configured))
    return Located((str(Path(binary).absolute()),), configured=bool(configured))


def identify(program: Program, found: Located, ask: Ask) -> Located:
    """Return `found` with the version it tells, or with the failure that says why it is another program."""
    if found.failure is not None:
        return found
    binary = found.command[0]
    ended = ask([binary, "--version"])
    if ended.exec_errno is not None:
        failure = _not_executable(binary, ended.exec_errno)
        return Located(found.command, None, failure, found.configured)
    said = b"\n".join((ended.stdout, ended.stderr)).decode("utf-8", "replace").strip()
    if match := program.version.search(said):
        return Located(found.command, match[1], None, found.configured)
    failure = wrong(program, binary, _self_description(ended, said))
    return Located(found.command, None, failure, found.configured)


def wrong(program: Program, binary: str, what: str) -> Failure:
    """Return the failure of a program that has the right name and is another one."""
    mend = f"set {program.setting} to the path of {program.title}"
    return _start_failure(Kind.WRONG_BINARY, f"{binary} is not {program.title} but {what}: {mend}")


def _absent(program: Program, wanted: str) -> Failure:
    if wanted != program.name and Path(wanted).is_file():
        return _start_failure(Kind.NOT_INSTALLED, f"{wanted} is not executable: chmod +x it, or mend {program.setting}")
    where = f"{wanted} does not exist" if wanted != program.name else f"no program called {wanted} on PATH"
    return _start_failure(Kind.NOT_INSTALLED, f"{where}: install {program.title}, or set {program.setting} to its path")


def _not_executable(binary: str, number: int) -> Failure:
    hint = " (built for another processor?)" if number == errno.ENOEXEC else ""
    return _start_failure(Kind.NOT_INSTALLED, f"{binary} cannot be executed: {os.strerror(number)}{hint}")


def _self_description(ended: Ended, said: str) -> str:
    if ended.timed_out:
        return "a program that does not answer --version"
    return f"{first!r}" if (first := readings.text(said.partition("\n")[0], 80)) else "a program that says nothing"


def _start_failure(kind: Kind, message: str) -> Failure:
    return Failure(kind, Scope.CONFIG, "start", message)
