"""Which ways into the namespace would work for the caller where the launcher does not, in the words of an error."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from netns import pasta
from netns.handle import handle_path

if TYPE_CHECKING:
    from netns.rights import Rights

# What sd_booted(3) looks at.
SYSTEMD = "/run/systemd/system"


def other_ways(name: str, rights: Rights) -> list[str]:
    """Return one phrase a way that works on this machine, the most trustworthy first."""
    ways = {
        "sudo speedmon (the command still runs as you)": rights.may_gain and shutil.which("sudo") is not None,
        f"a systemd service with NetworkNamespacePath={handle_path(name)}": os.path.isdir(SYSTEMD),  # noqa: PTH112  light
        'pasta (namespace.way = "pasta", exec --way pasta)': pasta.obstacle() is None,
    }
    return [way for way, works in ways.items() if works]
