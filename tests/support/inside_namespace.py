"""A private machine with a namespace `ip4only`, and the two ways into that namespace, for the tests of both."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netns.launcher import marker

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from private_machine import PrivateMachine

NAME = "ip4only"
LAUNCHER = f"/usr/local/bin/{NAME}"
MEMBER, STRANGER = "member", "stranger"
IS_ROOT = os.geteuid() == 0

NAMESPACE_SCRIPT = f"""
set -e
ip netns add {NAME}
mkdir -p /etc/netns/{NAME}
echo 'nameserver 192.0.2.53' >/etc/netns/{NAME}/resolv.conf
echo 'nameserver 127.0.0.53' >/run/resolv.conf   # as with systemd-resolved: a symlink into /run
ln -sfn /run/resolv.conf /etc/resolv.conf
"""

GROUP_ID_COMMAND = "getent group speedmon | cut -d: -f3"


def make_namespace(machine: PrivateMachine) -> None:
    """Make the namespace and the resolv.conf that it shows."""
    machine.run(["sh", "-c", NAMESPACE_SCRIPT])


def make_users(machine: PrivateMachine) -> None:
    """Create the launcher's group, a member of it and a user who is not."""
    machine.run(["groupadd", "--force", "--system", "speedmon"])
    machine.add_user(MEMBER, 4001, "speedmon")
    machine.add_user(STRANGER, 4002)


def place_launcher(machine: PrivateMachine, program: bytes) -> None:
    """Install the launcher as `install_launcher` does; a plain user's machine has only root, who needs no more."""
    machine.path(LAUNCHER).write_bytes(program)
    machine.path(LAUNCHER).chmod(0o750)
    if IS_ROOT:
        make_users(machine)
        os.chown(machine.path(LAUNCHER), 0, int(machine.run(["sh", "-c", GROUP_ID_COMMAND]).stdout))
        os.setxattr(machine.path(LAUNCHER), marker.XATTR, marker.CAPABILITY)


@dataclass(frozen=True)
class EntryWay:
    """One of the two programs that enter, and who uses it."""

    machine: PrivateMachine
    program: tuple[str, ...]
    user: str | None = None

    def argv(self, *command: str) -> list[str]:
        """Return the command line that takes `command` into the namespace."""
        return [*self.program, *command]

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the namespace; it may fail."""
        return self.machine.run(self.argv(*command), check=False, user=self.user, **options)

    def direct(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the same command outside of the namespace, as the same user."""
        return self.machine.run(command, user=self.user, **options)

    def after(self, code: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run Python code that then becomes the way in with `command`."""
        become = f"import os, sys; {code}; os.execv(sys.argv[1], sys.argv[1:])"
        return self.machine.python(become, *self.argv(*command), check=False, user=self.user)


def enter_by_launcher(machine: PrivateMachine) -> EntryWay:
    """Return the way by the launcher: for a member of its group, where there can be one."""
    return EntryWay(machine, (LAUNCHER,), MEMBER if IS_ROOT else None)


def enter_as_root(machine: PrivateMachine) -> EntryWay:
    """Return root's own way."""
    return EntryWay(machine, (sys.executable, "-I", "-m", "netns.entry.inside", NAME, "--"))
