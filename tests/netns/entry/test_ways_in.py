"""What both ways into the namespace promise: the launcher, and `netns.entry.inside` for root."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from inside_namespace import NAME, EntryWay, enter_as_root, enter_by_launcher, make_namespace, place_launcher
from waiting import until

if TYPE_CHECKING:
    from private_machine import PrivateMachine

PREPARED = "nameserver 192.0.2.53\n"
HOST = "nameserver 127.0.0.53\n"


@pytest.fixture(params=["launcher", "inside"])
def entry(request: pytest.FixtureRequest, machine: PrivateMachine, program: bytes) -> EntryWay:
    """Return a way into the namespace of a private machine."""
    make_namespace(machine)
    if request.param == "inside":
        return enter_as_root(machine)
    place_launcher(machine, program)
    return enter_by_launcher(machine)


def test_the_command_runs_in_the_namespace(entry: EntryWay):
    """The command's network is the named one."""
    named = entry.machine.run(["ip", "netns", "exec", NAME, "readlink", "/proc/self/ns/net"]).stdout
    assert entry.run("readlink", "/proc/self/ns/net").stdout == named


@pytest.mark.parametrize("capability_set", ["CapInh", "CapPrm", "CapEff", "CapAmb"])
def test_the_command_holds_no_capability(entry: EntryWay, capability_set: str):
    """No set that a program could use has a capability left."""
    assert entry.run("grep", capability_set, "/proc/self/status").stdout == f"{capability_set}:\t{'0' * 16}\n"


def test_the_command_can_gain_no_privilege(entry: EntryWay):
    """no_new_privs is set, so setuid programs and file capabilities give nothing."""
    assert entry.run("grep", "NoNewPrivs", "/proc/self/status").stdout == "NoNewPrivs:\t1\n"


@pytest.mark.parametrize("question", [["id"], ["grep", "Sig[BIC]", "/proc/self/status"], ["sh", "-c", "umask; env"]])
def test_the_command_is_the_callers_in_all_else(entry: EntryWay, question: list[str]):
    """User, groups, signals, umask and environment are those of a command that is run outside."""
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "KEPT": "a b"}
    assert entry.run(*question, env=environment).stdout == entry.direct(*question, env=environment).stdout


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["sh", "-c", "exit 37"], 37),
        (["sh", "-c", "kill -KILL $$"], -9),
        (["/nowhere/at/all"], 127),
        (["/etc/passwd"], 126),
        ([], 125),
    ],
)
def test_the_exit_status_shows_who_failed(entry: EntryWay, command: list[str], status: int):
    """The command's own status and signal pass through; 125 to 127 are as with env(1)."""
    assert entry.run(*command).returncode == status


def test_a_command_is_looked_for_on_the_callers_path(entry: EntryWay):
    """PATH is the caller's for a command without a slash."""
    done = entry.after("os.environ['PATH'] = '/nowhere'", ["true"])
    assert (done.returncode, done.stderr) == (127, "ip4only: true: No such file or directory\n")


def test_the_command_sees_the_prepared_files(entry: EntryWay):
    """The namespace's resolv.conf is in place of the host's, which is a symlink and stays as it is."""
    assert entry.run("cat", "/etc/resolv.conf").stdout == PREPARED
    assert entry.machine.run(["cat", "/etc/resolv.conf"]).stdout == HOST


def test_what_is_not_prepared_is_the_hosts(entry: EntryWay):
    """A file without a counterpart in /etc/netns is the same inside as on the host."""
    assert entry.run("cat", "/etc/hosts").stdout == entry.direct("cat", "/etc/hosts").stdout


def test_nothing_need_be_prepared(entry: EntryWay):
    """A namespace without a folder in /etc/netns can be entered all the same."""
    entry.machine.run(["rm", "-r", "/etc/netns"])
    assert entry.run("cat", "/etc/resolv.conf").stdout == HOST


@pytest.mark.parametrize("missing", [f"/etc/netns/{NAME}", f"/etc/netns/{NAME}/resolv.conf"])
def test_without_a_prepared_resolver_it_says_so(entry: EntryWay, missing: str):
    """The name servers are the host's then, which may not answer inside: one line says so, with the fix."""
    entry.machine.run(["rm", "-r", missing])
    done = entry.run("true")
    expected = f"there is no /etc/netns/{NAME}/resolv.conf, so the name servers are the host's; run: sudo speedmon"
    assert done.stderr == f"{NAME}: {expected} setup-netns\n"
    assert done.returncode == 0
    entry.machine.run(["sh", "-c", f"mkdir -p /etc/netns/{NAME}; echo >/etc/netns/{NAME}/resolv.conf"])
    assert entry.run("true").stderr == ""


