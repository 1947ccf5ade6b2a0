"""A world of its own for a program: network, mounts and processes that end with the caller, however the caller ends.

Without root it lies in a user namespace in which the caller is root. It is made by util-linux (unshare(1), setpriv(1));
`netns.lab.furnish` gives it a private /run and /etc from inside.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from netns.errors import LabError, MissingToolError, NotPermittedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What distributions close user namespaces with: setting, the value that closes them, one that opens them.
LOCKS = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "15000"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)


def command(program: Sequence[str], *, rootless: bool) -> list[str]:
    """Return the command line that runs a program as process 1 of a new world, killed when its caller dies."""
    user = ["--user", "--map-root-user"] if rootless else []
    unshare = ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return ["setpriv", "--pdeathsig", "KILL", *unshare, "--", *program]


def run(program: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program in a world of its own and return its exit code.

    Raises:
        NotPermittedError: this machine lets the caller make no namespaces; the message says how to allow it.
        MissingToolError: util-linux is not installed.
    """
    rootless = os.geteuid() != 0
    _require(rootless=rootless)
    # A session of its own: Ctrl-C reaches only the caller, who ends the world.
    started = command(program, rootless=rootless)
    with subprocess.Popen(started, env=env, stdin=subprocess.DEVNULL, start_new_session=True) as child:
        try:
            return child.wait()
        finally:
            child.kill()


def refusal(words: str, settings: Mapping[str, str], *, rootless: bool) -> str:
    """Return the line for a user who may make no world, from unshare's own words and the settings of `LOCKS`."""
    if not rootless:
        return f"root may make no namespaces here ({words}); a container needs CAP_SYS_ADMIN for it"
    for name, closed, opened in LOCKS:
        if settings.get(name) == closed:
            return (
                f"user namespaces are not allowed here ({name} = {closed}): allow them with"
                f" `sudo sysctl -w {name}={opened}`, or run it as root: `sudo speedmon demo`"
            )
    return f"user namespaces are not allowed here ({words}): run it as root: `sudo speedmon demo`"


def _require(*, rootless: bool) -> None:
    """Make an empty world first: it shows what reading the settings can only guess."""
    try:
        trial = subprocess.run(command(["true"], rootless=rootless), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise MissingToolError(f"{error.filename} is not installed: it comes with util-linux") from None
    if trial.returncode:
        words = (trial.stderr.strip().splitlines() or ["unshare failed"])[-1]
        raise NotPermittedError(refusal(words, _settings(), rootless=rootless))


def _settings() -> dict[str, str]:
    files = {name: Path("/proc/sys", name.replace(".", "/")) for name, _closed, _opened in LOCKS}
    return {name: file.read_text(encoding="ascii").strip() for name, file in files.items() if file.exists()}


def require_inside() -> None:
    """Make sure that this process is the first of a world, before it changes what would be the machine's own.

    Raises:
        LabError: it is not.
    """
    if os.getpid() != 1 or os.geteuid() != 0:
        raise LabError("the lab is opened inside a world of its own: use `speedmon demo`")
