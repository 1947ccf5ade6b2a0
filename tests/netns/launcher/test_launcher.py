"""The launcher: how it is built, recognised, placed and removed, and what its one capability cannot be used for."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from inside_namespace import LAUNCHER, MEMBER, NAME, STRANGER, make_namespace, make_users, place_launcher

from netns.launcher import install, marker
from netns.launcher.install import LauncherState, read_launcher_state, remove_launcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from private_machine import PrivateMachine

ASK = """
import sys
from pathlib import Path
from netns.launcher import install
from netns.errors import NetnsError
path = Path("/usr/local/bin/ip4only")
try:
    print({question})
except NetnsError as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""

PLACE = "install.install_launcher('ip4only', 'speedmon', path)"

STATE = "install.read_launcher_state(path, 'speedmon', 'ip4only')"

SOUND = "LauncherState(present=True, ours=True, current=True, owner_ok=True, mode_ok=True, capability_ok=True)"


def ask(machine: PrivateMachine, question: str, user: str | None = None, path: str = "/usr/bin:/bin") -> str:
    """Return the result of a call of `netns.launcher.install` in the machine: its value, or its error with class."""
    return machine.python(ASK.format(question=question), user=user, env={"PATH": path}).stdout.strip()


@pytest.fixture
def placed(machine: PrivateMachine, program: bytes) -> PrivateMachine:
    """Return a machine with the namespace and its launcher, a member of the group and a stranger."""
    make_namespace(machine)
    place_launcher(machine, program)
    return machine


# Building and recognising


