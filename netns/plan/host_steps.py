"""Steps on files and folders below /etc and /run, on the launcher and on its group, as pure data; see `steps`."""

from __future__ import annotations

from netns.plan.steps import Step


class WriteFile(Step, frozen=True):
    """Write a small root-owned file atomically; `previous` is the text we wrote there before, None for a new file."""

    path: str
    content: str
    mode: int = 0o644
    previous: str | None = None

    def __str__(self) -> str:
        return f"install -m {self.mode:o} /dev/stdin {self.path}  # {len(self.content)} bytes"

    @property
    def undo(self) -> Step:
        if self.previous is not None:
            return WriteFile(self.path, self.previous, self.mode)
        return RemoveFile(self.path)


class RemoveFile(Step, frozen=True):
    """Remove a file of ours."""

    path: str

    def __str__(self) -> str:
        return f"rm {self.path}"


class MakeDirectory(Step, frozen=True):
    """Make a root-owned folder."""

    path: str

    def __str__(self) -> str:
        return f"mkdir -m 755 {self.path}"

    @property
    def undo(self) -> Step:
        return RemoveDirectory(self.path)


class RemoveDirectory(Step, frozen=True):
    """Remove a folder that we made, unless it is not empty."""

    path: str

    def __str__(self) -> str:
        return f"rmdir --ignore-fail-on-non-empty {self.path}"


class UnmountHandles(Step, frozen=True):
    """Unmount /run/netns, which the first named namespace mounted, once no namespace is left in it."""

    path: str = "/run/netns"

    def __str__(self) -> str:
        return f"umount {self.path}"


class CreateGroup(Step, frozen=True):
    """Create the system group whose members may use the launcher."""

    group: str

    def __str__(self) -> str:
        return f"groupadd --system {self.group}"

    @property
    def undo(self) -> Step:
        return DeleteGroup(self.group)


class DeleteGroup(Step, frozen=True):
    """Remove the group that we created."""

    group: str

    def __str__(self) -> str:
        return f"groupdel {self.group}"


class AddMember(Step, frozen=True):
    """Add a user to the launcher's group."""

    user: str
    group: str

    def __str__(self) -> str:
        return f"usermod --append --groups {self.group} {self.user}"

    @property
    def undo(self) -> Step:
        return RemoveMember(self.user, self.group)


class RemoveMember(Step, frozen=True):
    """Remove a user whom we added from the launcher's group."""

    user: str
    group: str

    def __str__(self) -> str:
        return f"gpasswd --delete {self.user} {self.group}"


class PlaceLauncher(Step, frozen=True):
    """Compile the launcher of a namespace and install it with its only capability, cap_sys_admin."""

    name: str
    path: str
    group: str

    def __str__(self) -> str:
        return (
            f"cc -static -o {self.path} ip4only.c && chown root:{self.group} {self.path}"
            f" && chmod 750 {self.path} && setcap cap_sys_admin+ep {self.path}"
        )

    @property
    def undo(self) -> Step:
        return RemoveLauncher(self.path)


class RemoveLauncher(Step, frozen=True):
    """Remove our launcher."""

    path: str

    def __str__(self) -> str:
        return f"rm {self.path}"
