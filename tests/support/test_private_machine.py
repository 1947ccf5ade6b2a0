"""The private machine that other tests rely on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from private_machine import PrivateMachine


def test_a_machine_has_its_own_network(machine: PrivateMachine):
    """Only lo is there, it is up, and it is not the network of the test process."""
    links = machine.run(["ip", "-br", "link"]).stdout.splitlines()
    assert [line.split()[0] for line in links] == ["lo"]
    assert machine.run(["cat", "/sys/class/net/lo/flags"]).stdout == "0x9\n"
    assert machine.run(["readlink", "/proc/self/ns/net"]).stdout.strip() != str(Path("/proc/self/ns/net").readlink())


@pytest.mark.parametrize("directory", ["/etc", "/usr/local/bin", "/run", "/var/lib"])
def test_files_written_in_a_machine_stay_there(machine: PrivateMachine, directory: str):
    """A file made in a private directory exists there and not on the real machine."""
    name = f"{directory}/speedmon-test-{os.getpid()}"
    machine.run(["sh", "-c", f"echo kept >{name}"])
    assert machine.path(name).read_text() == "kept\n"
    assert not Path(name).exists()


def test_named_namespaces_work(machine: PrivateMachine):
    """`ip netns` can make and enter a namespace in the private /run."""
    machine.run(["ip", "netns", "add", "inner"])
    inner = machine.run(["ip", "netns", "exec", "inner", "ip", "-br", "link"]).stdout
    assert "lo" in inner


def test_our_interpreter_and_packages_work_inside(machine: PrivateMachine):
    """The interpreter of the tests runs in there and finds the installed packages in isolated mode."""
    code = "import netns.errors; import sys; print(sys.executable)"
    assert machine.run([sys.executable, "-I", "-c", code]).stdout.strip() == sys.executable


def test_mounts_of_one_command_are_there_for_the_next(machine: PrivateMachine):
    """Commands share one mount namespace, as they do on a real machine."""
    machine.run(["sh", "-c", "mkdir /run/here && mount -t tmpfs here /run/here && touch /run/here/file"])
    machine.run(["test", "-e", "/run/here/file"])


def test_everything_ends_with_the_machine():
    """A process that was left running ends when the machine is closed."""
    with PrivateMachine() as machine:
        process = machine.popen(["sleep", "1000"])
    assert process.wait(timeout=120) != 0


def test_two_machines_are_separate():
    """A namespace of one machine is not in the other."""
    with PrivateMachine() as one, PrivateMachine() as other:
        one.run(["ip", "netns", "add", "inner"])
        assert other.run(["ip", "netns", "list"]).stdout == ""


@pytest.mark.root
def test_a_user_of_the_machine_is_truly_unprivileged(machine: PrivateMachine):
    """A command run as a user has that user's groups and no capability."""
    machine.run(["groupadd", "friends"])
    machine.add_user("visitor", 4242, "friends")
    output = machine.run(["sh", "-c", "id -un; id -Gn; grep CapEff /proc/self/status"], user="visitor").stdout
    assert output == "visitor\nvisitor friends\nCapEff:\t0000000000000000\n"
