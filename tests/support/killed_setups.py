"""Set-ups and teardowns that die by SIGKILL before their n-th change of the machine, for every n.

    python killed_setups.py ACTION REPAIR FROM     in a private machine; prints each kill that was not repaired

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

from home_network import SNAPSHOT_SCRIPT

from netns import apply, setup
from netns.spec import NamespaceSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from netns.plan.steps import Step

IMPORTED_BY_PARENT = apply.apply_steps  # by the parent, so that the children need not

CHANGE_EVENTS = {"os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.link", "os.chmod", "os.chown", "os.setxattr"}

CHANGE_EVENTS |= {"os.fork", "subprocess.Popen", "socket.sendto", "socket.sendmsg"}

CHANGING_CALLS = {"mount", "umount2", "unshare"}

ACTIONS = {"setup": setup.set_up_namespace, "teardown": setup.tear_down_namespace}


class KillSwitch:
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
    return event in CHANGE_EVENTS or (event == "ctypes.dlsym" and arguments[1] in CHANGING_CALLS)


def run_in_child(action: Callable[[], object]) -> int:
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


def take_snapshot() -> list[str]:
    """Return everything that a set-up could change, as lines."""
    return subprocess.run(
        ["/bin/sh", "-c", SNAPSHOT_SCRIPT], capture_output=True, text=True, check=False
    ).stdout.splitlines()


def print_line(line: str) -> None:
    """Print a line for the test, flushed at once: a child would inherit and repeat what is buffered."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(action: str, repair: str, first_step: str) -> None:
    """Kill the action at each change in turn, repair, and compare."""
    spec = NamespaceSpec(launcher=first_step != "", uplink="eth0")
    bare = take_snapshot()
    last = 0
    while not _run_killed(action, spec, last, first_step):
        if run_in_child(lambda: ACTIONS[repair](spec)) or run_in_child(lambda: setup.tear_down_namespace(spec)):
            print_line(f"not repaired by {repair} after a kill of {action} at change {last}")
            return
        # What a set-up does not repair is left until the end; after a teardown, the next round could remove it.
        if repair == "teardown" and not _is_restored(bare, last):
            return
        last += 1
    if run_in_child(lambda: setup.tear_down_namespace(spec)) == 0 and _is_restored(bare, last):
        print_line(f"{last} kills, all repaired")


def _is_restored(bare: list[str], last: int) -> bool:
    """Return whether the machine is as before; print what differs if it is not."""
    difference = set(take_snapshot()) ^ set(bare)
    if difference:
        print_line(f"left after a kill at change {last}: {sorted(difference)}")
    return not difference


def _run_killed(action: str, spec: NamespaceSpec, last: int, first_step: str) -> bool:
    """Return False if it was killed, True if it ended before change `last`."""
    if action == "teardown":
        run_in_child(lambda: setup.set_up_namespace(spec))

    def doomed() -> None:
        death = KillSwitch(last, first_step)
        sys.addaudithook(death.hear)
        ACTIONS[action](spec, on_step=death.on_step)

    return run_in_child(doomed) == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
