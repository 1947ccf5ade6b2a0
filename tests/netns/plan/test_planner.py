"""The plan: what is missing is planned in a safe order, what is there is left alone, and the way back is complete."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from paper_machine import apply_on_paper

from netns.errors import ForeignStateError, NoUplinkError, SpecError
from netns.plan import host_steps, planner, steps
from netns.spec import NamespaceSpec
from netns.state import HandleState, Journal, Link, ObservedLauncher, ObservedState, Uplink

SPEC = NamespaceSpec()
BOOT = "boot-1"
UPLINK_FORWARDING = "net/ipv4/conf/eth0/forwarding"

BARE = ObservedState(
    boot_id=BOOT,
    uplink=Uplink("eth0", 1492, "203.0.113.1"),
    sysctls={
        (None, planner.ALL_FORWARDING): "0",
        (None, UPLINK_FORWARDING): "0",
        (None, planner.DISABLE_IPV6_KEY.format("all")): "0",
    },
    untuned=("net/ipv4/tcp_mtu_probing",),
    files={
        "/etc/resolv.conf": "nameserver 127.0.0.53\nsearch lan\n",
        "/run/systemd/resolve/resolv.conf": "nameserver 2001:db8::53\nnameserver 203.0.113.53\n",
        "/etc/nsswitch.conf": "passwd: files\nhosts: resolve [!UNAVAIL=return] dns\n",
    },
    directories=frozenset({"/etc/netns"}),
    networks=((ipaddress.IPv4Network("203.0.113.0/24"), "the host's route to 203.0.113.0/24"),),
    addresses=frozenset({"203.0.113.10"}),
)


def settle(observed: ObservedState, spec: NamespaceSpec = SPEC) -> tuple[ObservedState, Journal]:
    """Set up on paper and note the listing, as set-up does after it has looked again."""
    planned = planner.plan_setup(spec, observed, Journal())
    after = apply_on_paper(observed, planned.steps)
    return after, replace(planned.journal, table=after.table)


def test_second_setup_plans_nothing():
    """After one set-up nothing is left to do."""
    after, journal = settle(BARE)
    assert planner.plan_setup(SPEC, after, journal).steps == ()


def test_ipv6_is_off_before_any_link_exists():
    """The switches for all, default and lo come before the veth, so no router advertisement finds a window."""
    ordered = planner.plan_setup(SPEC, BARE, Journal()).steps
    veth = next(i for i, step in enumerate(ordered) if isinstance(step, steps.CreateVeth))
    switched = {step.key for step in ordered[:veth] if isinstance(step, steps.SetSysctl) and step.netns}
    assert switched >= {planner.DISABLE_IPV6_KEY.format(link) for link in ("all", "default", "lo")}


def test_firewall_is_loaded_before_anything_forwards():
    """No packet is forwarded by our doing before our rules judge it."""
    ordered = planner.plan_setup(SPEC, BARE, Journal()).steps
    table = next(i for i, step in enumerate(ordered) if isinstance(step, steps.LoadTable))
    forwarding = [
        i for i, step in enumerate(ordered) if isinstance(step, steps.SetSysctl) and step.key.endswith("forwarding")
    ]
    assert len(forwarding) == 2
    assert min(forwarding) > table


def test_only_two_interfaces_forward():
    """The veth and the uplink forward; the setting of the whole host is left alone."""
    keys = {step.key for step in planner.plan_setup(SPEC, BARE, Journal()).steps if isinstance(step, steps.SetSysctl)}
    forwarding = {key for key in keys if "forward" in key}
    assert forwarding == {"net/ipv4/conf/ip4only-root/forwarding", UPLINK_FORWARDING}


def test_teardown_leaves_the_machine_as_it_was():
    """On paper, a set-up and a teardown cancel out, but for the settings that vanish with the veth."""
    after, journal = settle(BARE)
    back = apply_on_paper(after, planner.plan_teardown(SPEC, after, journal).steps)
    for part in ("handle", "host_link", "table", "directories", "handles_mounted", "launcher"):
        assert getattr(back, part) == getattr(replace(BARE, directories=BARE.directories), part), part
    assert {path: text for path, text in back.files.items() if text} == BARE.files
    assert back.sysctls[None, UPLINK_FORWARDING] == "0"


def test_teardown_leaves_forwarding_that_others_rely_on():
    """Once somebody made the host a router, switching the uplink back would cut them off."""
    after, journal = settle(BARE)
    router = replace(after, sysctls={**after.sysctls, (None, planner.ALL_FORWARDING): "1"})
    assert not [s for s in planner.plan_teardown(SPEC, router, journal).steps if isinstance(s, steps.SetSysctl)]


def test_teardown_of_nothing_is_nothing():
    """Where nothing was set up there is nothing to remove."""
    assert planner.plan_teardown(SPEC, BARE, Journal()).steps == ()


def test_teardown_leaves_a_foreign_link_alone():
    """A link of our name without our mark is not removed."""
    foreign = replace(BARE, host_link=Link(7, "dummy", up=True, mtu=1500))
    assert planner.plan_teardown(SPEC, foreign, Journal()).steps == ()


def test_uplink_change_moves_forwarding():
    """When the default route moves, the old uplink gets its setting back and the new one forwards."""
    after, journal = settle(BARE)
    moved = replace(
        after,
        uplink=Uplink("wlan0", 1500, "203.0.113.1"),
        sysctls={**after.sysctls, (None, "net/ipv4/conf/wlan0/forwarding"): "0"},
    )
    planned = planner.plan_setup(SPEC, moved, journal)
    settings = {(s.key, s.value) for s in planned.steps if isinstance(s, steps.SetSysctl)}
    assert settings == {(UPLINK_FORWARDING, "0"), ("net/ipv4/conf/wlan0/forwarding", "1")}
    assert any(isinstance(step, steps.LoadTable) for step in planned.steps)


def test_parts_of_a_default_route_are_not_networks():
    """A VPN that routes the internet in halves, or a few more parts, is in nobody's way."""
    halves = [ipaddress.IPv4Network(text) for text in ("0.0.0.0/1", "128.0.0.0/1", "192.0.0.0/3")]
    vpn = replace(BARE, networks=(*BARE.networks, *((network, "a route") for network in halves)))
    assert planner.plan_setup(SPEC, vpn, Journal()).steps == planner.plan_setup(SPEC, BARE, Journal()).steps


