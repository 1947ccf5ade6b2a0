"""A home network whose host has a real systemd as init, in namespaces of its own.

It knows only the units that a test writes, and the few targets that those need: nothing of the machine is started. Its
control group lies in one that is made here and is removed at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from home_network import SPEEDMON, HomeNetwork

from monitor.config.settings import ScheduleSettings
from monitor.install import units
from monitor.install.model import InstalledProgram, SchedulerKind

if TYPE_CHECKING:
    from subprocess import CompletedProcess

UNITS = "/run/units"
PREPARE = f"""
set -e
mkdir -p {UNITS} /run/cgroup
for target in test sysinit basic shutdown; do
    printf '[Unit]\\nDefaultDependencies=no\\n' >{UNITS}/$target.target
done
mount -t cgroup2 cgroup2 /run/cgroup
mkdir /run/cgroup/$1
"""

BOOT = f"""
set -e
echo 0 >/run/cgroup/$1/cgroup.procs
exec unshare --cgroup --uts --ipc --mount --pid --fork --kill-child --mount-proc sh -ec '
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i container=speedmon SYSTEMD_UNIT_PATH={UNITS} PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    /lib/systemd/systemd --system --unit=test.target --log-target=null --show-status=0'
"""

# systemd answers only processes in its own namespaces.
WITHIN = "exec nsenter --target $(pgrep -x systemd) --mount --pid --uts --ipc --cgroup --"


class SystemdMachine(HomeNetwork):
    """The home host with systemd running."""

    def __init__(self) -> None:
        super().__init__()
        self._group = f"speedmon-test-{os.getpid()}"
        self.run(["sh", "-c", PREPARE, "sh", self._group])
        self._init = self.popen(
            ["sh", "-c", BOOT, "sh", self._group], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while self.within("systemctl", "is-active", "test.target").stdout != "active\n":
            assert time.monotonic() < deadline, "systemd did not boot"
            assert self._init.poll() is None, "systemd ended"

    def close(self) -> None:
        """End systemd and what it runs, then remove its control groups, then end the machine."""
        self.shell("kill -KILL $(pgrep -x systemd)")
        self._init.wait(timeout=120)
        self.shell(f"find /run/cgroup/{self._group} -depth -type d -exec rmdir {{}} +")
        super().close()

    def write_units(self, scheduler: SchedulerKind = SchedulerKind.SERVE) -> None:
        """Write the units of an installation, which run the program of the tests."""
        program = InstalledProgram(SPEEDMON, sys.executable, "1.0")
        values = units.unit_values(program, "ip4only", ScheduleSettings(), deadline_s=900, minute=7)
        for name, text in units.render_units(scheduler, values).items():
            self.path(f"{UNITS}/{name}").write_text(text)

    def within(self, *argv: str) -> CompletedProcess[str]:
        """Run a command among systemd's processes; it may fail."""
        return self.run(["sh", "-c", f'{WITHIN} "$@"', "sh", *argv], check=False)

    def start(self, unit: str) -> str:
        """Start a unit of type oneshot, which waits for its end; return how it ended: success, or what failed."""
        self.within("systemctl", "daemon-reload")
        self.within("systemctl", "start", unit)
        return self.within("systemctl", "show", "--value", "--property=Result", unit).stdout.strip()
