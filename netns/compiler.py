"""Build the launcher from `ip4only.c` with whatever C compiler is here; musl's first, for the smaller program."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from netns.errors import MissingToolError, StepError

SOURCE = Path(__file__).with_name("ip4only.c")
# A static program of glibc works too; it takes LD_LIBRARY_PATH and the like from the command's environment.
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
    """Return the path of the compiler that `build` would take, None where there is none."""
    path = f"{os.environ.get('PATH', '')}:{_PATH}"
    found = (shutil.which(compiler, path=path) for compiler in COMPILERS)
    return next(filter(None, found), None)


def source_digest(name: str) -> str:
    """Return what tells one build of the launcher of namespace `name` from another, as 16 hexadecimal digits."""
    told = "\0".join((name, *FLAGS)).encode() + SOURCE.read_bytes()
    return hashlib.sha256(told).hexdigest()[:16]


def build(name: str, folder: Path) -> bytes:
    """Return the launcher of namespace `name` as a static program, built in `folder`.

    Raises:
        MissingToolError: there is no C compiler.
        StepError: the compiler failed; its first words are in the message.
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
    # Nothing of the caller's environment: a few variables change what a compiler reads and writes.
    environment = {"PATH": _PATH, "LC_ALL": "C", "TMPDIR": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        said = words[0] if words else f"exit code {done.returncode}"
        raise StepError(f"{command[0]} cannot build the launcher: {said}; apt install musl-tools brings one that can")
