"""Runs first in pasta's namespace, as its root: disables IPv6, mounts resolv.conf, runs the command as the caller.

`python -I -m netns.entry.pasta_inside NAME FOLDER UID:GID -- COMMAND…`; only `netns.entry.pasta` starts it. It stays as
init of the namespace and passes on the command's exit status, because pasta reports death by a signal as success.
"""

from __future__ import annotations

import os
import signal
import sys

from netns.entry import inside
from netns.entry.inside import EXIT_REFUSED, RefusedError

TYPE_CHECKING = False  # importing typing would cost 6 ms
if TYPE_CHECKING:
    from typing import NoReturn

IPV6_CONF = "/proc/sys/net/ipv6/conf"


def main(argv: list[str]) -> NoReturn:
    """Run the command and exit as it did; on refusal write one line and exit with 125."""
    name, folder, (uid, gid), command = argv[0], argv[1], argv[2].split(":"), argv[4:]
    try:
        _disable_ipv6()
        inside.make_mounts_private()
        for target in inside.REPLACED_FILES[:2]:
            inside.mount_over(os.open(f"{folder}/{os.path.basename(target)}", os.O_PATH), target)
        inside.hide_name_cache()
        inside.map_user(int(uid), int(gid))
        inside.give_up_privileges(None)
        inside.die_with_parent()
    except (RefusedError, OSError) as refusal:
        inside.write_line(f"{name}: pasta: {refusal}")
        os._exit(EXIT_REFUSED)
    _report_ready(folder)
    child = os.fork()
    if child == 0:
        inside.exec_command(name, command)
    os._exit(_await_command(child))


def _disable_ipv6() -> None:
    """Disable IPv6 for existing and future links, and make sure that no address is left."""
    if not os.path.isdir(IPV6_CONF):  # else a kernel without IPv6
        return
    for link in ("all", "default", *os.listdir(IPV6_CONF)):
        with open(f"{IPV6_CONF}/{link}/disable_ipv6", "w", encoding="ascii") as switch:
            switch.write("1")
    with open("/proc/self/net/if_inet6", encoding="ascii") as addresses:
        if words := addresses.read().split():
            raise RefusedError(f"an IPv6 address is left inside: {words[0]}")


def _report_ready(folder: str) -> None:
    descriptor = os.open(f"{folder}/ready", os.O_WRONLY)
    os.write(descriptor, b"1")
    os.close(descriptor)


def _await_command(child: int) -> int:
    """Wait for the command and return its exit status as a shell does; other processes may end before it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they are for the command
        signal.signal(number, signal.SIG_IGN)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    main(sys.argv[1:])
