"""Recognises our launcher without running it, by a text in the file and by its capability.

Runs before each test, so it imports next to nothing. `ip4only.c` puts the text into the program.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MARK = b"speedmon-launcher:"
_OPTION = b"speedmon-launcher-option:--die-with-parent"

# In bytes; a static glibc program has 0.7 MB.
_MAX_BYTES = 8_000_000
XATTR = "security.capability"
_CAP_SYS_ADMIN = 21

# struct vfs_cap_data of linux/capability.h: revision 2 with the effective bit, then permitted and inheritable, twice.
CAPABILITY = struct.pack("<5I", 0x02000000 | 1, 1 << _CAP_SYS_ADMIN, 0, 0, 0)


def is_own_launcher(path: str | Path) -> bool:
    """Return whether the file is a launcher built by any version of speedmon.

    Raises:
        PermissionError: the caller may not read it, and so may not run it either.
    """
    return _MARK in _read_content(path)


def is_current_launcher(path: str | Path, name: str, digest: str) -> bool:
    """Return whether the file is the launcher of namespace `name`, built from the source with this digest."""
    return _MARK + f"{name}:{digest}\0".encode() in _read_content(path)


def may_die_with_parent(path: str | Path) -> bool:
    """Return whether the launcher at `path` knows the option --die-with-parent; those of older versions do not.

    Raises:
        PermissionError: the caller may not read it.
    """
    return _OPTION in _read_content(path)


def has_capability(path: str | Path) -> bool:
    """Return whether the file has cap_sys_admin+ep and no other capability; a copy of the file has none."""
    try:
        return os.getxattr(path, XATTR, follow_symlinks=False) == CAPABILITY
    except OSError:
        return False


def _read_content(path: str | Path) -> bytes:
    """Return the content of a plain file; empty for a symlink, a folder, and a missing or far too large file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError:
        raise
    except OSError:
        return b""
    try:
        file = os.fstat(descriptor)
        if not stat.S_ISREG(file.st_mode) or file.st_size > _MAX_BYTES:
            return b""
        return os.read(descriptor, file.st_size)
    finally:
        os.close(descriptor)
