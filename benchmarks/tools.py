"""Programs that a benchmark needs and that may not be here: it ends with one line that says what to install."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

# Folders that are not on everybody's PATH; Debian keeps the programs of PostgreSQL below its version.
FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin")))

# What the private machines of tests/ are made with.
MACHINE = ("unshare:util-linux", "ip:iproute2", "nft:nftables", "iptables:iptables", "sysctl:procps")


def need(*programs: str, root: bool = False) -> None:
    """End unless each program, named as `PROGRAM:DEBIAN-PACKAGE`, is here and the caller is root, where it must be."""
    if root and os.geteuid() != 0:
        sys.exit("this benchmark must run as root")
    path = os.pathsep.join([os.environ.get("PATH", ""), *FOLDERS])
    pairs = [program.partition(":") for program in programs]
    missing = dict.fromkeys(package for program, _, package in pairs if shutil.which(program, path=path) is None)
    if missing:
        sys.exit(f"missing programs; install them: apt install {' '.join(missing)}")
