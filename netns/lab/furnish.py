"""Gives a private machine its own /run, /etc, /usr/local/bin and /var/lib, so that set-up inside writes only there.

Runs inside, as process 1 of the namespaces that `netns.lab.world` made. The machine's files stay readable: small ones
as copies, others as links to the original folder, which is mounted elsewhere. Hidden are the sockets of the machine's
resolver, its own namespaces and its configuration of speedmon.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from netns.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

ASIDE = Path("/run/speedmon-lab")
# The folders that set-up writes to: configuration, launcher, journal.
STOOD_IN = ("/etc", "/usr/local/bin", "/var/lib")
LEFT_OUT = frozenset({"netns", "speedmon"})
COPIED_BYTES = 65_536
MOUNT = "mount"


def furnish(etc: Mapping[str, str]) -> None:
    """Replace /run by an empty folder, and files in /etc by those of `etc` (name to text).

    Raises:
        LabError: the kernel refuses a mount.
    """
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for folder in ("/run/lock", "/run/netns"):
        Path(folder).mkdir()
    for folder in STOOD_IN:
        _stand_in(Path(folder), etc if folder == "/etc" else {})
    _show_own_links()


def _stand_in(folder: Path, replaced: Mapping[str, str]) -> None:
    original_folder = ASIDE / folder.relative_to("/")
    original_folder.mkdir(parents=True)
    _mount("--rbind", str(folder), str(original_folder))
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))
    for original in original_folder.iterdir():
        if original.name not in replaced and original.name not in LEFT_OUT:
            _reproduce(original, folder / original.name)
    for name, text in replaced.items():
        (folder / name).write_text(text, encoding="utf-8")


def _reproduce(original: Path, target: Path) -> None:
    """Copy a link or a small file, link to a folder or a large file, omit what the caller may not read."""
    if original.is_symlink():
        target.symlink_to(original.readlink())
    elif not os.access(original, os.R_OK):
        return
    elif original.is_file() and original.stat().st_size <= COPIED_BYTES:
        shutil.copy(original, target)
    else:
        target.symlink_to(original)


def _show_own_links() -> None:
    """Mount a /sys that shows the links of this namespace; if a container forbids it, the machine's stays."""
    subprocess.run([MOUNT, "-t", "sysfs", "sysfs", "/sys"], capture_output=True, check=False)


def _mount(*arguments: str) -> None:
    completed = subprocess.run([MOUNT, *arguments], capture_output=True, text=True, check=False)
    if completed.returncode:
        raise LabError(f"cannot prepare the files of the lab: mount {' '.join(arguments)}: {completed.stderr.strip()}")
