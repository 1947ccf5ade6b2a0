"""Build the launcher from `ip4only.c` with the first C compiler found; musl-gcc comes first, for a smaller program."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from netns.errors import MissingToolError, StepError

SOURCE = Path(__file__).with_name("ip4only.c")
# A static glibc program works too, but reads LD_LIBRARY_PATH and the like from the environment.
COMPILERS = ("musl-gcc", "cc", "gcc", "clang")
FLAGS = (
    "-std=c11",
    "-O2",
    "-static",
    "-s",
    "-fstack-protector-strong",
    "-U_FORTIFY_SOURCE",
    "-D_FORTIFY_SOURCE=2",
    "-Wl,-z,relro,-z,now,-z,noexecstack",
)
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow")
TIMEOUT_S = 120
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_compiler() -> str | None:
    """Return the path of the compiler that `build` would use, None if there is none."""
    path = f"{os.environ.get('PATH', '')}:{_PATH}"
    paths = (shutil.which(compiler, path=path) for compiler in COMPILERS)
    return next(filter(None, paths), None)


def source_digest(name: str) -> str:
    """Return 16 hexadecimal digits that identify the source, flags and namespace `name` of a build."""
    identity = "\0".join((name, *FLAGS)).encode() + SOURCE.read_bytes()
    return hashlib.sha256(identity).hexdigest()[:16]


def build(name: str, folder: Path) -> bytes:
    """Return the launcher of namespace `name` as a static program, built in `folder`.

    Raises:
        MissingToolError: there is no C compiler.
        StepError: the compiler failed; the first line it printed is in the message.
    """
    compiler = find_compiler()
    if compiler is None:
        raise MissingToolError("no C compiler, and the launcher needs one: apt install musl-tools")
    program = folder / "launcher"
    _run(command_line(compiler, name, program), folder)
    return program.read_bytes()


def command_line(compiler: str, name: str, program: Path) -> list[str]:
    """Return the command that compiles the launcher of namespace `name` into `program`."""
    fixed = (f'-DNS_NAME="{name}"', f'-DDIGEST="{source_digest(name)}"')
    return [compiler, *FLAGS, *WARNINGS, *fixed, "-o", str(program), str(SOURCE)]


def _run(command: list[str], folder: Path) -> None:
    # Not the caller's environment: some variables change what a compiler reads and writes.
    environment = {"PATH": _PATH, "LC_ALL": "C", "TMPDIR": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = lines[0] if lines else f"exit code {done.returncode}"
        raise StepError(
            f"{command[0]} cannot build the launcher: {reason}; apt install musl-tools installs one that can"
        )
