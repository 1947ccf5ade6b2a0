"""A private machine for a program: network, mounts and processes of its own, which end with the caller in any case.

Without root it is in a user namespace in which the caller is root. util-linux creates it (unshare(1), setpriv(1));
`netns.lab.furnish` then gives it a private /run and /etc from inside.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from netns.errors import LabError, MissingToolError, NotPermittedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# How distributions forbid user namespaces: sysctl, the value that forbids them, a value that allows them.
LOCKS = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "15000"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)


def command(program: Sequence[str], *, rootless: bool) -> list[str]:
    """Return the command line that runs a program as process 1 of a private machine, killed when the caller dies."""
    user = ["--user", "--map-root-user"] if rootless else []
    unshare = ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return ["setpriv", "--pdeathsig", "KILL", *unshare, "--", *program]


def run(program: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program in a private machine and return its exit code.

    Raises:
        NotPermittedError: the caller may not create namespaces; the message says how to allow it.
        MissingToolError: util-linux is not installed.
    """
    rootless = os.geteuid() != 0
    _require(rootless=rootless)
    # A session of its own: Ctrl-C reaches only the caller, which then ends the private machine.
    command_line = command(program, rootless=rootless)
    with subprocess.Popen(command_line, env=env, stdin=subprocess.DEVNULL, start_new_session=True) as child:
        try:
            return child.wait()
        finally:
            child.kill()


def refusal(error_text: str, settings: Mapping[str, str], *, rootless: bool) -> str:
    """Return the message for a user who may not create namespaces, from unshare's error and the values of `LOCKS`."""
    if not rootless:
        return f"root may not create namespaces here ({error_text}); a container needs CAP_SYS_ADMIN for that"
    for name, closed, opened in LOCKS:
        if settings.get(name) == closed:
            return (
                f"user namespaces are not allowed here ({name} = {closed}): allow them with"
                f" `sudo sysctl -w {name}={opened}`, or run it as root: `sudo speedmon demo`"
            )
    return f"user namespaces are not allowed here ({error_text}): run it as root: `sudo speedmon demo`"


def _require(*, rootless: bool) -> None:
    """Try it with an empty private machine: that proves what the settings only suggest."""
    try:
        trial = subprocess.run(command(["true"], rootless=rootless), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise MissingToolError(f"{error.filename} is not installed: it comes with util-linux") from None
    if trial.returncode:
        error_text = (trial.stderr.strip().splitlines() or ["unshare failed"])[-1]
        raise NotPermittedError(refusal(error_text, _settings(), rootless=rootless))


def _settings() -> dict[str, str]:
    files = {name: Path("/proc/sys", name.replace(".", "/")) for name, _closed, _opened in LOCKS}
    return {name: file.read_text(encoding="ascii").strip() for name, file in files.items() if file.exists()}


def require_inside() -> None:
    """Make sure that this process is process 1 of a private machine, before it changes any files or links.

    Raises:
        LabError: it is not.
    """
    if os.getpid() != 1 or os.geteuid() != 0:
        raise LabError("the lab only runs inside a private machine: use `speedmon demo`")
