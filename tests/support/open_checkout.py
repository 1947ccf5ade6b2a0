"""How other users of a private machine come to the interpreter and the checkout, wherever these lie.

A folder on the way, such as a home of mode 0700, may let nobody in but its owner; and a checkout that was made under
umask 077 may be for nobody else to read. In the mounts of the private machine an open folder with nothing but what is
needed lies over the first, and a copy over the second. On the machine itself nothing changes.
"""

from __future__ import annotations

import functools
import shlex
import sys
from pathlib import Path

from places import ROOT

CHECKOUT = ROOT

# What tests run and read of the checkout, besides the virtual environment, which `scripts/venv` makes for all to read.
PARTS = ("monitor", "netns", "web", "migrations", "tests", "scripts", "deploy", "docs", "pyproject.toml", "README.md")

READ, ENTER = 0o004, 0o001


@functools.cache
def script(place: str = "/run/closed") -> str:
    """Return the shell script that opens what is closed to others; empty where nothing is.

    Args:
        place: a path at which there is nothing yet, for the script to use.
    """
    needed = dict.fromkeys(Path(path).resolve() for path in (CHECKOUT, sys.prefix, sys.base_prefix))
    closed: dict[Path, list[Path]] = {}
    for path in needed:
        if folder := _first_closed(path):
            closed.setdefault(folder, []).append(path)
    if not _is_readable(CHECKOUT):
        closed.setdefault(_first_closed(CHECKOUT) or CHECKOUT, [CHECKOUT, Path(sys.prefix).resolve()])
    return "\n".join(_opened(folder, paths, shlex.quote(place)) for folder, paths in closed.items())


def is_open(folder: Path) -> bool:
    """Tell whether other users can get into a folder."""
    return _first_closed(folder) is None


def _first_closed(path: Path) -> Path | None:
    """Return the outermost folder on the way to a path, itself included, that others may not enter."""
    return next((step for step in [*reversed(path.parents), path] if not step.stat().st_mode & ENTER), None)


@functools.cache
def _is_readable(checkout: Path) -> bool:
    files = [file for part in PARTS for file in (checkout / part, *(checkout / part).rglob("*"))]
    return all(file.stat().st_mode & READ for file in files if file.exists())


def _opened(folder: Path, needed: list[Path], place: str) -> str:
    """Lay an open folder over a closed one, and show in it what is needed."""
    lines = [f"mkdir {place}; mount --rbind {_quoted(folder)} {place}"]
    lines += [f"mount -t tmpfs -o mode=755 opened {_quoted(folder)}"]
    for path in sorted(needed):
        source = Path(place, path.relative_to(folder))
        copied = path == CHECKOUT and not _is_readable(CHECKOUT)
        if copied or not any(other in path.parents for other in needed if other != CHECKOUT or _is_readable(CHECKOUT)):
            lines += [f"mkdir -p {_quoted(path)}", *(_copied if copied else _bound)(source, path)]
    return "\n".join([*lines, f"umount -l {place}; rmdir {place}"])


def _copied(source: Path, path: Path) -> list[str]:
    parts = " ".join(PARTS)
    return [f"(cd {_quoted(source)} && cp -a {parts} {_quoted(path)}/ && chmod -R go+rX {_quoted(path)})"]


def _bound(source: Path, path: Path) -> list[str]:
    return [f"mount --rbind {_quoted(source)} {_quoted(path)}"]


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
