"""Set-ups and teardowns that die by SIGKILL before their n-th change of the machine, for every n.

    python kills.py ACTION REPAIR FROM     in a private machine; prints a line for each kill that was not repaired

The interpreter's audit events announce each change before it is made: files, folders, links, mounts, programs. ACTION
and REPAIR are "setup" or "teardown"; FROM is the start of the step from which changes are counted: "" for all without
a launcher, a step of the launcher for those with one.
"""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

from street import SNAPSHOT

from netns import apply, setup
from netns.model import NamespaceSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from netns.steps import Step

IMPORTED_ONCE = apply.run  # by the parent, so that the children need not
CHANGES = {"os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.link", "os.chmod", "os.chown", "os.setxattr"}
CHANGES |= {"os.fork", "subprocess.Popen", "socket.sendto", "socket.sendmsg"}
CALLS = {"mount", "umount2", "unshare"}
ACTIONS = {"setup": setup.setup, "teardown": setup.teardown}


class Death:
    """Kills this process, and the one it was forked from, before change number `last`, counted from a given step on."""

    def __init__(self, last: int, first_step: str) -> None:
        self.last, self.first_step, self.victim = last, first_step, os.getpid()
        self.count = mmap.mmap(-1, 8)  # shared with children
        self.counts = first_step == ""

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Handle an audit event."""
        if self.counts and _is_change(event, arguments):
            self._come_closer()

    def on_step(self, step: Step) -> None:
        """Handle a step that is about to be carried out."""
        self.counts = self.counts or str(step).startswith(self.first_step)
        if self.counts:
            self._come_closer()

    def _come_closer(self) -> None:
        count = int.from_bytes(self.count[:], "little")
        if count == self.last:
            os.kill(self.victim, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        self.count[:] = (count + 1).to_bytes(8, "little")


def _is_change(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        path, _, flags = arguments
        written = isinstance(flags, int) and flags & os.O_ACCMODE != os.O_RDONLY
        return written and not str(path).startswith("/proc/")  # a setting is a step, which is counted
    return event in CHANGES or (event == "ctypes.dlsym" and arguments[1] in CALLS)


def in_a_child(action: Callable[[], object]) -> int:
    """Run `action` in a child process, which has all imports already; return its status, 0 for success."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        except Exception:  # noqa: BLE001  whatever it is, it is printed, and the parent goes on
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def snapshot() -> list[str]:
    """Return everything that a set-up could change, as lines."""
    return subprocess.run(["/bin/sh", "-c", SNAPSHOT], capture_output=True, text=True, check=False).stdout.splitlines()


def say(line: str) -> None:
    """Print a line for the test, flushed at once: a child would inherit and repeat what is buffered."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(action: str, repair: str, first_step: str) -> None:
    """Kill the action at each change in turn, repair, and compare."""
    spec = NamespaceSpec(launcher=first_step != "", uplink="eth0")
    bare = snapshot()
    last = 0
    while not _dies(action, spec, last, first_step):
        if in_a_child(lambda: ACTIONS[repair](spec)) or in_a_child(lambda: setup.teardown(spec)):
            say(f"not repaired by {repair} after a kill of {action} at change {last}")
            return
        # What a set-up does not repair is left until the end; after a teardown, the next round could remove it.
        if repair == "teardown" and not _is_bare(bare, last):
            return
        last += 1
    if in_a_child(lambda: setup.teardown(spec)) == 0 and _is_bare(bare, last):
        say(f"{last} kills, all repaired")


def _is_bare(bare: list[str], last: int) -> bool:
    """Return whether the machine is as before; print what differs if it is not."""
    difference = set(snapshot()) ^ set(bare)
    if difference:
        say(f"left after a kill at change {last}: {sorted(difference)}")
    return not difference


def _dies(action: str, spec: NamespaceSpec, last: int, first_step: str) -> bool:
    """Return False if it was killed, True if it ended before change `last`."""
    if action == "teardown":
        in_a_child(lambda: setup.setup(spec))

    def doomed() -> None:
        death = Death(last, first_step)
        sys.addaudithook(death.hear)
        ACTIONS[action](spec, on_step=death.on_step)

    return in_a_child(doomed) == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