def test_no_free_subnet_is_still_a_clear_error():
    """Where all that could be proposed is taken too, none is proposed."""
    taken = tuple((ipaddress.IPv4Network(text), text) for text in ("192.168.0.0/16", "10.0.0.0/8", "100.64.0.0/10"))
    with pytest.raises(SpecError, match=r"overlaps 192\.168\.0\.0/16; use another$"):
        planner.plan_setup(SPEC, replace(BARE, networks=taken), Journal())


def test_guard_only_where_we_made_the_uplink_forward():
    """A host that was a router before stays one: the guard rule is left out."""
    ours = next(s for s in planner.plan_setup(SPEC, BARE, Journal()).steps if isinstance(s, steps.LoadTable))
    router = replace(
        BARE, sysctls={**BARE.sysctls, (None, planner.ALL_FORWARDING): "1", (None, UPLINK_FORWARDING): "1"}
    )
    theirs = next(s for s in planner.plan_setup(SPEC, router, Journal()).steps if isinstance(s, steps.LoadTable))
    assert "not a router" in str(ours.commands)
    assert "not a router" not in str(theirs.commands)


def test_changed_rules_are_loaded_again():
    """A listing that differs from the one we noted means that somebody touched our table."""
    after, journal = settle(BARE)
    touched = replace(after, table="somebody added a rule")
    assert [type(step) for step in planner.plan_setup(SPEC, touched, journal).steps] == [steps.LoadTable]


def test_journal_of_another_boot_is_void():
    """After a reboot the recorded settings mean nothing, but that we made the group still counts."""
    old = Journal(boot_id="boot-0", sysctls={UPLINK_FORWARDING: "1"}, made_group=True)
    new_journal = planner.plan_setup(SPEC, BARE, old).journal
    assert new_journal.sysctls == {UPLINK_FORWARDING: "0"}
    assert new_journal.made_group


def test_host_without_ipv6_gets_no_ipv6_settings():
    """A kernel booted without IPv6 has no such switches to write."""
    bare = replace(BARE, sysctls={k: v for k, v in BARE.sysctls.items() if "ipv6" not in k[1]})
    assert not [s for s in planner.plan_setup(SPEC, bare, Journal()).steps if "ipv6" in getattr(s, "key", "")]


