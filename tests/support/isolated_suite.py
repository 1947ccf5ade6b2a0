"""The suite in mounts of its own: what another speedmon or a second suite keeps machine-wide is not seen, nor changed.

Its settings, its database, the lock for one test at a time, the runs that wait in memory: in place of each lies
something empty. Nor do the environment of whoever runs the suite, and a temporary folder of theirs, count.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import open_checkout

if TYPE_CHECKING:
    import pytest

KEPT = {"CI", "HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "VIRTUAL_ENV"}

KEPT_OF_PYTHON = {"PYTHONBREAKPOINT", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONPYCACHEPREFIX"}

KEPT_OF_TOOLS = ("PYTEST_", "HYPOTHESIS_", "COVERAGE_", "COV_", "SSL_CERT_")

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # nft, sysctl and setcap, not on a plain user's PATH

APART = "PYTEST_IS_APART"

LONGEST = 40  # the way to a socket has 107 characters at most

MOUNTS = """
for folder in /etc/speedmon /var/lib/speedmon /var/cache/speedmon; do
    [ ! -d $folder ] || mount -t tmpfs -o mode=755 empty $folder
done
[ ! -d /dev/shm ] || mount -t tmpfs -o mode=1777 empty /dev/shm
for lock in /run/lock/speedmon.lock /tmp/speedmon.lock; do
    [ -e $lock ] || touch $lock 2>/dev/null || continue
    own=$PYTEST_IS_APART/$(echo $lock | tr / _)
    touch $own
    mount --bind $own $lock
done
"""

NO_CAPABILITIES = "exec setpriv --inh-caps=-all --ambient-caps=-all --"

AS_ROOT = ("unshare", "--mount", "--propagation", "private")

AS_USER = ("unshare", "--user", "--map-current-user", "--keep-caps", "--mount")


def clean(environ: os._Environ[str]) -> None:
    """Take out of the environment what no test may depend on."""
    for name in set(environ) - KEPT - KEPT_OF_PYTHON - {"TMPDIR"}:
        if not name.startswith(KEPT_OF_TOOLS):
            del environ[name]
    environ["LANG"] = "C.UTF-8"
    folders = environ.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":")
    environ["PATH"] = ":".join(dict.fromkeys([*folders, *SBIN]))
    temporary = Path(environ.get("TMPDIR", "/tmp"))  # noqa: S108  the machine's own
    if not temporary.is_dir() or not open_checkout.is_open(temporary) or len(str(temporary)) > LONGEST:
        environ.pop("TMPDIR", None)


def end() -> None:
    """Remove what `go` left on the disk, when the whole run is over."""
    if "PYTEST_XDIST_WORKER" not in os.environ and APART in os.environ:
        shutil.rmtree(os.environ[APART], ignore_errors=True)


def go(config: pytest.Config) -> None:
    """Become the same run in mounts of its own; where there can be none, go on."""
    way = AS_ROOT if os.geteuid() == 0 else AS_USER
    if APART in os.environ or shutil.which(way[0]) is None:
        return
    if subprocess.run([*way, "true"], check=False, capture_output=True).returncode != 0:
        return
    # On a disk: the kernel lists locks by the numbers of their files, and each tmpfs begins to count anew.
    os.environ[APART] = tempfile.mkdtemp(prefix="speedmon-locks-")
    Path(os.environ[APART]).chmod(0o755)
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    last, opened = NO_CAPABILITIES, ""
    if os.geteuid() == 0:  # of whom a test may make another user, or the root of a user namespace only
        last, opened = "exec", open_checkout.script(f"{os.environ[APART]}/closed") + '\ncd "$PWD"'
    command = ["sh", "-c", f'set -e\n{MOUNTS}\n{opened}\n{last} "$@"', "sh", sys.executable, *sys.orig_argv[1:]]
    os.execvp(way[0], [*way, *command])  # noqa: S606  it takes this one's place
