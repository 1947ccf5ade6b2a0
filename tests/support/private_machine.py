"""A private machine for tests: network, mounts and processes of its own, so that the real machine never changes.

A shell keeps them open that ends with the test process, however that ends. `_SETUP_SCRIPT` lists the folders that are
replaced by private copies; add a folder there when a test must write to it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import open_checkout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_SETUP_SCRIPT = """
set -e
umask 022
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/netns /run/lock /run/etc /run/real-bin
mount -t tmpfs -o mode=755 etc /run/etc
cp -a /etc/. /run/etc 2>/dev/null || true  # a plain user's copy goes without what only root may read
mount --move /run/etc /etc
rmdir /run/etc
mount --bind /usr/local/bin /run/real-bin  # large on some machines: linked, not copied
mount -o remount,bind,ro /run/real-bin
mount -t tmpfs -o mode=755 bin /usr/local/bin
find /run/real-bin -mindepth 1 -maxdepth 1 ! -name ip4only -exec ln -s -t /usr/local/bin {} +
rm -rf /etc/netns /etc/speedmon            # a speedmon that is installed on the real machine is hidden
sed -i /^speedmon:/d /etc/group
mount -t tmpfs -o mode=755 lib /var/lib
mount -t sysfs sys /sys                    # /sys/class/net shows the links of whoever mounted it
ip link set lo up
touch /run/shared-lock; chmod 666 /run/shared-lock
test -e /tmp/speedmon.lock || touch /tmp/speedmon.lock
mount --bind /run/shared-lock /tmp/speedmon.lock  # /tmp is the machine's own, and tests run side by side
OPENED
[ ! -d /dev/shm ] || mount -t tmpfs -o mode=1777 shm /dev/shm
echo ready
read -r _end || exit 0                     # the pipe closes when the test process goes, and this is init here
"""

# Only for real root, as no other can make a device. Whatever the modes on the machine are, any user may open these.
_DEVICES = """
mkdir /run/dev
mount -t tmpfs -o mode=755 dev /run/dev
for name in null zero full random urandom tty; do cp -a /dev/$name /run/dev/; chmod 666 /run/dev/$name; done
mkdir /run/dev/net /run/dev/pts /run/dev/shm
mknod /run/dev/net/tun c 10 200; chmod 666 /run/dev/net/tun
mount --rbind /dev/pts /run/dev/pts
ln -s pts/ptmx /run/dev/ptmx; ln -s /proc/self/fd /run/dev/fd
for link in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/${link%:*} /run/dev/${link#*:}; done
mount --move /run/dev /dev; rmdir /run/dev
"""

_UNPRIVILEGED = 'exec "$@"'  # run by a shell that holds no capability, so that file modes are judged as for any user


class PrivateMachine:
    """A network, mount and process namespace with a private /run, /etc, /usr/local/bin and /var/lib; lo is up.

    For a plain user it is in a user namespace in which that user is root; `user_namespace=True` does the same for root.
    """

    def __init__(self, *, user_namespace: bool = False) -> None:
        self.user_namespace = user_namespace or os.geteuid() != 0
        unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if self.user_namespace:
            unshare += ["--user", "--map-root-user"]
        opened = "" if self.user_namespace else _DEVICES + open_checkout.open_script()
        self._holder = subprocess.Popen(
            [*unshare, "sh", "-c", _SETUP_SCRIPT.replace("OPENED", opened)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            self.close()
            msg = "no private machine for the test: does `unshare --user --map-root-user --net true` work here?"
            raise RuntimeError(msg)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every process in it; the namespaces and their mounts go with the last one."""
        for pipe in (self._holder.stdin, self._holder.stdout):
            assert pipe is not None
            pipe.close()
        self._holder.wait(timeout=120)

    def path(self, path: str) -> Path:
        """Return a path by which the test process itself can read or write a file of this machine."""
        return Path(f"/proc/{self._holder.pid}/root") / path.lstrip("/")

    def argv(self, argv: Sequence[str], *, user: str | None = None) -> list[str]:
        """Return the command line that runs `argv` in here, as root or, in a root test, truly as `user`."""
        namespaces = f"/proc/{self._holder.pid}/ns"
        enter = ["nsenter", f"--net={namespaces}/net", f"--mount={namespaces}/mnt"]
        enter.append(f"--pid={namespaces}/pid_for_children")
        if self.user_namespace:
            enter += [f"--user={namespaces}/user", "--preserve-credentials"]
        return [*enter, "--", *_user_prefix(user), *argv]

    def run(
        self, argv: Sequence[str], *, check: bool = True, user: str | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in here and return it with its text output; a non-zero status raises unless `check=False`.

        The options are those of subprocess.run, such as `env`; without `input` its stdin is empty, without `timeout`
        it has 60 s.
        """
        options = {"input": "", "timeout": 60, **options}
        done = subprocess.run(self.argv(argv, user=user), check=False, text=True, capture_output=True, **options)
        assert not check or done.returncode == 0, f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def popen(self, argv: Sequence[str], *, user: str | None = None, **options: Any) -> subprocess.Popen[str]:
        """Start a command in here; the options are those of Popen. It ends with this machine at the latest."""
        return subprocess.Popen(self.argv(argv, user=user), text=True, **options)

    def python(self, code: str, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Python code in here with the interpreter of the tests; the options are those of `run`."""
        return self.run([sys.executable, "-c", code, *argv], **options)

    def add_user(self, name: str, uid: int, *groups: str) -> None:
        """Add a user, with a group of its own, to the private /etc and to groups that exist there."""
        for file, line in (("passwd", f"{name}:x:{uid}:{uid}::/tmp:/bin/sh\n"), ("group", f"{name}:x:{uid}:\n")):
            with self.path(f"/etc/{file}").open("a") as lines:
                lines.write(line)
        for group in groups:
            self.run(["usermod", "-aG", group, name])


def _user_prefix(user: str | None) -> list[str]:
    if user is None:
        return []
    identity = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--inh-caps=-all", "--"]
    return [*identity, "/bin/sh", "-c", _UNPRIVILEGED, "sh"]