@pytest.mark.parametrize(
    ("observed", "error", "message"),
    [
        (replace(BARE, uplink=None), NoUplinkError, "no IPv4 default route"),
        (replace(BARE, host_link=Link(7, "veth", up=True, mtu=1500)), ForeignStateError, "ip4only-root"),
        (replace(BARE, handle=HandleState.LIVE), ForeignStateError, "namespace ip4only"),
        (replace(BARE, launcher=ObservedLauncher(present=True)), ForeignStateError, "/usr/local/bin/ip4only"),
        (
            replace(BARE, networks=((ipaddress.IPv4Network("192.168.0.0/16"), "the VPN"),)),
            SpecError,
            "--subnet 10.200.200.0/24",
        ),
    ],
)
def test_obstacle_is_named(observed: ObservedState, error: type[Exception], message: str):
    """Somebody else's state is never touched; the message names it and what to do."""
    with pytest.raises(error, match=message):
        planner.plan_setup(SPEC, observed, Journal())


def test_missing_pinned_uplink_is_a_mistake_of_the_caller():
    """An interface that was named and is not there is a usage error that names it."""
    with pytest.raises(SpecError, match="eth9"):
        planner.plan_setup(replace(SPEC, uplink="eth9"), replace(BARE, uplink=None), Journal())


def test_foreign_resolver_file_is_kept():
    """A resolv.conf in /etc/netns that is not ours stays, with a note to the user."""
    path = "/etc/netns/ip4only/resolv.conf"
    planned = planner.plan_setup(SPEC, replace(BARE, files={**BARE.files, path: "nameserver 9.9.9.9\n"}), Journal())
    assert path not in {step.path for step in planned.steps if isinstance(step, host_steps.WriteFile)}
    assert any(path in note for note in planned.notes)


def test_no_compiler_means_no_launcher_and_a_note():
    """Without a C compiler set-up goes on, and says what is missing."""
    planned = planner.plan_setup(SPEC, replace(BARE, launcher=ObservedLauncher(compiler=False)), Journal())
    assert not [s for s in planned.steps if isinstance(s, host_steps.PlaceLauncher)]
    assert "musl-tools" in planned.notes[0]


LINKS = st.builds(
    Link,
    index=st.sampled_from([3, 20]),
    kind=st.just("veth"),
    up=st.booleans(),
    mtu=st.sampled_from([1492, 1500]),
    peer_index=st.sampled_from([3, 20, 99, None]),
    alias=st.just(SPEC.alias),
    addresses=st.sets(st.sampled_from([SPEC.gateway, SPEC.address, "10.9.9.9/8"])).map(frozenset),
)

ROUTES = st.lists(st.tuples(st.sampled_from(["192.168.200.1", "10.0.0.1"]), st.sampled_from([3, 4])), max_size=2)


@st.composite
def half_built(draw: st.DrawFn) -> ObservedState:
    """Any state that a crash, a person with `ip` or an old version may have left, ours by its marks."""
    live = draw(st.booleans())
    inner = draw(st.none() | LINKS) if live else None
    return replace(
        BARE,
        handle=HandleState.LIVE if live else draw(st.sampled_from([HandleState.MISSING, HandleState.STALE])),
        host_link=draw(LINKS) if live else draw(st.none() | LINKS),
        inner_link=inner,
        loopback_up=live and draw(st.booleans()),
        default_routes=tuple(draw(ROUTES)) if inner else (),
        table=draw(st.none() | st.just("something")),
        launcher=draw(
            st.builds(ObservedLauncher, present=st.just(value=True), ours=st.just(value=True), intact=st.booleans())
        ),
    )


@given(half_built())
def test_any_half_built_state_is_repaired_in_one_go(observed: ObservedState):
    """Whatever was left half-built, one plan repairs it and a second finds nothing to do."""
    after, journal = settle(observed)
    assert planner.plan_setup(SPEC, after, journal).steps == ()
    assert after.host_link is not None
    assert after.host_link.addresses == {SPEC.gateway}
    assert after.default_routes == (("192.168.200.1", after.inner_link.index),)


@given(half_built())
def test_any_half_built_state_is_removed_in_one_go(observed: ObservedState):
    """Whatever was left half-built, one teardown removes it and a second finds nothing to do."""
    journal = Journal(boot_id=BOOT)
    after = apply_on_paper(observed, planner.plan_teardown(SPEC, observed, journal).steps)
    assert (after.handle, after.host_link, after.table) == (HandleState.MISSING, None, None)
    assert planner.plan_teardown(SPEC, after, journal).steps == ()
