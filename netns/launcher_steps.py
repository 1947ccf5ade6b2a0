"""Steps on the launcher and the group that may use it, as pure data; see `netns.steps`."""

from __future__ import annotations

from netns.steps import Step


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
