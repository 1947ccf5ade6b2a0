"""Starts the programs of others, engines above all, with no more rights than they need, and ends them with us.

By sudo an engine runs as the user who called it; root on its own runs it as the owner of the state directory, where
that is somebody else (the service's user), or else as itself. Whoever it is, it holds no capability, cannot gain one,
and is killed when the process that started it ends, however that ends. What it has started itself is then killed by a
guardian: a shell that waits for our end, and that keeps the lock of the test until nothing of the engine is left.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from netns.entry.enter import SudoCaller, find_sudo_caller
from netns.kernel import privileges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType


EXIT_REFUSED = 125
_NOGROUP = 65534

# How long to wait for what was killed, and how often to look.
_REAPING_S, _PAUSE_S = 0.5, 0.002

# $1 is the engine's process group, $2 a pipe that it writes to: what left the group has inherited that. The shell waits
# for the end of its standard input, which we hold open.
_GUARDIAN = """
read -r _
kill -KILL -- "-$1"
for process in /proc/[0-9]*; do
    for stream in 1 2; do
        [ "$process/fd/$stream" -ef "/proc/self/fd/$2" ] && kill -KILL "${process#/proc/}"
    done
done
tries=50  # the dead of a container may never be reaped
while kill -0 -- "-$1" && [ "$tries" -gt 0 ]; do sleep 0.02; tries=$((tries - 1)); done
"""


@dataclass(frozen=True, slots=True)
class Confinement:
    """How the program of somebody else is started.

    Attributes:
        user: whom it becomes; None: the user of this process.
        enters: the command enters the namespace first, which needs privileges, and drops them itself.
        guarded: what it leaves behind is killed when this process is killed.
        locks: descriptors that are to stay open until then.
    """

    user: SudoCaller | None = None
    enters: bool = False
    guarded: bool = False
    locks: tuple[int, ...] = ()

    def before_exec(self) -> Callable[[], None]:
        """Return what the child does before it executes the program; on failure it ends with `EXIT_REFUSED`."""
        parent = os.getpid()
        user = (*self.user, privileges.find_groups(*self.user)) if self.user and not self.enters else None

        def drop() -> None:
            try:
                if not self.enters:
                    _give_up_privileges(user)
                privileges.die_with_parent(parent)
            except OSError as error:
                os.write(2, f"speedmon: cannot drop privileges: {error.strerror or error}\n".encode())
                os._exit(EXIT_REFUSED)

        return drop


def _give_up_privileges(user: privileges.User | None) -> None:
    privileges.drop_bounding_set()
    if user is not None:
        privileges.become_user(user)
    privileges.drop_every_capability()


def find_engine_user(environ: Mapping[str, str], state_dir: Path) -> SudoCaller | None:
    """Return as whom root runs engines; None: as the user of this process.

    Args:
        environ: names the user who called sudo.
        state_dir: the state directory; where it belongs to another user than root, that is the service's user.

    Raises:
        SpecError: SUDO_UID or SUDO_GID is not a number.
    """
    if caller := find_sudo_caller(environ):
        return caller
    if os.geteuid() != 0:
        return None
    with suppress(OSError):
        owner = state_dir.stat()
        if owner.st_uid != 0 and _is_mapped(owner.st_uid):
            return SudoCaller(owner.st_uid, _find_main_group(owner.st_uid, owner.st_gid))
    return None


def _find_main_group(uid: int, other: int) -> int:
    """Return the main group of a user; for one without a name `other`, unless that is root's."""
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return other or _NOGROUP


def _is_mapped(uid: int) -> bool:
    """Whether the user exists in the user namespace of this process: files of others belong to the overflow id."""
    ranges = [[int(word) for word in line.split()] for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(first <= uid < first + count for first, _outside, count in ranges)


class Guardian:
    """The shell that ends an engine's process group, and whatever else writes to its output, once we are gone."""

    def __init__(self, group: int, output: int, locks: tuple[int, ...]) -> None:
        command = ["/bin/sh", "-c", _GUARDIAN, "engine-guardian", str(group), str(output)]
        self._shell = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
            start_new_session=True,
            pass_fds=(output, *locks),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it without letting it act."""
        self._shell.kill()
        self._shell.wait()
        if self._shell.stdin is not None:
            self._shell.stdin.close()


@contextmanager
def orphans_killed() -> Iterator[None]:
    """Kill at the end of the block, and reap, what its children leave behind outside their process groups."""
    before = read_children()
    privileges.adopt_orphans(adopt=True)
    try:
        yield
    finally:
        end = time.monotonic() + _REAPING_S
        while (orphans := read_children() - before) and time.monotonic() < end:
            _kill_and_reap(orphans)
        privileges.adopt_orphans(adopt=False)


def _kill_and_reap(orphans: frozenset[int]) -> None:
    for pid in orphans:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for pid in orphans:
        with suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):  # not dead yet, or it cannot be killed
                time.sleep(_PAUSE_S)


def read_children() -> frozenset[int]:
    """Return the children of this process; empty where the kernel does not list them."""
    children: set[int] = set()
    with suppress(OSError):
        for thread in Path("/proc/self/task").iterdir():
            children.update(map(int, (thread / "children").read_text().split()))
    return frozenset(children)
