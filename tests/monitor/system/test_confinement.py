"""How engines are started: with no privilege, tied to us, and with nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import until

from monitor.system import process
from monitor.system.confinement import Confinement, find_engine_user, read_children
from monitor.system.lock import held_descriptors, hold_lock
from netns.entry.enter import SudoCaller

ENV = {"PATH": "/usr/bin:/bin"}
STATUS = ["grep", "Cap\\|NoNew\\|^Uid\\|^Gid\\|^Groups", "/proc/self/status"]
NOTHING = "0" * 16

COLLECT = """
import sys
from monitor.system import process
from monitor.system.confinement import Confinement
from monitor.system.lock import held_descriptors, hold_lock
with hold_lock(sys.argv[1]):
    confined = Confinement(guarded=True, locks=held_descriptors())
    print("started", flush=True)
    process.run(["/bin/sh", "-c", sys.argv[2]], env={"PATH": "/usr/bin:/bin"}, deadline_s=600, confined=confined)
"""


def read_status(confined: Confinement) -> dict[str, str]:
    """Return what /proc/self/status says of a program that is started so."""
    ended = process.run(STATUS, env=ENV, deadline_s=60, confined=confined)
    assert ended.exit_code == 0, ended.stderr
    return dict(line.split(":\t") for line in ended.stdout.decode().splitlines())


def test_a_program_holds_no_capability_and_gains_none():
    """Every set is empty, the bounding one too where that is permitted; the user stays."""
    status = read_status(Confinement())
    sets = ["CapInh", "CapPrm", "CapEff", "CapAmb", *(["CapBnd"] if os.geteuid() == 0 else [])]
    assert {status[name] for name in sets} == {NOTHING}
    assert status["NoNewPrivs"] == "1"
    assert status["Uid"].split() == [str(os.geteuid())] * 4


@pytest.mark.root
def test_a_program_becomes_the_user_with_no_group_of_roots():
    """All ids are the user's, and the groups are those that the name services know."""
    status = read_status(Confinement(SudoCaller(4999, 4998)))
    assert (status["Uid"].split(), status["Gid"].split()) == (["4999"] * 4, ["4998"] * 4)
    assert (status["Groups"].split(), status["CapEff"], status["NoNewPrivs"]) == (["4998"], NOTHING, "1")


def test_a_command_that_enters_keeps_what_it_needs():
    """The launcher and root's own way drop privileges themselves, once they have entered."""
    status = read_status(Confinement(SudoCaller(4999, 4998), enters=True))
    assert status["Uid"].split() == [str(os.geteuid())] * 4
    assert status["NoNewPrivs"] == "0"


def test_a_program_that_cannot_be_started_is_a_result():
    """It is told from one that ran, also with a guardian."""
    ended = process.run(["/nowhere"], env=ENV, deadline_s=60, confined=Confinement(guarded=True))
    assert (ended.exit_code, ended.exec_errno) == (None, 2)


@pytest.mark.parametrize(
    "leaves",
    ["sleep 600 & exit", "setsid sleep 600 & exit", "(setsid sleep 600 >/dev/null 2>&1 &) & exit"],
    ids=["child", "session of its own", "daemon"],
)
def test_nothing_is_left_behind_by_an_engine_that_has_ended(leaves: str):
    """What it started in the background is killed and reaped, in whichever process group or session."""
    before = read_children()
    process.run(["/bin/sh", "-c", leaves], env=ENV, deadline_s=60, confined=Confinement(guarded=True))
    assert read_children() == before


def write_pid(file: Path) -> str:
    """Return a shell command that writes the shell's process id into a file."""
    return f"echo $$ >{file}.new; mv {file}.new {file}"


@pytest.mark.parametrize(
    "engine",
    [
        "{note}; exec sleep 600",
        "trap '' TERM HUP INT; {note}; exec sleep 600",
        "sh -c '{note}; exec sleep 600' & wait",
        "setsid sh -c '{note}; exec sleep 600' & wait",
    ],
    ids=["engine", "one that ignores signals", "its child", "its child in a session of its own"],
)
def test_a_killed_collect_leaves_no_engine(tmp_path: Path, engine: str):
    """After kill -9 the engine ends, its descendants too, and the lock is free only when they have ended."""
    pid_file, lock = tmp_path / "pid", str(tmp_path / "lock")
    argv = [sys.executable, "-c", COLLECT, lock, engine.format(note=write_pid(pid_file))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as collect:
        until(pid_file.exists)
        pid = int(pid_file.read_text())
        with hold_lock(lock) as held:
            assert not held
        collect.kill()
    until(lambda: is_free(lock))
    until(lambda: is_dead(pid))


def is_free(lock: str) -> bool:
    """Return whether the lock can be had."""
    with hold_lock(lock) as held:
        return held


def is_dead(pid: int) -> bool:
    """Return whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_engine_itself_holds_no_lock(tmp_path: Path):
    """What keeps the lock is the guardian: an engine has its three streams."""
    with hold_lock(str(tmp_path / "lock")):
        confined = Confinement(guarded=True, locks=held_descriptors())
        ended = process.run(["ls", "/proc/self/fd"], env=ENV, deadline_s=60, confined=confined)
    assert ended.stdout.split() == [b"0", b"1", b"2", b"3"]  # the last is ls's own
    assert held_descriptors() == ()


@pytest.mark.root
def test_as_whom_root_runs_engines(tmp_path: Path):
    """The caller of sudo, else the owner of the state directory, else root itself."""
    assert find_engine_user({"SUDO_UID": "4001", "SUDO_GID": "4002"}, tmp_path) == SudoCaller(4001, 4002)
    assert find_engine_user({}, tmp_path) is None
    assert find_engine_user({"SUDO_UID": "0", "SUDO_GID": "0"}, tmp_path / "missing") is None
    os.chown(tmp_path, 4999, 4998)
    assert find_engine_user({}, tmp_path) == SudoCaller(4999, 4998)
    assert find_engine_user({"SUDO_UID": "4001", "SUDO_GID": "4002"}, tmp_path) == SudoCaller(4001, 4002)
