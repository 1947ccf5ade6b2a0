"""Which rights the calling thread has to enter a namespace, from /proc. Imports next to nothing."""

from __future__ import annotations

from typing import NamedTuple

_CAP_SYS_ADMIN = 1 << 21


class Rights(NamedTuple):
    """`may_join`: it can enter without help, like root; `may_gain`: file capabilities of programs have an effect."""

    may_join: bool
    may_gain: bool


def parse_rights(status: str) -> Rights:
    """Return the rights in a /proc/PID/status text (proc(5))."""
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return Rights(
        may_join=bool(int(lines["CapEff"], 16) & _CAP_SYS_ADMIN),
        may_gain=lines.get("NoNewPrivs", "0") == "0" and bool(int(lines["CapBnd"], 16) & _CAP_SYS_ADMIN),
    )


def own_rights() -> Rights:
    """Return the rights of the calling thread."""
    with open("/proc/thread-self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123  light
        return parse_rights(status.read())
