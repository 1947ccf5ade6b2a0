"""The steps of an installation as pure data: each prints as the shell command that does the same, and has its undo.

Those on groups, their members and empty folders are the ones of `netns.plan.host_steps`.
"""

from __future__ import annotations

from netns.plan.host_steps import RemoveDirectory
from netns.plan.steps import Step


class MakeFolder(Step, frozen=True):
    """Make a folder, or give it the right owner and mode."""

    path: str
    mode: int
    user: str = "root"
    group: str = "root"
    existed: bool = False

    def __str__(self) -> str:
        return f"install -d -m {self.mode:o} -o {self.user} -g {self.group} {self.path}"

    @property
    def undo(self) -> Step | None:
        return None if self.existed else RemoveDirectory(self.path)


class InstallFile(Step, frozen=True):
    """Write a file of root's; `previous` is the text that it replaces, None for a new file."""

    path: str
    content: str
    mode: int = 0o644
    group: str = "root"
    previous: str | None = None

    def __str__(self) -> str:
        return f"install -m {self.mode:o} -g {self.group} /dev/stdin {self.path}  # {len(self.content)} bytes"

    @property
    def undo(self) -> Step:
        if self.previous is None:
            return UninstallFile(self.path)
        return InstallFile(self.path, self.previous, self.mode, self.group)


class UninstallFile(Step, frozen=True):
    """Remove a file; `previous` is its text, None where it need not come back."""

    path: str
    previous: str | None = None

    def __str__(self) -> str:
        return f"rm -f {self.path}"

    @property
    def undo(self) -> Step | None:
        return None if self.previous is None else InstallFile(self.path, self.previous)


class RemoveTree(Step, frozen=True):
    """Remove a folder with all that is in it."""

    path: str

    def __str__(self) -> str:
        return f"rm -rf {self.path}"


class GiveTree(Step, frozen=True):
    """Give a folder and the files in it to a user and a group; links are not followed.

    `shared`: the group may write; else the owner alone may do anything.
    """

    path: str
    user: str
    group: str
    shared: bool = True

    def __str__(self) -> str:
        rights = "ug+rwX" if self.shared else "go-w"
        return f"chown -hR {self.user}:{self.group} {self.path} && chmod -R {rights} {self.path}"


class CreateUser(Step, frozen=True):
    """Make a system user with a group that exists."""

    user: str
    group: str
    home: str

    def __str__(self) -> str:
        return (
            f"useradd --system --gid {self.group} --home-dir {self.home} --no-create-home"
            f" --shell /usr/sbin/nologin {self.user}"
        )

    @property
    def undo(self) -> Step:
        return DeleteUser(self.user)


class DeleteUser(Step, frozen=True):
    """Remove a user."""

    user: str

    def __str__(self) -> str:
        return f"userdel {self.user}"


class SetUpNamespace(Step, frozen=True):
    """Make or mend the namespace, with the launcher where it can be compiled."""

    launcher: bool
    existed: bool = False

    def __str__(self) -> str:
        return f"speedmon setup-netns{'' if self.launcher else ' --no-launcher'}"

    @property
    def undo(self) -> Step | None:
        return None if self.existed else TearDownNamespace()


class TearDownNamespace(Step, frozen=True):
    """Remove the namespace, its rules and the launcher."""

    def __str__(self) -> str:
        return "speedmon teardown-netns"


class UpgradeDatabase(Step, frozen=True):
    """Make the database or bring it to the current schema, as the service's user."""

    user: str
    group: str
    command: str
    file: str
    existed: bool = False

    def __str__(self) -> str:
        return f"setpriv --reuid {self.user} --regid {self.group} --clear-groups {self.command} db upgrade"

    @property
    def undo(self) -> Step | None:
        return None if self.existed else UninstallFile(self.file)


class ReloadUnits(Step, frozen=True):
    """Let systemd read the unit files again."""

    def __str__(self) -> str:
        return "systemctl daemon-reload"

    @property
    def undo(self) -> Step:
        return ReloadUnits()


class EnableUnit(Step, frozen=True):
    """Let a unit start at boot."""

    unit: str

    def __str__(self) -> str:
        return f"systemctl enable {self.unit}"

    @property
    def undo(self) -> Step:
        return DisableUnit(self.unit)


class DisableUnit(Step, frozen=True):
    """Stop a unit, and let it start at boot no longer."""

    unit: str

    def __str__(self) -> str:
        return f"systemctl disable --now {self.unit}"


class StopUnit(Step, frozen=True):
    """Stop a unit before what it uses is replaced."""

    unit: str

    def __str__(self) -> str:
        return f"systemctl stop {self.unit}"

    @property
    def undo(self) -> Step:
        return StartUnit(self.unit)


class ForgetFailures(Step, frozen=True):
    """Let systemd forget which of our units failed, as it would go on listing them."""

    units: tuple[str, ...]

    def __str__(self) -> str:
        return f"systemctl reset-failed {' '.join(self.units)}"


class AwaitTest(Step, frozen=True):
    """Wait until the test that runs has ended, whoever started it."""

    timeout_s: int
    file: str

    def __str__(self) -> str:
        return f"flock --timeout {self.timeout_s} {self.file} true"


class StartUnit(Step, frozen=True):
    """Start a unit."""

    unit: str

    def __str__(self) -> str:
        return f"systemctl start {self.unit}"

    @property
    def undo(self) -> Step:
        return StopUnit(self.unit)
