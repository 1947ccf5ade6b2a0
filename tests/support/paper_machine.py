"""A machine on paper: applies steps to an `ObservedState`, so that plans can be tested without changing anything."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns.firewall import nft_rules
from netns.firewall.rules import has_tag
from netns.plan import firewall_steps, host_steps, steps
from netns.plan.planner import DISABLE_IPV6_KEY
from netns.state import ChainRule, HandleState, Link, ObservedState

if TYPE_CHECKING:
    from netns.plan.steps import Step

NAMESPACE = "ip4only"


def apply_on_paper(observed: ObservedState, ordered: tuple[Step, ...]) -> ObservedState:
    """Return the machine after the steps."""
    return functools.reduce(lambda state, step: _apply_step(step, state), ordered, observed)


@functools.singledispatch
def _apply_step(step: Step, observed: ObservedState) -> ObservedState:
    raise AssertionError(f"the paper machine does not know {step!r}")


@_apply_step.register
def _(step: steps.CreateNamespace, observed: ObservedState) -> ObservedState:
    assert observed.handle is HandleState.MISSING
    return replace(
        observed,
        handle=HandleState.LIVE,
        inner_link=None,
        loopback_up=False,
        default_routes=(),
        untuned=(),
        directories=observed.directories | {"/run/netns"},
        handles_mounted=True,
        sysctls={
            **observed.sysctls,
            **{(NAMESPACE, DISABLE_IPV6_KEY.format(link)): "0" for link in ("all", "default", "lo")},
        },
    )


@_apply_step.register
def _(step: steps.DeleteNamespace, observed: ObservedState) -> ObservedState:
    assert observed.handle is not HandleState.MISSING
    inside = {place: value for place, value in observed.sysctls.items() if place[0] is None}
    without_namespace = replace(
        observed, handle=HandleState.MISSING, inner_link=None, default_routes=(), loopback_up=False, sysctls=inside
    )
    return replace(without_namespace, host_link=None if observed.inner_link else observed.host_link)


@_apply_step.register
def _(step: steps.CreateVeth, observed: ObservedState) -> ObservedState:
    assert observed.handle is HandleState.LIVE
    assert observed.host_link is None
    assert observed.inner_link is None
    made = replace(
        observed,
        host_link=Link(20, "veth", up=False, mtu=step.mtu, peer_index=3, alias=step.alias),
        inner_link=Link(3, "veth", up=False, mtu=step.mtu, peer_index=20),
    )
    fresh = {(None, DISABLE_IPV6_KEY.format(step.link)): "0", (NAMESPACE, DISABLE_IPV6_KEY.format(step.peer)): "1"}
    return replace(made, sysctls={**made.sysctls, **fresh, (None, f"net/ipv4/conf/{step.link}/forwarding"): "0"})


@_apply_step.register
def _(step: steps.DeleteLink, observed: ObservedState) -> ObservedState:
    host, inner = observed.host_link, observed.inner_link
    paired = host and inner and (host.peer_index, inner.peer_index) == (inner.index, host.index)
    if step.netns is None:
        remaining = None if paired else observed.inner_link
        return replace(
            observed,
            host_link=None,
            inner_link=remaining,
            default_routes=() if remaining is None else observed.default_routes,
        )
    return replace(observed, inner_link=None, default_routes=(), host_link=None if paired else observed.host_link)


def _change_link(observed: ObservedState, netns: str | None, name: str, **change: object) -> ObservedState:
    if name == "lo":
        return replace(observed, loopback_up=True)
    place = "inner_link" if netns else "host_link"
    link = getattr(observed, place)
    assert link is not None
    return replace(observed, **{place: replace(link, **change)})


@_apply_step.register
def _(step: steps.SetMtu, observed: ObservedState) -> ObservedState:
    return _change_link(observed, step.netns, step.link, mtu=step.mtu)


@_apply_step.register
def _(step: steps.SetLinkUp, observed: ObservedState) -> ObservedState:
    return _change_link(observed, step.netns, step.link, up=True)


@_apply_step.register
def _(step: steps.AddAddress, observed: ObservedState) -> ObservedState:
    return _change_link(observed, step.netns, step.link, addresses=frozenset({step.address}))


@_apply_step.register
def _(step: steps.AddRoute, observed: ObservedState) -> ObservedState:
    assert observed.inner_link is not None
    assert observed.inner_link.up, "the kernel refuses a route over a link that is down"
    return replace(observed, default_routes=((step.gateway, observed.inner_link.index),))


@_apply_step.register
def _(step: steps.SetSysctl, observed: ObservedState) -> ObservedState:
    return replace(observed, sysctls={**observed.sysctls, (step.netns, step.key): step.value})


@_apply_step.register
def _(step: steps.CopyTuning, observed: ObservedState) -> ObservedState:
    return replace(observed, untuned=())


@_apply_step.register
def _(step: steps.LoadTable, observed: ObservedState) -> ObservedState:
    return replace(observed, table=f"listing of {nft_rules.digest_rules(step.commands)}")


@_apply_step.register
def _(step: steps.DeleteTable, observed: ObservedState) -> ObservedState:
    return replace(observed, table=None)


def _replace_rules(observed: ObservedState, program: str, name: str, ours: tuple[str, ...], tag: str) -> ObservedState:
    """Insert rules with our comments at the head of a chain, replacing those with the tag."""
    chains = {(chain.program, chain.name): chain for chain in observed.firewalls.chains}
    chain = chains[program, name]
    others = (rule for rule in chain.rules if not has_tag(rule.comment, tag))
    chains[program, name] = replace(chain, rules=(*(ChainRule(comment, target="ACCEPT") for comment in ours), *others))
    return replace(observed, firewalls=replace(observed.firewalls, chains=tuple(chains.values())))


@_apply_step.register
def _(step: firewall_steps.OpenChain, observed: ObservedState) -> ObservedState:
    return _replace_rules(observed, step.program, step.chain, step.opening.comments, step.opening.tag)


@_apply_step.register
def _(step: firewall_steps.CloseChain, observed: ObservedState) -> ObservedState:
    return _replace_rules(observed, step.program, step.chain, (), step.tag)


def _with_trusted(observed: ObservedState, trusted: frozenset[str]) -> ObservedState:
    return replace(observed, firewalls=replace(observed.firewalls, trusted=trusted))


@_apply_step.register
def _(step: firewall_steps.TrustSource, observed: ObservedState) -> ObservedState:
    assert observed.firewalls.trusted is not None
    return _with_trusted(observed, observed.firewalls.trusted | {step.subnet})


@_apply_step.register
def _(step: firewall_steps.DistrustSource, observed: ObservedState) -> ObservedState:
    assert observed.firewalls.trusted is not None
    return _with_trusted(observed, observed.firewalls.trusted - {step.subnet})


@_apply_step.register
def _(step: steps.AddTableRoute, observed: ObservedState) -> ObservedState:
    assert step.route not in observed.routing.routes
    return replace(observed, routing=replace(observed.routing, routes=(*observed.routing.routes, step.route)))


@_apply_step.register
def _(step: steps.DeleteTableRoute, observed: ObservedState) -> ObservedState:
    remaining = tuple(route for route in observed.routing.routes if route != step.route)
    return replace(observed, routing=replace(observed.routing, routes=remaining))


@_apply_step.register
def _(step: steps.AddPolicyRule, observed: ObservedState) -> ObservedState:
    assert step.rule not in observed.routing.rules
    return replace(observed, routing=replace(observed.routing, rules=(*observed.routing.rules, step.rule)))


@_apply_step.register
def _(step: steps.DeletePolicyRule, observed: ObservedState) -> ObservedState:
    assert step.rule in observed.routing.rules
    remaining = tuple(rule for rule in observed.routing.rules if rule != step.rule)
    return replace(observed, routing=replace(observed.routing, rules=remaining))


@_apply_step.register
def _(step: host_steps.MakeDirectory, observed: ObservedState) -> ObservedState:
    return replace(observed, directories=observed.directories | {step.path})


@_apply_step.register
def _(step: host_steps.RemoveDirectory, observed: ObservedState) -> ObservedState:
    return replace(observed, directories=observed.directories - {step.path})


@_apply_step.register
def _(step: host_steps.UnmountHandles, observed: ObservedState) -> ObservedState:
    return replace(observed, handles_mounted=False)


@_apply_step.register
def _(step: host_steps.WriteFile, observed: ObservedState) -> ObservedState:
    return replace(observed, files={**observed.files, step.path: step.content})


@_apply_step.register
def _(step: host_steps.RemoveFile, observed: ObservedState) -> ObservedState:
    return replace(observed, files={**observed.files, step.path: None})


@_apply_step.register
def _(step: host_steps.CreateGroup, observed: ObservedState) -> ObservedState:
    return replace(observed, launcher=replace(observed.launcher, group_exists=True))


@_apply_step.register
def _(step: host_steps.DeleteGroup, observed: ObservedState) -> ObservedState:
    return replace(observed, launcher=replace(observed.launcher, group_exists=False))


@_apply_step.register
def _(step: host_steps.AddMember, observed: ObservedState) -> ObservedState:
    return replace(observed, launcher=replace(observed.launcher, members=observed.launcher.members | {step.user}))


@_apply_step.register
def _(step: host_steps.RemoveMember, observed: ObservedState) -> ObservedState:
    return replace(observed, launcher=replace(observed.launcher, members=observed.launcher.members - {step.user}))


@_apply_step.register
def _(step: host_steps.PlaceLauncher, observed: ObservedState) -> ObservedState:
    return replace(observed, launcher=replace(observed.launcher, present=True, ours=True, intact=True))


@_apply_step.register
def _(step: host_steps.RemoveLauncher, observed: ObservedState) -> ObservedState:
    return replace(observed, launcher=replace(observed.launcher, present=False, ours=False, intact=False))
