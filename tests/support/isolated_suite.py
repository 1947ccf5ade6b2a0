"""Runs the suite in mounts of its own, so that no other speedmon and no other suite on the machine affects it.

The settings, the database, the lock that allows one test at a time and the runs that wait in memory have fixed places
on a machine. In the suite's mounts, each of these places is empty. The environment of whoever starts the suite is
reduced to what the tests may depend on.
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

# The variables that the tests inherit.
GENERAL_VARIABLES = {"CI", "HOME", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER", "VIRTUAL_ENV"}
PYTHON_VARIABLES = {
    "PYTHONBREAKPOINT",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONPYCACHEPREFIX",
    "PYTHONTRACEMALLOC",
}
TOOL_PREFIXES = ("PYTEST_", "HYPOTHESIS_", "COVERAGE_", "COV_", "SSL_CERT_")

# Where nft, sysctl and setcap are; not on a plain user's PATH.
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")

# Set while the suite runs in its own mounts, to the folder with its locks.
OWN_LOCKS = "PYTEST_OWN_LOCKS"

# The path of a Unix socket has at most 107 characters.
LONGEST_TMPDIR = 40

MOUNT_SCRIPT = """
for folder in /etc/speedmon /var/lib/speedmon /var/cache/speedmon; do
    [ ! -d $folder ] || mount -t tmpfs -o mode=755 empty $folder
done
[ ! -d /dev/shm ] || mount -t tmpfs -o mode=1777 empty /dev/shm
for lock in /run/lock/speedmon.lock /tmp/speedmon.lock; do
    [ -e $lock ] || touch $lock 2>/dev/null || continue
    own=$PYTEST_OWN_LOCKS/$(echo $lock | tr / _)
    touch $own
    mount --bind $own $lock
done
"""

DROP_CAPABILITIES = "exec setpriv --inh-caps=-all --ambient-caps=-all --"

UNSHARE_AS_ROOT = ("unshare", "--mount", "--propagation", "private")
UNSHARE_AS_USER = ("unshare", "--user", "--map-current-user", "--keep-caps", "--mount")


def clean_environment(environ: os._Environ[str]) -> None:
    """Remove every variable that no test may depend on, and put the system's programs on the PATH."""
    for name in set(environ) - GENERAL_VARIABLES - PYTHON_VARIABLES:
        if not name.startswith(TOOL_PREFIXES):
            del environ[name]
    environ["LANG"] = "C.UTF-8"
    folders = environ.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":")
    environ["PATH"] = ":".join(dict.fromkeys([*folders, *SBIN]))
    temporary = Path(environ.get("TMPDIR", "/tmp"))  # noqa: S108  the default of the system
    if not temporary.is_dir() or not open_checkout.is_open(temporary) or len(str(temporary)) > LONGEST_TMPDIR:
        environ.pop("TMPDIR", None)


def restart_in_own_mounts(config: pytest.Config) -> None:
    """Replace this process with the same run in its own mounts; do nothing where mounts are not allowed."""
    is_root = os.geteuid() == 0
    unshare = UNSHARE_AS_ROOT if is_root else UNSHARE_AS_USER
    if OWN_LOCKS in os.environ or shutil.which(unshare[0]) is None:
        return
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode != 0:
        return
    # On a disk: the kernel lists locks by inode numbers, and each tmpfs counts those from one again.
    locks = os.environ[OWN_LOCKS] = tempfile.mkdtemp(prefix="speedmon-locks-")
    Path(locks).chmod(0o755)
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    open_script, run = "", DROP_CAPABILITIES
    if is_root:  # a test of root's may become another user, or root of a user namespace only
        open_script, run = open_checkout.open_script(f"{locks}/closed") + '\ncd "$PWD"', "exec"
    command = ["sh", "-c", f'set -e\n{MOUNT_SCRIPT}\n{open_script}\n{run} "$@"', "sh"]
    os.execvp(unshare[0], [*unshare, *command, sys.executable, *sys.orig_argv[1:]])  # noqa: S606  it replaces this process


def remove_own_locks() -> None:
    """Remove the folder that `restart_in_own_mounts` made, once all workers have ended."""
    if "PYTEST_XDIST_WORKER" not in os.environ and OWN_LOCKS in os.environ:
        shutil.rmtree(os.environ[OWN_LOCKS], ignore_errors=True)
