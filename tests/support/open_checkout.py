"""Lets the other users of a private machine run the interpreter and read the checkout, wherever these are.

The checkout may be in a home directory of mode 0700, or may have been made under umask 077. In the mounts of the
private machine, an open folder with only what is needed then covers the closed folder, and a readable copy covers the
checkout. Nothing changes on the machine itself.
"""

from __future__ import annotations

import functools
import shlex
import sys
from pathlib import Path

from places import ROOT

# Others may read a file, or enter a folder.
READ, ENTER = 0o004, 0o001


@functools.cache
def open_script(place: str = "/run/closed") -> str:
    """Return the shell script that opens what is closed to other users; empty if nothing is.

    Args:
        place: a path that does not exist yet, for the script to use.
    """
    needed = dict.fromkeys(Path(path).resolve() for path in (ROOT, sys.prefix, sys.base_prefix))
    closed: dict[Path, list[Path]] = {}
    for path in needed:
        if folder := _first_closed(path):
            closed.setdefault(folder, []).append(path)
    if not _is_checkout_readable():
        closed.setdefault(_first_closed(ROOT) or ROOT, [ROOT, Path(sys.prefix).resolve()])
    return "\n".join(_cover(folder, paths, shlex.quote(place)) for folder, paths in closed.items())


def is_open(folder: Path) -> bool:
    """Return whether other users can enter a folder."""
    return _first_closed(folder) is None


def _first_closed(path: Path) -> Path | None:
    """Return the outermost folder on a path, the last one included, that other users may not enter."""
    return next((step for step in [*reversed(path.parents), path] if not step.stat().st_mode & ENTER), None)


def _parts() -> list[str]:
    """Return what tests run and read of the checkout: all but hidden files, virtual environments and build results."""
    ignored = {"build", "dist"}
    return sorted(
        part.name
        for part in ROOT.iterdir()
        if not part.name.startswith(".") and part.name not in ignored and not (part / "pyvenv.cfg").exists()
    )


@functools.cache
def _is_checkout_readable() -> bool:
    files = [file for part in _parts() for file in (ROOT / part, *(ROOT / part).rglob("*"))]
    return all(file.stat().st_mode & READ for file in files if file.exists())


def _cover(folder: Path, needed: list[Path], place: str) -> str:
    """Return the commands that cover a closed folder with an open one, and show in that what is needed."""
    lines = [f"mkdir {place}; mount --rbind {_quoted(folder)} {place}"]
    lines += [f"mount -t tmpfs -o mode=755 opened {_quoted(folder)}"]
    for path in sorted(needed):
        source = Path(place, path.relative_to(folder))
        copied = path == ROOT and not _is_checkout_readable()
        shown = (other in path.parents for other in needed if other != ROOT or _is_checkout_readable())
        if copied or not any(shown):
            lines += [f"mkdir -p {_quoted(path)}", _copy(source, path) if copied else _bind(source, path)]
    return "\n".join([*lines, f"umount -l {place}; rmdir {place}"])


def _copy(source: Path, path: Path) -> str:
    parts = shlex.join(_parts())
    return f"(cd {_quoted(source)} && cp -a {parts} {_quoted(path)}/ && chmod -R go+rX {_quoted(path)})"


def _bind(source: Path, path: Path) -> str:
    return f"mount --rbind {_quoted(source)} {_quoted(path)}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
