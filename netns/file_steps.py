"""Steps that write and remove files and folders below /etc and /run, as pure data; see `netns.steps`."""

from __future__ import annotations

from netns.steps import Step


def beside(path: str) -> str:
    """Return where a file is written before it is renamed to `path`; a process that is killed may leave it there."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.speedmon"


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