def test_the_source_compiles_without_a_warning(tmp_path: Path):
    """Every warning that we ask of the compiler is an error here."""
    built = install.find_compiler()
    assert built is not None
    command = [*install.compiler_command(built, NAME, tmp_path / "program"), "-Werror"]
    assert subprocess.run(command, check=False, capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize("compiler", ["musl-gcc", "gcc"])
def test_the_program_is_static_and_lies_at_no_fixed_address(tmp_path: Path, compiler: str):
    """No loader is needed, so LD_PRELOAD cannot reach it; what may be read-only is, and no page is to be executed."""
    path = shutil.which(compiler)
    assert path
    subprocess.run(install.compiler_command(path, NAME, tmp_path / "program"), check=True, capture_output=True)
    program = (tmp_path / "program").read_bytes()
    assert program.startswith(b"\x7fELF")
    assert b"/ld-" not in program
    assert elf_type(program) == ET_DYN
    segments = dict(elf_segments(program))
    assert PT_INTERP not in segments
    assert PT_GNU_RELRO in segments
    assert not segments[PT_GNU_STACK] & PF_EXECUTE


ET_DYN, PT_INTERP, PT_GNU_STACK, PT_GNU_RELRO, PF_EXECUTE = 3, 3, 0x6474E551, 0x6474E552, 1  # elf(5)


def elf_type(program: bytes) -> int:
    """Return the type of an ELF file: ET_DYN for a position-independent program."""
    number: int = struct.unpack_from("<H", program, 16)[0]
    return number


def elf_segments(program: bytes) -> Iterator[tuple[int, int]]:
    """Yield type and flags of each segment of a 64-bit ELF file."""
    offset, size, count = struct.unpack_from("<Q", program, 32)[0], *struct.unpack_from("<HH", program, 54)
    for number in range(count):
        yield struct.unpack_from("<II", program, offset + number * size)


def test_a_built_launcher_is_recognised_as_ours_and_current(tmp_path: Path, program: bytes):
    """The text in the program identifies the namespace and the source it was built from."""
    file = tmp_path / "program"
    file.write_bytes(program)
    assert marker.is_own_launcher(file)
    assert marker.is_current_launcher(file, NAME, install.source_digest(NAME))
    assert not marker.is_current_launcher(file, "other", install.source_digest("other"))
    assert not marker.is_current_launcher(file, NAME, install.source_digest(NAME)[:-1])


@pytest.mark.parametrize("kind", ["missing", "folder", "script", "symlink", "fifo"])
def test_other_files_are_not_ours(tmp_path: Path, program: bytes, kind: str):
    """Whatever is no plain file with our text in it is somebody else's, even a link to a launcher."""
    path = tmp_path / "other"
    (tmp_path / "launcher").write_bytes(program)
    make = {
        "missing": lambda: None,
        "folder": path.mkdir,
        "script": lambda: path.write_text("#!/bin/sh\n"),
        "symlink": lambda: path.symlink_to("launcher"),
        "fifo": lambda: os.mkfifo(path),
    }
    make[kind]()
    assert not marker.is_own_launcher(path)


def test_without_a_compiler_the_fix_is_named(machine: PrivateMachine):
    """Where no compiler is installed the error says what to install."""
    for tool in install.COMPILERS:
        machine.run(["sh", "-c", f"! real=$(command -v {tool}) || mount --bind /dev/null $(readlink -f $real)"])
    message = ask(machine, PLACE)
    assert message == "MissingToolError: no C compiler, and the launcher needs one: apt install musl-tools"


def test_a_failing_compiler_is_quoted(machine: PrivateMachine):
    """The first line of what the compiler says is in the error."""
    place_tool(machine, "/usr/local/bin/musl-gcc", "echo cannot find -lc; echo more; exit 1")
    message = ask(machine, PLACE)
    assert message.startswith("StepError: /usr/local/bin/musl-gcc cannot build the launcher: cannot find -lc; apt ")


def place_tool(machine: PrivateMachine, path: str, script: str) -> None:
    """Put a shell script into the machine."""
    machine.run(["mkdir", "-p", str(Path(path).parent)])
    machine.run(["rm", "-f", path])
    machine.path(path).write_text(f"#!/bin/sh\n{script}\n")
    machine.path(path).chmod(0o755)


@pytest.mark.root
def test_a_compiler_of_the_callers_does_not_run_as_root(machine: PrivateMachine):
    """What comes first on PATH, such as a folder of a user's, is not what root runs."""
    make_users(machine)
    for tool in install.COMPILERS:
        place_tool(machine, f"/run/bin/{tool}", "touch /run/was-run; exit 1")
    assert ask(machine, PLACE, path="/run/bin:/usr/bin:/bin") == "None"
    assert not machine.path("/run/was-run").exists()


# Placing and removing


@pytest.mark.root
def test_a_placed_launcher_is_sound(machine: PrivateMachine):
    """It is root's, 0750, the group's, current and has its capability; placing it again changes nothing of that."""
    make_users(machine)
    assert ask(machine, STATE) == str(LauncherState())
    for _ in range(2):
        assert ask(machine, PLACE) == "None"
        assert ask(machine, STATE) == SOUND
    assert machine.run(["stat", "-c", "%U:%G %a", LAUNCHER]).stdout == "root:speedmon 750\n"


@pytest.mark.root
@pytest.mark.parametrize(
    ("fault", "flaw"),
    [
        ("chown 0:0 {}", "owner_ok"),
        ("chmod 755 {}", "mode_ok"),
        ("cp {0} /run/copy && cat /run/copy >{0}", "capability_ok"),
        ("sed -i s/launcher:ip4only/launcher:ip4onlx/ {0}; chown 0:speedmon {0}", "current"),
    ],
)
def test_what_is_wrong_with_a_launcher_is_reported(placed: PrivateMachine, fault: str, flaw: str):
    """Each fault of a launcher shows in its state."""
    placed.run(["sh", "-c", fault.format(LAUNCHER)])
    assert f"{flaw}=False" in ask(placed, STATE)


@pytest.mark.parametrize("make", ["echo theirs >{}", "ln -s /bin/true {}", "mkdir {}"])
def test_a_foreign_file_is_left_alone(machine: PrivateMachine, make: str):
    """What is not ours is neither overwritten nor removed, and the error names it."""
    machine.run(["sh", "-c", make.format(LAUNCHER)])
    before = machine.run(["ls", "-l", "/usr/local/bin"]).stdout
    assert ask(machine, PLACE).startswith(f"ForeignStateError: {LAUNCHER} is not speedmon's launcher")
    assert ask(machine, "install.remove_launcher(path)") == "False"
    assert "present=True, ours=False" in ask(machine, STATE)
    assert machine.run(["ls", "-l", "/usr/local/bin"]).stdout == before


@pytest.mark.root
@pytest.mark.parametrize(
    ("hindrance", "message"),
    [
        ("groupdel speedmon", "StepError: there is no group speedmon"),
        ("mount -o remount,nosuid /usr/local/bin", "StepError: /usr/local/bin is mounted nosuid"),
        (
            "mount -o remount,ro /usr/local/bin",
            "StepError: cannot install the launcher /usr/local/bin/ip4only: Read-only",
        ),
        ("mount -t ramfs none /usr/local/bin", "StepError: the filesystem of /usr/local/bin/ip4only does not support"),
    ],
)
def test_a_launcher_that_cannot_be_placed_leaves_nothing(machine: PrivateMachine, hindrance: str, message: str):
    """The error says what hinders, and no half-made file stays behind."""
    make_users(machine)
    machine.run(["sh", "-c", f"{hindrance}; find /usr/local/bin -delete 2>/dev/null; :"])
    assert ask(machine, PLACE).startswith(message)
    assert machine.run(["ls", "-A", "/usr/local/bin"]).stdout in ("", machine.run(["ls", "/run/real-bin"]).stdout)


@pytest.mark.root
def test_placing_needs_root(machine: PrivateMachine):
    """The message says to use sudo."""
    make_users(machine)
    assert ask(machine, PLACE, user=STRANGER).startswith(f"NotPermittedError: the launcher {LAUNCHER} needs root")


def test_a_launcher_of_ours_is_removed(tmp_path: Path, program: bytes):
    """Removing returns whether there was a launcher to remove."""
    path = tmp_path / "launcher"
    path.write_bytes(program)
    assert remove_launcher(path)
    assert not remove_launcher(path)
    assert read_launcher_state(path, "speedmon", NAME) == LauncherState()


# What the capability is not good for


@pytest.mark.root
def test_only_the_group_may_run_it(placed: PrivateMachine):
    """A user outside of the group cannot start the launcher."""
    assert placed.run([LAUNCHER, "true"], user=STRANGER, check=False).returncode == 126
    assert placed.run([LAUNCHER, "true"], user=MEMBER, check=False).returncode == 0


def refusal(machine: PrivateMachine, *before: str) -> str:
    """Return how the launcher refuses a member who starts it by the command `before`; it must not run anything."""
    done = machine.run([*before, LAUNCHER, "echo", "ran"], user=MEMBER, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    return done.stderr


@pytest.mark.root
def test_a_caller_with_no_new_privs_gets_a_message(placed: PrivateMachine):
    """The launcher gains no capability there, and says why."""
    assert "no_new_privs" in refusal(placed, "setpriv", "--no-new-privs")


@pytest.mark.root
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cp {0} /run/copy; cat /run/copy >{0}", "lost its file capability; run: sudo speedmon setup-netns"),
        ("mount -o remount,nosuid /usr/local/bin", "lost its file capability; run: sudo speedmon setup-netns"),
        ("chmod u+s {0}", "must not be setuid or setgid; run: sudo speedmon setup-netns"),
        ("chmod g+s {0}; chgrp stranger {0}; chmod 2755 {0}", "must not be setuid or setgid"),
    ],
)
def test_a_launcher_of_the_wrong_kind_refuses(placed: PrivateMachine, fault: str, message: str):
    """Without its capability, or with more than that, it runs nothing and names the fix."""
    placed.run(["sh", "-c", fault.format(LAUNCHER)])
    assert message in refusal(placed)


