"""teardown-netns on a real network: what others changed or still need stays, and a failure keeps the rest going."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from home_network import HomeNetwork

FORWARDING = "/proc/sys/net/ipv4/conf/eth0/forwarding"
ETC = "/etc/netns/ip4only"
OTHER = ("--name", "wan2", "--subnet", "192.168.201.0/24")


def setup(home: HomeNetwork, *arguments: str) -> str:
    """Set up without the launcher, which has its own tests."""
    return home.speedmon("setup-netns", "--no-launcher", *arguments).stdout


def test_a_step_that_fails_is_named_and_the_others_are_done(home: HomeNetwork):
    """A file that cannot be removed stays with the journal, all else goes, and the next teardown finishes the job."""
    before = home.snapshot()
    setup(home)
    home.shell(f"mount --bind {ETC} {ETC}; mount -o remount,bind,ro {ETC}")
    failed = home.speedmon("teardown-netns", check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (5, 1)
    assert f"`rm {ETC}/resolv.conf` failed: Read-only file system" in failed.stderr
    leftover = home.shell("ip netns; ip link; nft list tables").stdout
    assert "ip4only" not in leftover
    assert "speedmon" not in leftover
    assert home.shell(f"cat {FORWARDING}").stdout == "0\n"
    home.shell(f"umount {ETC}")
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


def test_set_up_after_a_failed_teardown(home: HomeNetwork):
    """Set-up takes up what a teardown could not remove, and a later teardown removes that as well."""
    before = home.snapshot()
    setup(home)
    home.shell(f"mount --bind {ETC} {ETC}; mount -o remount,bind,ro {ETC}")
    assert home.speedmon("teardown-netns", check=False).returncode == 5
    home.shell(f"umount {ETC}")
    setup(home)
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


def test_setting_that_somebody_changed_since_is_left_alone(home: HomeNetwork):
    """A host that was made a router since then stays one."""
    setup(home)
    home.shell("echo 1 > /proc/sys/net/ipv4/conf/all/forwarding")
    home.speedmon("teardown-netns")
    assert home.shell(f"cat {FORWARDING}").stdout == "1\n"


def test_uplink_of_the_past_is_left_alone(home: HomeNetwork):
    """Once the uplink has moved and the old one has its setting back, what somebody sets there later is theirs."""
    setup(home)
    home.shell("ip route replace default via 10.50.0.2")
    setup(home)
    assert home.shell(f"cat {FORWARDING}").stdout == "0\n"
    home.shell(f"echo 1 > {FORWARDING}")
    home.speedmon("teardown-netns")
    assert home.shell(f"cat {FORWARDING}").stdout == "1\n"


@pytest.mark.parametrize("first", ["ip4only", "wan2"])
def test_what_two_namespaces_share_goes_with_the_last(home: HomeNetwork, first: str):
    """Two namespaces on one uplink: the first to go leaves the other working and guarded, the last leaves no trace."""
    before = home.snapshot()
    setup(home)
    setup(home, *OTHER)
    last = "wan2" if first == "ip4only" else "ip4only"
    home.speedmon("teardown-netns", "--name", first)
    assert home.shell(f"ip netns exec {last} ping -c1 -W5 203.0.113.1").returncode == 0
    assert "not a router" in home.shell("nft list ruleset").stdout
    home.speedmon("teardown-netns", "--name", last)
    assert home.snapshot() == before


@pytest.mark.root
def test_group_goes_with_the_last_launcher(home: HomeNetwork):
    """The group of two launchers is there as long as one of them is."""
    before = home.snapshot()
    home.speedmon("setup-netns")
    home.speedmon("setup-netns", *OTHER)
    home.speedmon("teardown-netns")
    assert "speedmon" in home.shell("stat -c %G /usr/local/bin/wan2").stdout
    home.speedmon("teardown-netns", "--name", "wan2")
    assert home.snapshot() == before


# A member before set-up, and a group of that name, as a configuration tool may have made them.
GROUP = "groupadd --system speedmon; usermod -aG speedmon bob"


@pytest.mark.root
def test_member_of_a_group_that_was_there_goes_again(home: HomeNetwork):
    """Who was put into a group that existed leaves it with the last launcher; who was in it before stays."""
    home.add_user("ann", 4001)
    home.add_user("bob", 4002)
    home.shell(GROUP)
    before, members = home.snapshot(), home.shell("cat /etc/group /etc/gshadow").stdout
    home.speedmon("setup-netns", "--user", "ann", "--user", "bob")
    home.speedmon("setup-netns", "--user", "ann", *OTHER)
    home.speedmon("teardown-netns")
    assert "speedmon:x:" in home.shell("getent group speedmon").stdout
    assert home.shell("id -Gn ann").stdout == "ann speedmon\n"
    home.speedmon("teardown-netns", "--name", "wan2")
    assert (home.snapshot(), home.shell("cat /etc/group /etc/gshadow").stdout) == (before, members)


@pytest.mark.root
def test_member_that_somebody_removed_since_is_accepted(home: HomeNetwork):
    """A teardown accepts that the user has left the group, or that the group no longer exists."""
    home.add_user("ann", 4001)
    for change in ("gpasswd --delete ann speedmon", "groupdel speedmon"):
        home.shell("getent group speedmon || groupadd --system speedmon")
        home.speedmon("setup-netns", "--user", "ann")
        home.shell(change)
        home.speedmon("teardown-netns")


# A compiler that is running when the call is killed.
DEADLY = """#!/bin/sh
for word; do case $word in */launcher) echo "$word" >/run/where; echo >"$word"; esac; done
kill -KILL $PPID
"""


@pytest.mark.root
@pytest.mark.parametrize("repair", ["setup-netns", "teardown-netns"])
def test_what_a_killed_compiler_leaves_goes(home: HomeNetwork, repair: str):
    """The folder in which the launcher was being built is removed by the next call of either kind."""
    before = home.snapshot()
    compiler = home.path("/usr/local/bin/musl-gcc")
    compiler.write_text(DEADLY)
    compiler.chmod(0o755)
    assert home.speedmon("setup-netns", check=False).returncode != 0
    compiler.unlink()
    leftover = home.path(home.path("/run/where").read_text().strip())
    home.path("/run/where").unlink()
    assert leftover.exists()
    home.speedmon(repair)
    assert not leftover.exists()
    home.speedmon("teardown-netns")
    assert home.snapshot() == before
