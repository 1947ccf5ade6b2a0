"""The private machine that other tests rely on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from private_machine import PrivateMachine


def test_a_world_has_its_own_network(outer: PrivateMachine):
    """Only lo is there, it is up, and it is not the network of the test process."""
    links = outer.run(["ip", "-br", "link"]).stdout.splitlines()
    assert [line.split()[0] for line in links] == ["lo"]
    assert outer.run(["cat", "/sys/class/net/lo/flags"]).stdout == "0x9\n"
    assert outer.run(["readlink", "/proc/self/ns/net"]).stdout.strip() != str(Path("/proc/self/ns/net").readlink())


@pytest.mark.parametrize("directory", ["/etc", "/usr/local/bin", "/run", "/var/lib"])
def test_files_written_in_a_world_stay_there(outer: PrivateMachine, directory: str):
    """A file made in a private directory is seen in the world and not on the machine."""
    name = f"{directory}/speedmon-test-{os.getpid()}"
    outer.run(["sh", "-c", f"echo kept >{name}"])
    assert outer.path(name).read_text() == "kept\n"
    assert not Path(name).exists()


def test_named_namespaces_work(outer: PrivateMachine):
    """`ip netns` can make and enter a namespace in the private /run."""
    outer.run(["ip", "netns", "add", "inner"])
    inner = outer.run(["ip", "netns", "exec", "inner", "ip", "-br", "link"]).stdout
    assert "lo" in inner


def test_our_interpreter_and_packages_work_inside(outer: PrivateMachine):
    """The interpreter of the tests runs in the world and finds the installed packages in isolated mode."""
    code = "import netns.errors; import sys; print(sys.executable)"
    assert outer.run([sys.executable, "-I", "-c", code]).stdout.strip() == sys.executable


def test_mounts_of_one_command_are_seen_by_the_next(outer: PrivateMachine):
    """Commands share one mount namespace, as they do on a real machine."""
    outer.run(["sh", "-c", "mkdir /run/here && mount -t tmpfs here /run/here && touch /run/here/file"])
    outer.run(["test", "-e", "/run/here/file"])


def test_everything_dies_with_the_world():
    """A process that was left running ends when the world is closed."""
    with PrivateMachine() as world:
        process = world.popen(["sleep", "1000"])
    assert process.wait(timeout=30) != 0


def test_two_worlds_know_nothing_of_each_other():
    """A namespace of one world is not in the other."""
    with PrivateMachine() as one, PrivateMachine() as other:
        one.run(["ip", "netns", "add", "inner"])
        assert other.run(["ip", "netns", "list"]).stdout == ""


@pytest.mark.root
def test_a_user_of_the_world_is_truly_unprivileged(outer: PrivateMachine):
    """A command run as a user has that user's groups and no capability."""
    outer.run(["groupadd", "friends"])
    outer.add_user("visitor", 4242, "friends")
    output = outer.run(["sh", "-c", "id -un; id -Gn; grep CapEff /proc/self/status"], user="visitor").stdout
    assert output == "visitor\nvisitor friends\nCapEff:\t0000000000000000\n"
