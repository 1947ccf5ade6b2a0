"""The lab as data, and its name server."""

from __future__ import annotations

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netns.lab import servers, topology
from netns.plan.steps import AddRoute, CreateNamespace, CreateVeth, SetSysctl, ShapeLink


def ask(name: str, kind: str) -> dns.message.Message:
    """Return the reply of the lab's name server."""
    reply = servers.answer_query(dns.message.make_query(name, kind).to_wire())
    assert reply is not None
    return dns.message.from_wire(reply)


def steps_of(kind: type) -> list:
    """Return the lab's steps of one kind, in order."""
    return [step for step in topology.lab_steps() if isinstance(step, kind)]


def test_a_namespace_exists_before_anything_happens_in_it():
    """Every namespace that a step names was made by an earlier step."""
    made = {None}
    for step in topology.lab_steps():
        if isinstance(step, CreateNamespace):
            made.add(step.name)
        assert getattr(step, "netns", None) in made
        assert not isinstance(step, CreateVeth) or step.peer_netns in made


@pytest.mark.parametrize(("router", "access"), [(topology.ISP, topology.FIBRE), (topology.BROKER, topology.TUNNEL)])
def test_each_access_is_shaped_in_both_directions(router: str, access: topology.AccessLine):
    """The router limits what it sends to the home and what it sends to the internet."""
    rates = {step.link: step.rate_bps for step in steps_of(ShapeLink) if step.netns == router}
    assert rates == {"home0": access.download_bps, "net0": access.upload_bps}


def test_the_home_prefers_nothing_but_has_both_families():
    """It has a default route of each family, over its own link."""
    routes = {(step.gateway, step.link) for step in steps_of(AddRoute) if step.netns is None}
    assert routes == {("203.0.113.1", "wan0"), ("2001:db8:1::1", "he-ipv6")}


def test_the_home_is_not_a_router():
    """Only the ISP and the broker forward; the namespace's own set-up finds a host that does not."""
    forwarding = {step.netns: step.value for step in steps_of(SetSysctl) if step.key == "net/ipv4/ip_forward"}
    assert forwarding == {None: "0", topology.ISP: "1"}


def test_the_cut_is_made_where_the_isp_meets_the_internet():
    """A person who reads the step sees what was cut."""
    assert str(topology.cut_line_step()) == "ip -n isp link delete net0"


@pytest.mark.parametrize(
    ("address", "isp"),
    [(topology.HOME_IPV4, "Example Fibre"), (topology.HOME_IPV6, "Tunnel Broker (IPv6)"), ("192.0.2.1", None)],
)
def test_an_address_belongs_to_its_access(address: str, isp: str | None):
    """Each client gets the ISP that its address belongs to, other addresses none."""
    access = topology.find_access(address)
    assert (access.isp if access else None) == isp


@pytest.mark.parametrize("name", topology.SERVED_NAMES)
def test_every_name_has_an_address_of_each_family(name: str):
    """A host with both families is given the choice, as it is with the real speedtest.net."""
    assert [str(record[0]) for record in ask(name, "A").answer] == [topology.SERVER_IPV4]
    assert [str(record[0]) for record in ask(name, "AAAA").answer] == [topology.SERVER_IPV6]


def test_another_name_does_not_exist():
    """A name of the real internet is answered with NXDOMAIN, at once."""
    assert ask("example.com", "A").rcode() == dns.rcode.NXDOMAIN


def test_another_type_has_no_data():
    """A name that exists has no MX record, which is no error."""
    reply = ask(topology.SERVED_NAMES[0], "MX")
    assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])


@given(st.binary(max_size=80))
def test_noise_does_not_stop_the_name_server(noise: bytes):
    """Whatever comes in, there is a reply or none, and never an exception."""
    assert isinstance(servers.answer_query(noise), bytes | None)
