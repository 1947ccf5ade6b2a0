"""Makes a private machine, builds the lab in it and runs a command there.

A private machine has network, mounts and processes of its own, which end with the caller in any case. Without root it
is in a user namespace in which the caller is root. util-linux creates it (unshare(1), setpriv(1)). As its process 1,
`python -m netns.lab.run COMMAND…` gives it its own /run, /etc, /usr/local/bin and /var/lib, so that set-up inside
writes only there, builds `netns.lab.topology`, starts the two servers, and runs the command on the home host.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from netns import apply
from netns.errors import LabError, MissingToolError, NotPermittedError, StepError
from netns.lab import topology

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# The namespace of each server, and its argument for the module that holds both.
SERVER_COMMANDS = ((topology.ISP, "names"), (topology.INTERNET, "speedtest"))

SERVER_MODULE = "netns.lab.servers"

# How distributions forbid user namespaces: sysctl, the value that forbids them, a value that allows them.
USER_NAMESPACE_SETTINGS = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "15000"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)

ORIGINALS = Path("/run/speedmon-lab")

# The folders that set-up writes to: configuration, launcher, journal.
REPLACED_DIRECTORIES = ("/etc", "/usr/local/bin", "/var/lib")
HIDDEN_NAMES = frozenset({"netns", "speedmon"})
MAX_COPIED_BYTES = 65_536
MOUNT = "mount"


def run_in_private_machine(program: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program in a private machine and return its exit code.

    Raises:
        NotPermittedError: the caller may not create namespaces; the message says how to allow it.
        MissingToolError: util-linux is not installed.
    """
    rootless = os.geteuid() != 0
    _require_namespaces(rootless=rootless)
    # A session of its own: Ctrl-C reaches only the caller, which then ends the private machine.
    command_line = private_machine_command(program, rootless=rootless)
    with subprocess.Popen(command_line, env=env, stdin=subprocess.DEVNULL, start_new_session=True) as child:
        try:
            return child.wait()
        finally:
            child.kill()


def private_machine_command(program: Sequence[str], *, rootless: bool) -> list[str]:
    """Return the command line that runs a program as process 1 of a private machine, killed when the caller dies."""
    user = ["--user", "--map-root-user"] if rootless else []
    unshare = ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return ["setpriv", "--pdeathsig", "KILL", *unshare, "--", *program]


def explain_refusal(error_text: str, settings: Mapping[str, str], *, rootless: bool) -> str:
    """Return the message for a user who may not create namespaces, from unshare's error and the settings' values."""
    if not rootless:
        return f"root may not create namespaces here ({error_text}); a container needs CAP_SYS_ADMIN for that"
    for name, closed, opened in USER_NAMESPACE_SETTINGS:
        if settings.get(name) == closed:
            return (
                f"user namespaces are not allowed here ({name} = {closed}): allow them with"
                f" `sudo sysctl -w {name}={opened}`, or run it as root: `sudo speedmon demo`"
            )
    return f"user namespaces are not allowed here ({error_text}): run it as root: `sudo speedmon demo`"


def _require_namespaces(*, rootless: bool) -> None:
    """Try it with an empty private machine: that proves what the settings only suggest."""
    try:
        trial = subprocess.run(
            private_machine_command(["true"], rootless=rootless), capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise MissingToolError(f"{error.filename} is not installed: it comes with util-linux") from None
    if trial.returncode:
        error_text = (trial.stderr.strip().splitlines() or ["unshare failed"])[-1]
        raise NotPermittedError(explain_refusal(error_text, _read_settings(), rootless=rootless))


def _read_settings() -> dict[str, str]:
    files = {name: Path("/proc/sys", name.replace(".", "/")) for name, _closed, _opened in USER_NAMESPACE_SETTINGS}
    return {name: file.read_text(encoding="ascii").strip() for name, file in files.items() if file.exists()}


@contextlib.contextmanager
def open_lab() -> Iterator[None]:
    """Open the lab for the block; this process then is on the home host.

    Raises:
        LabError: this process is not in a private machine, or the kernel lacks something that the lab needs.
    """
    require_private_machine()
    replace_directories(topology.ETC_FILES)
    try:
        apply.apply_steps(topology.lab_steps())
    except StepError as error:
        raise LabError(f"the lab cannot be built: {error}") from error
    with contextlib.ExitStack() as stack:
        for netns, server in SERVER_COMMANDS:
            stack.enter_context(_run_server(netns, server))
        yield


@contextlib.contextmanager
def _run_server(netns: str, name: str) -> Iterator[None]:
    """Run one of the lab's servers in its namespace for the block, which begins when it listens."""
    program = ["nsenter", f"--net=/run/netns/{netns}", sys.executable, "-P", "-m", SERVER_MODULE, name]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as server:
        try:
            if server.stdout is None or not server.stdout.readline():
                raise LabError(f"the server {name} of the lab did not start")
            yield
        finally:
            server.kill()


def require_private_machine() -> None:
    """Make sure that this process is process 1 of a private machine, before it changes any files or links.

    Raises:
        LabError: it is not.
    """
    if os.getpid() != 1 or os.geteuid() != 0:
        raise LabError("the lab only runs inside a private machine: use `speedmon demo`")


def replace_directories(etc: Mapping[str, str]) -> None:
    """Replace /run by an empty folder, and files in /etc by those of `etc` (name to text).

    Raises:
        LabError: the kernel refuses a mount.
    """
    _run_mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for folder in ("/run/lock", "/run/netns"):
        Path(folder).mkdir()
    for folder in REPLACED_DIRECTORIES:
        _replace_directory(Path(folder), etc if folder == "/etc" else {})
    _mount_own_sys()


def _replace_directory(folder: Path, replaced: Mapping[str, str]) -> None:
    original_folder = ORIGINALS / folder.relative_to("/")
    original_folder.mkdir(parents=True)
    _run_mount("--rbind", str(folder), str(original_folder))
    _run_mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder))
    for original in original_folder.iterdir():
        if original.name not in replaced and original.name not in HIDDEN_NAMES:
            _copy_or_link(original, folder / original.name)
    for name, text in replaced.items():
        (folder / name).write_text(text, encoding="utf-8")


def _copy_or_link(original: Path, target: Path) -> None:
    """Copy a link or a small file, link to a folder or a large file, omit what the caller may not read."""
    if original.is_symlink():
        target.symlink_to(original.readlink())
    elif not os.access(original, os.R_OK):
        return
    elif original.is_file() and original.stat().st_size <= MAX_COPIED_BYTES:
        shutil.copy(original, target)
    else:
        target.symlink_to(original)


def _mount_own_sys() -> None:
    """Mount a /sys that shows the links of this namespace; if a container forbids it, the machine's stays."""
    subprocess.run([MOUNT, "-t", "sysfs", "sysfs", "/sys"], capture_output=True, check=False)


def _run_mount(*arguments: str) -> None:
    completed = subprocess.run([MOUNT, *arguments], capture_output=True, text=True, check=False)
    if completed.returncode:
        raise LabError(f"cannot prepare the files of the lab: mount {' '.join(arguments)}: {completed.stderr.strip()}")


def main() -> None:
    """Run the command of the command line in the lab and exit as it does."""
    with open_lab():
        code = subprocess.run(sys.argv[1:], check=False).returncode
    sys.exit(code)


if __name__ == "__main__":
    main()
