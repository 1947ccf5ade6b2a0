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
def street() -> Iterator[HomeNetwork]:
    """Yield a home host where firewalld runs."""
    with HomeNetwork() as host, firewalld.run_firewalld(host):
        yield host


def answers(street: HomeNetwork) -> bool:
    """Tell whether the ISP answers a ping from inside."""
    return street.speedmon("exec", "--", "ping", "-qc1", "-W5", "203.0.113.1", check=False).returncode == 0


def test_reload_of_firewalld_keeps_the_trust(street: HomeNetwork):
    """The namespace works after firewalld has loaded its rules anew, and a second set-up finds nothing to do."""
    street.speedmon(*SETUP)
    street.shell("firewall-cmd --reload")
    assert SAME in street.speedmon(*SETUP).stdout
    assert answers(street)


@pytest.mark.parametrize("when", ["", "--permanent"])
def test_half_of_the_trust_is_repaired_and_removed(street: HomeNetwork, when: str):
    """A source that somebody took out of one of the two configurations is put back; teardown copes with it as well."""
    street.speedmon(*SETUP)
    street.shell(f"firewall-cmd {when} --zone=trusted --remove-source=192.168.200.0/24")
    assert READY in street.speedmon(*SETUP).stdout
    street.shell(f"firewall-cmd {when} --zone=trusted --remove-source=192.168.200.0/24")
    street.speedmon("teardown-netns")
    assert "192.168.200.0" not in street.shell("cat /etc/firewalld/zones/trusted.xml").stdout


def test_source_that_the_user_trusts_stays(street: HomeNetwork):
    """A subnet that was trusted before is trusted after teardown."""
    for when in ((), ("--permanent",)):
        street.run(["firewall-cmd", *when, "--zone=trusted", "--add-source=192.168.200.0/24"])
    street.speedmon(*SETUP)
    street.speedmon("teardown-netns")
    assert street.shell("firewall-cmd --zone=trusted --list-sources").stdout == "192.168.200.0/24\n"
