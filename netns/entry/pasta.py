"""The way in without root: `pasta` (package passt) creates a network namespace whose traffic goes through a proxy.

For users who have neither root nor the launcher, and only on request: connections end in the proxy, which is slower
than a link and can hide how the line behaves. `python -I -m netns.entry.pasta NAME SERVERS -- COMMAND…` runs pasta with
`netns.entry.pasta_inside` in it, with a deadline, because pasta can hang if the tun device cannot be opened.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from netns import resolver
from netns.entry.inside import EXIT_REFUSED, write_line
from netns.errors import MissingToolError, NetnsError, NotPermittedError
from netns.kernel.handle import handle_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

TUN_DEVICE = "/dev/net/tun"
DEADLINE_S = 10

# Stored with the output of a test. Its prefix differs from that of a refusal, which is recognised by its prefix.
NOTE = "speedmon: through pasta, a proxy on this machine: a rate near the proxy's own limit is not the line's"

# IPv4 only, no access to the host's loopback by the router's address, and no ports forwarded in either direction.
PASTA_COMMAND = ["pasta", "--config-net", "-4", "--no-map-gw", "--quiet", "--foreground"]
NO_PORTS = ["-t", "none", "-u", "none", "-T", "none", "-U", "none"]

# A value of 0 in one of them forbids user namespaces; the second is a Debian patch.
USER_NAMESPACE_KEYS = ("user/max_user_namespaces", "kernel/unprivileged_userns_clone")

# What sd_booted(3) looks at.
SYSTEMD_RUNNING = "/run/systemd/system"


def build_command(name: str, argv: list[str], dns: Sequence[str]) -> list[str]:
    """Return the command line that runs `argv` over pasta with the given name servers, else those of the host.

    Raises:
        NetnsError: pasta cannot work here; the message names the obstacle and the fix.
    """
    if error := find_obstacle():
        raise error
    servers = dns or resolver.reachable_servers(_read_text(source) for source in resolver.SOURCES)
    if not servers:
        raise NetnsError('pasta needs an IPv4 name server outside this host: set dns = ["9.9.9.9"] in [namespace]')
    return [sys.executable, "-I", "-m", "netns.entry.pasta", name, ",".join(servers), "--", *argv]


def find_obstacle() -> NetnsError | None:
    """Return why pasta cannot work for the caller, None if no file or setting shows an obstacle."""
    if os.geteuid() == 0:
        return NotPermittedError('pasta is for users other than root, and root does not need it: leave way at "auto"')
    if shutil.which(PASTA_COMMAND[0]) is None:
        return MissingToolError("pasta is not installed; run: sudo apt install passt")
    return _user_namespace_error() or _tun_error()


def _user_namespace_error() -> NetnsError | None:
    switch = next((switch for switch in USER_NAMESPACE_KEYS if _read_text(f"/proc/sys/{switch}") == "0\n"), None)
    if switch is None:
        return None
    key = switch.replace("/", ".")
    return NotPermittedError(f"pasta needs user namespaces, and {key} is 0; run: sudo sysctl -w {key}=1000")


def _tun_error() -> NetnsError | None:
    try:
        os.close(os.open(TUN_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        fix = "run: sudo modprobe tun" if isinstance(error, FileNotFoundError) else f"run: sudo chmod 666 {TUN_DEVICE}"
        return NotPermittedError(f"pasta cannot open {TUN_DEVICE}: {error.strerror}; {fix}")
    return None


def _read_text(path: str) -> str | None:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return None


def main(argv: list[str]) -> NoReturn:
    """Run pasta and exit as the command did; 125 if it was not started."""
    name, servers, command = argv[0], tuple(argv[1].split(",")), argv[3:]
    with tempfile.TemporaryDirectory(prefix="speedmon-") as folder:
        _write_files(Path(folder), name, servers)
        # Opened before pasta starts: opening the other end needs a reader.
        ready = os.open(f"{folder}/ready", os.O_RDONLY | os.O_NONBLOCK)
        inside = [
            sys.executable,
            "-I",
            "-m",
            "netns.entry.pasta_inside",
            name,
            folder,
            f"{os.getuid()}:{os.getgid()}",
            "--",
        ]
        pasta = subprocess.Popen([*PASTA_COMMAND, *NO_PORTS, "--log-file", f"{folder}/log", "--", *inside, *command])
        refusal = _await_ready(pasta, ready, Path(folder, "log"))
    if refusal is not None:
        write_line(f"{name}: {refusal}")
        os._exit(EXIT_REFUSED)
    write_line(NOTE)
    os._exit(_await_exit(pasta))


def _write_files(folder: Path, name: str, servers: tuple[str, ...]) -> None:
    (folder / "resolv.conf").write_text(resolver.resolv_conf(resolver.Resolver(servers), name))
    (folder / "nsswitch.conf").write_text(resolver.nsswitch_conf(_read_text(resolver.NSSWITCH) or "", name))
    os.mkfifo(folder / "ready")


def _await_ready(pasta: subprocess.Popen[bytes], ready: int, log: Path) -> str | None:
    """Wait until the command is about to start; return why it is not, or None."""
    poller = select.poll()
    poller.register(ready, select.POLLIN)
    poller.register(os.pidfd_open(pasta.pid), select.POLLIN)
    poller.poll(DEADLINE_S * 1000)
    if _is_ready(ready):
        return None
    if pasta.poll() is None:
        pasta.kill()
        pasta.wait()
        return f"pasta was not ready after {DEADLINE_S} s, and was killed"
    last_line = (_read_text(str(log)) or "").strip().splitlines()[-1:]
    return f"pasta ended with exit code {pasta.returncode}: {''.join(last_line) or 'see above'}"


def _is_ready(ready: int) -> bool:
    try:
        return bool(os.read(ready, 1))
    except BlockingIOError:
        return False


def _await_exit(pasta: subprocess.Popen[bytes]) -> int:
    """Wait for pasta to end. Ctrl-C is ignored here: the command gets it too, and its reaction counts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: pasta.terminate())
    code = pasta.wait()
    return code if code >= 0 else 128 - code


def list_other_ways(name: str, *, may_gain: bool) -> list[str]:
    """Return one phrase for each way that works on this machine, the most trustworthy first.

    `may_gain`: programs that this process starts can gain privileges, as sudo does.
    """
    ways = {
        "sudo speedmon (the command still runs as you)": may_gain and shutil.which("sudo") is not None,
        f"a systemd service with NetworkNamespacePath={handle_path(name)}": Path(SYSTEMD_RUNNING).is_dir(),
        'pasta (namespace.way = "pasta", exec --way pasta)': find_obstacle() is None,
    }
    return [way for way, works in ways.items() if works]


if __name__ == "__main__":
    main(sys.argv[1:])
