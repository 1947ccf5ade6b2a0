"""Set-ups and teardowns that die by SIGKILL, once in each state that they leave the machine in on their way.

    python killed_setups.py [SETUP_STEP TEARDOWN_STEP]     in a private machine; prints each kill that was not repaired

The interpreter's audit events announce each change before it is made: files, folders, links, mounts, programs. A kill
comes before a change, or at the start of a step, if something has changed since the point before. The arguments are the
starts of the steps of the launcher, from which kills are counted; without them there is no launcher, and all count.
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

# Events whose first argument is a path that must be there, or must not be there, for the call to change anything.
CHANGE_IF_THERE = {"os.rmdir", "os.remove", "os.rename"}
CHANGE_IF_NOT_THERE = {"os.mkdir"}
CHANGE_EVENTS = {"os.link", "os.chmod", "os.chown", "os.setxattr", "socket.sendto", "socket.sendmsg"}
CHANGING_CALLS = {"mount", "umount2", "unshare"}

ACTIONS = {"setup": setup.set_up_namespace, "teardown": setup.tear_down_namespace}
MACHINE_SETTINGS = "/proc/sys/"


class KillSwitch:
    """Kills this process, and the one it was forked from, in state number `last`, counted from a given step on."""

    def __init__(self, last: int, first_step: str) -> None:
        self.last, self.first_step, self.victim = last, first_step, os.getpid()
        # Shared with children: the number of the state, and whether it is a new one.
        self.count, self.is_new = mmap.mmap(-1, 8), mmap.mmap(-1, 1)
        self.is_new[0] = 1
        self.counts = first_step == ""

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Handle an audit event."""
        if self.counts and _is_change(event, arguments):
            if not _is_setting(arguments):  # a setting is a step, which is counted
                self._come_closer()
            self.is_new[0] = 1

    def on_step(self, step: Step) -> None:
        """Handle a step that is about to be carried out."""
        self.counts = self.counts or str(step).startswith(self.first_step)
        if self.counts:
            self._come_closer()

    def _come_closer(self) -> None:
        if not self.is_new[0]:
            return
        count = int.from_bytes(self.count[:], "little")
        if count == self.last:
            os.kill(self.victim, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        self.count[:] = (count + 1).to_bytes(8, "little")
        self.is_new[0] = 0


def _is_setting(arguments: tuple[object, ...]) -> bool:
    return str(arguments[0]).startswith(MACHINE_SETTINGS)


def _is_change(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        path, _, flags = arguments
        return isinstance(path, str) and isinstance(flags, int) and flags & os.O_ACCMODE != os.O_RDONLY
    if event in CHANGE_IF_THERE | CHANGE_IF_NOT_THERE:
        return os.path.lexists(str(arguments[0])) == (event in CHANGE_IF_THERE)
    if event == "subprocess.Popen":
        return "list" not in str(arguments[1])  # `nft list` changes nothing
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


class Rounds:
    """What is done again and again on one machine; `steps` are the first steps that count, by action."""

    def __init__(self, steps: dict[str, str]) -> None:
        self.steps = steps
        self.spec = NamespaceSpec(launcher=any(steps.values()), uplink="eth0")
        self.bare = take_snapshot()

    def kill(self, action: str, last: int) -> bool:
        """Kill an action in a state; return False if it ended before that."""

        def doomed() -> None:
            death = KillSwitch(last, self.steps[action])
            sys.addaudithook(death.hear)
            ACTIONS[action](self.spec, on_step=death.on_step)

        return run_in_child(doomed) != 0

    def call(self, action: str, killed: str, last: int) -> None:
        """Carry out an action to its end, and after a teardown compare the machine with what it was at first.

        Raises:
            SystemExit: the action failed, or something is left.
        """
        if run_in_child(lambda: ACTIONS[action](self.spec)):
            raise SystemExit(f"{action} failed after a kill of {killed} in state {last}")
        difference = set(take_snapshot()) ^ set(self.bare) if action == "teardown" else set()
        if difference:
            raise SystemExit(f"left after a kill of {killed} in state {last}: {sorted(difference)}")

    def repair_itself(self, last: int) -> tuple[bool, bool]:
        """A killed set-up is repaired by set-up, a killed teardown by teardown; return which were killed."""
        setup_died = self.kill("setup", last)
        self.call("setup", "setup", last)
        teardown_died = self.kill("teardown", last)
        self.call("teardown", "teardown", last)
        return setup_died, teardown_died

    def repair_by_teardown(self, last: int) -> bool:
        """A killed set-up is repaired by teardown; return whether it was killed."""
        died = self.kill("setup", last)
        self.call("teardown", "setup", last)
        return died

    def repair_by_setup(self, states: range) -> None:
        """A killed teardown is repaired by set-up, in each of these states."""
        self.call("setup", "nothing", 0)
        for last in states:
            self.kill("teardown", last)
            self.call("setup", "teardown", last)
        self.call("teardown", "nothing", 0)


def main(setup_step: str = "", teardown_step: str = "") -> None:
    """Kill both actions in each state, repair by one of the two calls in turn, and compare."""
    rounds = Rounds({"setup": setup_step, "teardown": teardown_step})
    # Which of the two repairs which state differs from one Python to the next, so that CI sees both of each.
    last, odd = 0, sys.version_info.minor % 2
    setups = teardowns = 0
    dies = True
    while dies:
        if last % 2 == odd:
            setup_died, teardown_died = rounds.repair_itself(last)
            teardowns = last + 1 if teardown_died else teardowns
            dies = setup_died or teardown_died
        else:
            setup_died = rounds.repair_by_teardown(last)
        setups, last = setups + setup_died, last + 1
    rounds.repair_by_setup(range(1 - odd, teardowns + 1, 2))
    sys.stdout.write(f"{setups} {teardowns}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
