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


def make_namespace(outer: PrivateMachine) -> None:
    """Make the namespace and the resolv.conf that it shows."""
    outer.run(["sh", "-c", NAMESPACE_SCRIPT])


def make_users(outer: PrivateMachine) -> None:
    """Create the launcher's group, a member of it and a user who is not."""
    outer.run(["groupadd", "--force", "--system", "speedmon"])
    outer.add_user(MEMBER, 4001, "speedmon")
    outer.add_user(STRANGER, 4002)


def place_launcher(outer: PrivateMachine, program: bytes) -> None:
    """Install the launcher as `netns.launcher.install.install_launcher` does; a plain user's world has only root, who needs no more."""
    outer.path(LAUNCHER).write_bytes(program)
    outer.path(LAUNCHER).chmod(0o750)
    if IS_ROOT:
        make_users(outer)
        os.chown(outer.path(LAUNCHER), 0, int(outer.run(["sh", "-c", GROUP_ID_COMMAND]).stdout))
        os.setxattr(outer.path(LAUNCHER), marker.XATTR, marker.CAPABILITY)


@dataclass(frozen=True)
class EntryWay:
    """One of the two programs that enter, and who uses it."""

    outer: PrivateMachine
    program: tuple[str, ...]
    user: str | None = None

    def argv(self, *command: str) -> list[str]:
        """Return the command line that takes `command` into the namespace."""
        return [*self.program, *command]

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the namespace; it may fail."""
        return self.outer.run(self.argv(*command), check=False, user=self.user, **options)

    def direct(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the same command outside of the namespace, as the same user."""
        return self.outer.run(command, user=self.user, **options)

    def after(self, code: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run Python code that then becomes the way in with `command`."""
        become = f"import os, sys; {code}; os.execv(sys.argv[1], sys.argv[1:])"
        return self.outer.python(become, *self.argv(*command), check=False, user=self.user)


def enter_by_launcher(outer: PrivateMachine) -> EntryWay:
    """Return the way by the launcher: for a member of its group, where there can be one."""
    return EntryWay(outer, (LAUNCHER,), MEMBER if IS_ROOT else None)


def enter_as_root(outer: PrivateMachine) -> EntryWay:
    """Return root's own way."""
    return EntryWay(outer, (sys.executable, "-I", "-m", "netns.entry.inside", NAME, "--"))