PARENT = """
import subprocess, sys
child = subprocess.Popen([*sys.argv[1:], "sh", "-c", "echo $$; exec sleep 600"], stdout=subprocess.PIPE)
print(child.stdout.readline().decode().strip(), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("tied", [True, False])
def test_the_command_dies_with_its_parent_where_that_is_asked_for(entry: EntryWay, tied: bool):
    """Killed with SIGKILL, the parent takes an engine along through both ways in; another command goes on."""
    option = ["--die-with-parent"] if tied else []
    if entry.program[0] == sys.executable:
        way = [*entry.program[:4], *option, *entry.program[4:]]
    else:
        way = [*entry.program, *option]
    machine = entry.machine
    argv = [sys.executable, "-c", PARENT, *way]
    with machine.popen(argv, user=entry.user, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = parent.stdout.readline().strip()
        until(lambda: machine.run(["cat", f"/proc/{pid}/comm"]).stdout == "sleep\n")
        machine.run(["sh", "-c", f"kill -9 $(awk '/^PPid/ {{print $2}}' /proc/{pid}/status) 2>/dev/null || :"])
    state = ["sed", "-n", "s/^State:\t\\(.\\).*/\\1/p", f"/proc/{pid}/status"]
    if tied:
        until(lambda: machine.run(state, check=False).stdout in {"", "Z\n"})  # nobody reaps orphans in there
    else:
        assert machine.run(state).stdout == "S\n"


def test_mounts_do_not_reach_the_host(entry: EntryWay):
    """Where the host shares its mounts, as systemd has it, it still sees none of the command's."""
    entry.machine.run(["mount", "--make-rshared", "/"])
    before = entry.machine.run(["cat", "/proc/self/mounts"]).stdout
    assert entry.run("cat", "/etc/resolv.conf").stdout == PREPARED
    assert entry.machine.run(["cat", "/proc/self/mounts"]).stdout == before


def test_a_new_resolv_conf_of_the_host_does_not_leak_in(entry: EntryWay):
    """A running command keeps the namespace's servers when the host's resolver renames a new file into place."""
    asking = entry.argv("sh", "-c", "echo started; read -r _go; cat /etc/resolv.conf")
    with entry.machine.popen(asking, user=entry.user, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "started\n"
        entry.machine.run(["sh", "-c", "echo 'nameserver ::1' >/run/new && mv /run/new /run/resolv.conf"])
        assert running.communicate("go\n", timeout=120)[0] == PREPARED


def test_a_file_that_the_host_lacks_is_not_missed(entry: EntryWay):
    """A prepared nsswitch.conf is left out where the host has none, as with musl."""
    entry.machine.run(["sh", "-c", f"rm -f /etc/nsswitch.conf; echo hosts: dns >/etc/netns/{NAME}/nsswitch.conf"])
    assert entry.run("cat", "/etc/resolv.conf").stdout == PREPARED


def test_nscd_is_out_of_reach(entry: EntryWay):
    """The socket of nscd is hidden: it would answer from the host's network."""
    entry.machine.run(["sh", "-c", "mkdir /run/nscd && touch /run/nscd/socket"])
    assert entry.run("ls", "/run/nscd").stdout == ""
    assert entry.machine.run(["ls", "/run/nscd"]).stdout == "socket\n"


def test_an_inherited_socket_does_not_come_along(entry: EntryWay):
    """A socket that was opened in the host's network is closed; the command has its three streams and no more."""
    code = "import socket; opened = socket.socket(); os.dup2(opened.fileno(), 9)"
    assert entry.after(code, ["ls", "/proc/self/fd"]).stdout.split() == ["0", "1", "2", "3"]  # the last is ls's own


def test_closed_streams_are_not_given_the_namespace(entry: EntryWay):
    """What the caller closed of stdin and stderr is an empty device for the command."""
    streams = ["readlink", "/proc/self/fd/0", "/proc/self/fd/2"]
    devices = entry.after("os.close(0); os.close(2)", streams).stdout.split()
    assert len(devices) == 2
    assert set(devices) <= {"/dev/null", "/dev/full"}  # the latter is glibc's choice in a privileged program


@pytest.mark.parametrize(
    "fault",
    [
        f"umount /run/netns/{NAME} && rm /run/netns/{NAME}",
        f"umount /run/netns/{NAME}",
        f"umount /run/netns/{NAME} && chmod 644 /run/netns/{NAME}",
        f"umount /run/netns/{NAME} && mount --bind /proc/self/ns/uts /run/netns/{NAME}",
        f"umount /run/netns/{NAME} && rm /run/netns/{NAME} && ln -s /proc/self/ns/net /run/netns/{NAME}",
        f"chmod 777 /etc/netns/{NAME}",
        f"mv /etc/netns/{NAME} /etc/netns/aside && ln -s aside /etc/netns/{NAME}",
        f"chmod 666 /etc/netns/{NAME}/resolv.conf",
        f"ln -sf /tmp/evil /etc/netns/{NAME}/resolv.conf",
        f"mkdir /etc/netns/{NAME}/nsswitch.conf",
        "rm /etc/resolv.conf",
    ],
)
def test_what_is_not_right_is_refused(entry: EntryWay, fault: str):
    """Nothing is run when the namespace or its files are not as root made them; one line says what and the fix."""
    entry.machine.run(["sh", "-c", fault])
    done = entry.run("echo", "ran")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (125, "", 1)
    assert done.stderr.startswith("ip4only: /")
    assert "sudo speedmon setup-netns" in done.stderr or "must exist" in done.stderr


@pytest.mark.root
@pytest.mark.parametrize("file", [f"/etc/netns/{NAME}", f"/etc/netns/{NAME}/resolv.conf"])
def test_files_of_another_user_are_refused(entry: EntryWay, file: str):
    """Prepared files count only when root owns them."""
    entry.machine.run(["chown", "4002", file])
    done = entry.run("echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
