"""Set-ups and teardowns that die by SIGKILL before their n-th change of the machine, for every n.

    python kills.py ACTION MEND FROM     in a private machine; prints a line for each death that was not mended

The interpreter's audit events tell of a change before it is made: files, folders, links, mounts, programs. ACTION and
MEND are "setup" or "teardown"; FROM is the start of the step from which deaths are counted: "" for all without a
launcher, a step of the launcher for those with one.
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

IMPORTED_ONCE = apply  # by the parent, not by each child
CHANGES = {"os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.link", "os.chmod", "os.chown", "os.setxattr"}
CHANGES |= {"os.fork", "subprocess.Popen", "socket.sendto", "socket.sendmsg"}
CALLS = {"mount", "umount2", "unshare"}
ACTIONS = {"setup": setup.setup, "teardown": setup.teardown}


class Death:
    """Kills this process, and the one it was forked from, before the `last`-th change from the step `begin` on."""

    def __init__(self, last: int, begin: str) -> None:
        self.last, self.begin, self.victim = last, begin, os.getpid()
        self.count = mmap.mmap(-1, 8)  # shared with children
        self.counts = begin == ""

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take an audit event."""
        if self.counts and _is_change(event, arguments):
            self._come_closer()

    def on_step(self, step: Step) -> None:
        """Take a step that is about to be done."""
        self.counts = self.counts or str(step).startswith(self.begin)
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
    """Do `action` in a process of its own, without importing anything anew; return its status, 0 when it ended well."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        except Exception:  # noqa: BLE001  whatever it is, it is told and the parent goes on
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def snapshot() -> list[str]:
    """Return everything that a set-up could change, as lines."""
    return subprocess.run(["/bin/sh", "-c", SNAPSHOT], capture_output=True, text=True, check=False).stdout.splitlines()


def say(words: str) -> None:
    """Tell the test; at once, because children are copies of what is not written yet."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main(action: str, mend: str, begin: str) -> None:
    """Die at each change in turn, mend, and compare."""
    spec = NamespaceSpec(launcher=begin != "", uplink="eth0")
    bare = snapshot()
    last = 0
    while not _dies(action, spec, last, begin):
        if in_a_child(lambda: ACTIONS[mend](spec)) or in_a_child(lambda: setup.teardown(spec)):
            say(f"not mended by {mend} after a death of {action} at change {last}")
            return
        # What a set-up does not mend stays to the end; a teardown could have it taken away by the next one.
        if mend == "teardown" and not _is_bare(bare, last):
            return
        last += 1
    if in_a_child(lambda: setup.teardown(spec)) == 0 and _is_bare(bare, last):
        say(f"{last} deaths, all mended")


def _is_bare(bare: list[str], last: int) -> bool:
    """Tell whether the machine is as it was, and what differs if it is not."""
    left = set(snapshot()) ^ set(bare)
    if left:
        say(f"left after a death at change {last}: {sorted(left)}")
    return not left


def _dies(action: str, spec: NamespaceSpec, last: int, begin: str) -> bool:
    """Return False when it died, True when it came to its end before change `last`."""
    if action == "teardown":
        in_a_child(lambda: setup.setup(spec))

    def doomed() -> None:
        death = Death(last, begin)
        sys.addaudithook(death.hear)
        ACTIONS[action](spec, on_step=death.on_step)

    return in_a_child(doomed) == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
