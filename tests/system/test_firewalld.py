"""The namespace beside the real firewalld, which runs on a message bus of its own in the private machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import firewalld
import pytest
from home_network import HomeNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator

SETUP = ("setup-netns", "--no-launcher")
READY, SAME = "is ready", "nothing changed"

pytestmark = pytest.mark.root


@pytest.fixture
def home() -> Iterator[HomeNetwork]:
    """Yield a home host where firewalld runs."""
    with HomeNetwork() as host, firewalld.run_firewalld(host):
        yield host


def answers(home: HomeNetwork) -> bool:
    """Tell whether the ISP answers a ping from inside."""
    return home.speedmon("exec", "--", "ping", "-qc1", "-W5", "203.0.113.1", check=False).returncode == 0


def test_reload_of_firewalld_keeps_the_trust(home: HomeNetwork):
    """The namespace works after firewalld has loaded its rules anew, and a second set-up finds nothing to do."""
    home.speedmon(*SETUP)
    home.shell("firewall-cmd --reload")
    assert SAME in home.speedmon(*SETUP).stdout
    assert answers(home)


@pytest.mark.parametrize("when", ["", "--permanent"])
def test_half_of_the_trust_is_repaired_and_removed(home: HomeNetwork, when: str):
    """A source that somebody took out of one of the two configurations is put back; teardown copes with it as well."""
    home.speedmon(*SETUP)
    home.shell(f"firewall-cmd {when} --zone=trusted --remove-source=192.168.200.0/24")
    assert READY in home.speedmon(*SETUP).stdout
    home.shell(f"firewall-cmd {when} --zone=trusted --remove-source=192.168.200.0/24")
    home.speedmon("teardown-netns")
    assert "192.168.200.0" not in home.shell("cat /etc/firewalld/zones/trusted.xml").stdout


def test_source_that_the_user_trusts_stays(home: HomeNetwork):
    """A subnet that was trusted before is trusted after teardown."""
    for when in ((), ("--permanent",)):
        home.run(["firewall-cmd", *when, "--zone=trusted", "--add-source=192.168.200.0/24"])
    home.speedmon(*SETUP)
    home.speedmon("teardown-netns")
    assert home.shell("firewall-cmd --zone=trusted --list-sources").stdout == "192.168.200.0/24\n"