@pytest.mark.root
@pytest.mark.parametrize(
    "trick",
    ["", "mount -t tmpfs t /run && mkdir /run/netns && touch /run/netns/ip4only && "],
    ids=["as it is", "with a /run of its own"],
)
def test_a_user_namespace_cannot_enter(placed: PrivateMachine, trick: str):
    """Whoever is root of a user namespace only does not enter the real namespace, nor a made-up one."""
    assert "network namespace" in refusal(placed, "unshare", "-Urnm", "sh", "-c", f'{trick}exec "$@"', "sh")


@pytest.mark.root
def test_a_namespace_of_another_user_is_refused(placed: PrivateMachine):
    """A network namespace that a plain user made counts for nothing, even under the right name."""
    holder = placed.popen(["unshare", "-Urn", "sh", "-c", "echo $$; read -r _end"], user=STRANGER, **PIPES)
    with holder:
        assert holder.stdout is not None
        there = f"/proc/{holder.stdout.readline().strip()}/ns/net"
        placed.run(["sh", "-c", f"umount /run/netns/{NAME} && mount --bind {there} /run/netns/{NAME}"])
        assert "not a network namespace made by root" in refusal(placed)


PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}

TRACED = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
pid = os.fork()
if pid == 0:
    libc.ptrace(0, 0, None, None)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
    libc.ptrace(7, pid, None, None)
"""


@pytest.mark.root
def test_a_traced_launcher_has_no_capability(placed: PrivateMachine):
    """A user who traces the launcher gets a program that refuses, and says why."""
    done = placed.python(TRACED, LAUNCHER, "echo", "ran", user=MEMBER, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert "it is traced (strace, gdb)" in done.stderr


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("descriptors", [3, 4, 5])
def test_without_a_free_descriptor_nothing_is_run(placed: PrivateMachine, descriptors: int):
    """A caller who leaves too few descriptors gets a refusal that names them, not a command in the wrong network."""
    done = placed.python(LIMITED, str(descriptors), LAUNCHER, "echo", "ran", check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert "Too many open files; raise the limit of open files (ulimit -n)" in done.stderr


@pytest.mark.root
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (f"umount /run/netns/{NAME}", f"/run/netns/{NAME}: not a network namespace; run: sudo speedmon setup-netns"),
        (f"ip netns delete {NAME}; ln -s /proc/1/ns/net /run/netns/{NAME}", "a symbolic link, not a network namespace"),
        (f"umount /run/netns/{NAME}; mount --bind /proc/1/ns/uts /run/netns/{NAME}", "not a network namespace;"),
        (f"ip netns delete {NAME}", f"/run/netns/{NAME}: No such file or directory; run: sudo speedmon setup-netns"),
    ],
)
def test_what_is_no_namespace_is_called_so(placed: PrivateMachine, fault: str, message: str):
    """The error names what lies in the namespace's place."""
    placed.run(["sh", "-c", fault])
    assert message in refusal(placed)
