"""Give a new world its own /run, /etc, /usr/local/bin and /var/lib: set-up inside writes where nobody else looks.

Runs inside, as process 1 of what `netns.lab.world` made. The machine's files stay readable: small ones as copies, the
others as links to where their folder was put aside. What must not show (sockets of the machine's resolver, its own
namespaces, its configuration of speedmon) is left out.
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
# Where set-up writes: configuration, the launcher, its journal.
STOOD_IN = ("/etc", "/usr/local/bin", "/var/lib")
LEFT_OUT = frozenset({"netns", "speedmon"})
COPIED_BYTES = 65_536
MOUNT = "mount"


def furnish(etc: Mapping[str, str]) -> None:
    """Replace /run by an empty folder, and let `etc` (name to text) stand in place of the machine's files in /etc.

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
    aside = ASIDE / folder.relative_to("/")
    aside.mkdir(parents=True)
    _mount("--rbind", str(folder), str(aside))
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))
    for original in aside.iterdir():
        if original.name not in replaced and original.name not in LEFT_OUT:
            _reproduce(original, folder / original.name)
    for name, text in replaced.items():
        (folder / name).write_text(text, encoding="utf-8")


def _reproduce(original: Path, place: Path) -> None:
    """Copy a link or a small file, link to a folder or a large file, leave out what the caller may not read."""
    if original.is_symlink():
        place.symlink_to(original.readlink())
    elif not os.access(original, os.R_OK):
        return
    elif original.is_file() and original.stat().st_size <= COPIED_BYTES:
        shutil.copy(original, place)
    else:
        place.symlink_to(original)


def _show_own_links() -> None:
    """Mount a /sys that shows this world's links; where a container forbids it, the machine's stays."""
    subprocess.run([MOUNT, "-t", "sysfs", "sysfs", "/sys"], capture_output=True, check=False)


def _mount(*arguments: str) -> None:
    done = subprocess.run([MOUNT, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"the lab cannot be furnished: mount {' '.join(arguments)}: {done.stderr.strip()}")
