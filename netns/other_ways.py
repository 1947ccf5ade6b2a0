"""Other ways into the namespace that work for this caller, for the error about a launcher that does not."""

from __future__ import annotations

import os
import shutil

from netns import pasta
from netns.handle import handle_path

# What sd_booted(3) looks at.
SYSTEMD = "/run/systemd/system"


def other_ways(name: str, *, may_gain: bool) -> list[str]:
    """Return one phrase for each way that works on this machine, the most trustworthy first.

    `may_gain`: programs that this process starts can gain privileges, as sudo does.
    """
    ways = {
        "sudo speedmon (the command still runs as you)": may_gain and shutil.which("sudo") is not None,
        f"a systemd service with NetworkNamespacePath={handle_path(name)}": os.path.isdir(SYSTEMD),  # noqa: PTH112  light
        'pasta (namespace.way = "pasta", exec --way pasta)': pasta.obstacle() is None,
    }
    return [way for way, works in ways.items() if works]
