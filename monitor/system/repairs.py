"""The log of what was mended in the namespace, and when: JSON lines in a folder of root's, which everybody may read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from monitor.system import files

if TYPE_CHECKING:
    from collections.abc import Sequence

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# A flapping uplink must not fill the disk.
MAX_ENTRIES = 500


class Repair(Struct, frozen=True):
    """What set-up changed: when (UTC), in which boot of the machine, and its steps.

    `kind` is "boot" for the first change in a boot, which makes the namespace, "install", or "repair".
    """

    at: datetime
    kind: str
    boot_id: str
    steps: tuple[str, ...]


def append_repair(file: Path, steps: Sequence[str], kind: str = "") -> None:
    """Append an entry; where `kind` is empty it follows from the entries before.

    Raises:
        OSError: the file cannot be written.
    """
    entries = read_repairs(file)
    boot_id = BOOT_ID.read_text(encoding="ascii").strip()
    is_first = all(entry.boot_id != boot_id for entry in entries)
    entry = Repair(
        datetime.now(UTC).replace(microsecond=0), kind or ("boot" if is_first else "repair"), boot_id, (*steps,)
    )
    kept = [*entries, entry][-MAX_ENTRIES:]
    files.make_folder(file.parent, 0o755)
    files.replace_file(file, b"".join(msgspec.json.encode(each) + b"\n" for each in kept), mode=0o644, sync=False)


def read_repairs(file: Path) -> list[Repair]:
    """Return the entries, oldest first; lines that cannot be read are left out, as is a file that is not there."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return []
    return [entry for line in lines if (entry := _decode(line))]


def _decode(line: bytes) -> Repair | None:
    try:
        return msgspec.json.decode(line, type=Repair)
    except msgspec.DecodeError:
        return None
