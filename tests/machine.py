"""A machine on paper: applies steps to an `Observed`, so that plans can be tested without changing anything."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns import file_steps, foreign_steps, launcher_steps, routing_steps, ruleset, steps
from netns.foreign import Rule
from netns.model import Handle, Link, Observed
from netns.opening import is_tagged
from netns.pair import IPV6_SWITCH

if TYPE_CHECKING:
    from netns.steps import Step

NS = "ip4only"


def carry_out(observed: Observed, ordered: tuple[Step, ...]) -> Observed:
    """Return the machine after the steps."""
    return functools.reduce(lambda state, step: _do(step, state), ordered, observed)


@functools.singledispatch
def _do(step: Step, observed: Observed) -> Observed:
    raise AssertionError(f"the paper machine does not know {step!r}")


@_do.register
def _(step: steps.CreateNamespace, observed: Observed) -> Observed:
    assert observed.handle is Handle.MISSING
    return replace(
        observed,
        handle=Handle.LIVE,
        inner_link=None,
        loopback_up=False,
        default_routes=(),
        untuned=(),
        directories=observed.directories | {"/run/netns"},
        handles_mounted=True,
        sysctls={**observed.sysctls, **{(NS, IPV6_SWITCH.format(link)): "0" for link in ("all", "default", "lo")}},
    )


@_do.register
def _(step: steps.DeleteNamespace, observed: Observed) -> Observed:
    assert observed.handle is not Handle.MISSING
    inside = {place: value for place, value in observed.sysctls.items() if place[0] is None}
    without_namespace = replace(
        observed, handle=Handle.MISSING, inner_link=None, default_routes=(), loopback_up=False, sysctls=inside
    )
    return replace(without_namespace, host_link=None if observed.inner_link else observed.host_link)


@_do.register
def _(step: steps.CreateVeth, observed: Observed) -> Observed:
    assert observed.handle is Handle.LIVE
    assert observed.host_link is None
    assert observed.inner_link is None
    made = replace(
        observed,
        host_link=Link(20, "veth", up=False, mtu=step.mtu, peer_index=3, alias=step.alias),
        inner_link=Link(3, "veth", up=False, mtu=step.mtu, peer_index=20),
    )
    fresh = {(None, IPV6_SWITCH.format(step.link)): "0", (NS, IPV6_SWITCH.format(step.peer)): "1"}
    return replace(made, sysctls={**made.sysctls, **fresh, (None, f"net/ipv4/conf/{step.link}/forwarding"): "0"})


@_do.register
def _(step: steps.DeleteLink, observed: Observed) -> Observed:
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


def _on_link(observed: Observed, netns: str | None, name: str, **change: object) -> Observed:
    if name == "lo":
        return replace(observed, loopback_up=True)
    place = "inner_link" if netns else "host_link"
    link = getattr(observed, place)
    assert link is not None
    return replace(observed, **{place: replace(link, **change)})


@_do.register
def _(step: steps.SetMtu, observed: Observed) -> Observed:
    return _on_link(observed, step.netns, step.link, mtu=step.mtu)


@_do.register
def _(step: steps.SetLinkUp, observed: Observed) -> Observed:
    return _on_link(observed, step.netns, step.link, up=True)


@_do.register
def _(step: steps.AddAddress, observed: Observed) -> Observed:
    return _on_link(observed, step.netns, step.link, addresses=frozenset({step.address}))


@_do.register
def _(step: steps.AddRoute, observed: Observed) -> Observed:
    assert observed.inner_link is not None
    assert observed.inner_link.up, "the kernel refuses a route over a link that is down"
    return replace(observed, default_routes=((step.gateway, observed.inner_link.index),))


@_do.register
def _(step: steps.SetSysctl, observed: Observed) -> Observed:
    return replace(observed, sysctls={**observed.sysctls, (step.netns, step.key): step.value})


@_do.register
def _(step: steps.CopyTuning, observed: Observed) -> Observed:
    return replace(observed, untuned=())


@_do.register
def _(step: steps.LoadTable, observed: Observed) -> Observed:
    return replace(observed, table=f"listing of {ruleset.digest(step.commands)}")


@_do.register
def _(step: steps.DeleteTable, observed: Observed) -> Observed:
    return replace(observed, table=None)


def _with_rules(observed: Observed, program: str, name: str, ours: tuple[str, ...], tag: str) -> Observed:
    """Insert rules with our comments at the head of a chain, replacing those with the tag."""
    chains = {(chain.program, chain.name): chain for chain in observed.firewalls.chains}
    chain = chains[program, name]
    others = (rule for rule in chain.rules if not is_tagged(rule.comment, tag))
    chains[program, name] = replace(chain, rules=(*(Rule(comment, target="ACCEPT") for comment in ours), *others))
    return replace(observed, firewalls=replace(observed.firewalls, chains=tuple(chains.values())))


@_do.register
def _(step: foreign_steps.OpenChain, observed: Observed) -> Observed:
    return _with_rules(observed, step.program, step.chain, step.opening.comments, step.opening.tag)


@_do.register
def _(step: foreign_steps.CloseChain, observed: Observed) -> Observed:
    return _with_rules(observed, step.program, step.chain, (), step.tag)


def _trusting(observed: Observed, trusted: frozenset[str]) -> Observed:
    return replace(observed, firewalls=replace(observed.firewalls, trusted=trusted))


@_do.register
def _(step: foreign_steps.TrustSource, observed: Observed) -> Observed:
    assert observed.firewalls.trusted is not None
    return _trusting(observed, observed.firewalls.trusted | {step.subnet})


@_do.register
def _(step: foreign_steps.DistrustSource, observed: Observed) -> Observed:
    assert observed.firewalls.trusted is not None
    return _trusting(observed, observed.firewalls.trusted - {step.subnet})


@_do.register
def _(step: routing_steps.AddTableRoute, observed: Observed) -> Observed:
    assert step.route not in observed.routing.routes
    return replace(observed, routing=replace(observed.routing, routes=(*observed.routing.routes, step.route)))


@_do.register
def _(step: routing_steps.DeleteTableRoute, observed: Observed) -> Observed:
    remaining = tuple(route for route in observed.routing.routes if route != step.route)
    return replace(observed, routing=replace(observed.routing, routes=remaining))


@_do.register
def _(step: routing_steps.AddRule, observed: Observed) -> Observed:
    assert step.rule not in observed.routing.rules
    return replace(observed, routing=replace(observed.routing, rules=(*observed.routing.rules, step.rule)))


@_do.register
def _(step: routing_steps.DeleteRule, observed: Observed) -> Observed:
    assert step.rule in observed.routing.rules
    remaining = tuple(rule for rule in observed.routing.rules if rule != step.rule)
    return replace(observed, routing=replace(observed.routing, rules=remaining))


@_do.register
def _(step: file_steps.MakeDirectory, observed: Observed) -> Observed:
    return replace(observed, directories=observed.directories | {step.path})


@_do.register
def _(step: file_steps.RemoveDirectory, observed: Observed) -> Observed:
    return replace(observed, directories=observed.directories - {step.path})


@_do.register
def _(step: file_steps.UnmountHandles, observed: Observed) -> Observed:
    return replace(observed, handles_mounted=False)


@_do.register
def _(step: file_steps.WriteFile, observed: Observed) -> Observed:
    return replace(observed, files={**observed.files, step.path: step.content})


@_do.register
def _(step: file_steps.RemoveFile, observed: Observed) -> Observed:
    return replace(observed, files={**observed.files, step.path: None})


@_do.register
def _(step: launcher_steps.CreateGroup, observed: Observed) -> Observed:
    return replace(observed, launcher=replace(observed.launcher, group_exists=True))


@_do.register
def _(step: launcher_steps.DeleteGroup, observed: Observed) -> Observed:
    return replace(observed, launcher=replace(observed.launcher, group_exists=False))


@_do.register
def _(step: launcher_steps.AddMember, observed: Observed) -> Observed:
    return replace(observed, launcher=replace(observed.launcher, members=observed.launcher.members | {step.user}))


@_do.register
def _(step: launcher_steps.RemoveMember, observed: Observed) -> Observed:
    return replace(observed, launcher=replace(observed.launcher, members=observed.launcher.members - {step.user}))


@_do.register
def _(step: launcher_steps.PlaceLauncher, observed: Observed) -> Observed:
    return replace(observed, launcher=replace(observed.launcher, present=True, ours=True, intact=True))


@_do.register
def _(step: launcher_steps.RemoveLauncher, observed: Observed) -> Observed:
    return replace(observed, launcher=replace(observed.launcher, present=False, ours=False, intact=False))
