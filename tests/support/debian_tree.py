"""Debian systems as file trees, made with mmdebstrap, and the wheels that speedmon needs there; kept in a cache.

Where packages come from is read from this machine's own apt configuration, and where wheels do from pip's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from places import ROOT

# A tree is made again when this changes.
VERSION = 2

# What `pipx install` needs to build speedmon, and to make an environment.
BUILD_NEEDS = ("hatchling", "pip", "setuptools", "wheel")

# Folders below /usr/share that no program needs.
UNUSED = ("doc", "info", "locale", "man")

COMMON = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "sudo",
    "nftables",
    "pipx",
    "python3-venv",
    "iproute2",
    "iputils-ping",
    "ifupdown",
    "ca-certificates",
    "cron",
)


@dataclass(frozen=True)
class Suite:
    """A Debian release: its name, its Python, and the packages that it has besides the common ones."""

    name: str
    python: str
    packages: tuple[str, ...]


# One has a C compiler, the other none: the launcher is for the first only.
SUITES = (
    Suite("bookworm", "3.11", ("isc-dhcp-client", "gcc", "libc6-dev")),
    Suite("trixie", "3.13", ("dhcpcd-base",)),
)


def cache_directory() -> Path:
    """Return where trees and wheels are kept between runs."""
    base = os.environ.get("SPEEDMON_TREES") or os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base, "speedmon-trees")


def prepare_tree(suite: Suite) -> Path:
    """Return the tree of a release, made now unless it is in the cache."""
    packages = (*COMMON, *suite.packages)
    digest = hashlib.sha256(f"{VERSION} {packages}".encode()).hexdigest()[:12]
    tree = cache_directory() / f"{suite.name}-{digest}"
    if tree.exists():
        return tree
    unfinished = tree.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    options = ["--mode=root", "--variant=apt", "--dpkgopt=force-unsafe-io", f"--include={','.join(packages)}"]
    options += [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in UNUSED]
    _run(["mmdebstrap", "--quiet", *options, suite.name, str(unfinished), _mirror()])
    unfinished.rename(tree)
    _remove_older(tree)
    return tree


def prepare_wheels(suite: Suite) -> Path:
    """Return the folder of the wheels for the Python of a release."""
    lock = ROOT / "requirements.lock"
    folder = cache_directory() / f"wheels-{suite.name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(unfinished)]
    download += ["--python-version", suite.python]
    _run([*download, "--no-deps", "--requirement", str(lock)])
    _run([*download, *BUILD_NEEDS])
    unfinished.rename(folder)
    _remove_older(folder)
    return folder


def build_wheel(folder: Path) -> None:
    """Build the wheel of this checkout into a folder, for what names the distribution instead of the checkout."""
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)])


def _remove_older(folder: Path) -> None:
    """Remove what is in the cache under the same name with another digest."""
    for other in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _mirror() -> str:
    """Return the address from which this machine gets Debian's main archive."""
    shown = subprocess.run(
        ["/usr/bin/apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"],
        check=True,
        capture_output=True,
        text=True,
    )
    releases = ("bookworm", "trixie", "stable", "testing", "sid")
    for line in shown.stdout.splitlines():
        site, release, component = line.split()
        if release in releases and component == "main":
            return site
    raise RuntimeError("apt knows no source of Debian's packages: see /etc/apt/sources.list")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")
