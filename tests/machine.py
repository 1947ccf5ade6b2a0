"""A machine on paper: carries out steps on an `Observed`, so that plans can be checked without touching anything."""

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


def carry_out(seen: Observed, ordered: tuple[Step, ...]) -> Observed:
    """Return the machine after the steps."""
    return functools.reduce(lambda state, step: _do(step, state), ordered, seen)


@functools.singledispatch
def _do(step: Step, seen: Observed) -> Observed:
    raise AssertionError(f"the paper machine does not know {step!r}")


@_do.register
def _(step: steps.CreateNamespace, seen: Observed) -> Observed:
    assert seen.handle is Handle.MISSING
    return replace(
        seen,
        handle=Handle.LIVE,
        inner_link=None,
        loopback_up=False,
        default_routes=(),
        untuned=(),
        directories=seen.directories | {"/run/netns"},
        handles_mounted=True,
        sysctls={**seen.sysctls, **{(NS, IPV6_SWITCH.format(link)): "0" for link in ("all", "default", "lo")}},
    )


@_do.register
def _(step: steps.DeleteNamespace, seen: Observed) -> Observed:
    assert seen.handle is not Handle.MISSING
    inside = {place: value for place, value in seen.sysctls.items() if place[0] is None}
    gone = replace(seen, handle=Handle.MISSING, inner_link=None, default_routes=(), loopback_up=False, sysctls=inside)
    return replace(gone, host_link=None if seen.inner_link else seen.host_link)


@_do.register
def _(step: steps.CreateVeth, seen: Observed) -> Observed:
    assert seen.handle is Handle.LIVE
    assert seen.host_link is None
    assert seen.inner_link is None
    made = replace(
        seen,
        host_link=Link(20, "veth", up=False, mtu=step.mtu, peer_index=3, alias=step.alias),
        inner_link=Link(3, "veth", up=False, mtu=step.mtu, peer_index=20),
    )
    fresh = {(None, IPV6_SWITCH.format(step.link)): "0", (NS, IPV6_SWITCH.format(step.peer)): "1"}
    return replace(made, sysctls={**made.sysctls, **fresh, (None, f"net/ipv4/conf/{step.link}/forwarding"): "0"})


@_do.register
def _(step: steps.DeleteLink, seen: Observed) -> Observed:
    host, inner = seen.host_link, seen.inner_link
    paired = host and inner and (host.peer_index, inner.peer_index) == (inner.index, host.index)
    if step.netns is None:
        left = None if paired else seen.inner_link
        return replace(
            seen, host_link=None, inner_link=left, default_routes=() if left is None else seen.default_routes
        )
    return replace(seen, inner_link=None, default_routes=(), host_link=None if paired else seen.host_link)


def _on_link(seen: Observed, netns: str | None, name: str, **change: object) -> Observed:
    if name == "lo":
        return replace(seen, loopback_up=True)
    place = "inner_link" if netns else "host_link"
    link = getattr(seen, place)
    assert link is not None
    return replace(seen, **{place: replace(link, **change)})


@_do.register
def _(step: steps.SetMtu, seen: Observed) -> Observed:
    return _on_link(seen, step.netns, step.link, mtu=step.mtu)


@_do.register
def _(step: steps.SetLinkUp, seen: Observed) -> Observed:
    return _on_link(seen, step.netns, step.link, up=True)


@_do.register
def _(step: steps.AddAddress, seen: Observed) -> Observed:
    return _on_link(seen, step.netns, step.link, addresses=frozenset({step.address}))


@_do.register
def _(step: steps.AddRoute, seen: Observed) -> Observed:
    assert seen.inner_link is not None
    assert seen.inner_link.up, "the kernel refuses a route over a link that is down"
    return replace(seen, default_routes=((step.gateway, seen.inner_link.index),))


@_do.register
def _(step: steps.SetSysctl, seen: Observed) -> Observed:
    return replace(seen, sysctls={**seen.sysctls, (step.netns, step.key): step.value})


@_do.register
def _(step: steps.CopyTuning, seen: Observed) -> Observed:
    return replace(seen, untuned=())


@_do.register
def _(step: steps.LoadTable, seen: Observed) -> Observed:
    return replace(seen, table=f"listing of {ruleset.digest(step.commands)}")


@_do.register
def _(step: steps.DeleteTable, seen: Observed) -> Observed:
    return replace(seen, table=None)


def _with_rules(seen: Observed, program: str, name: str, ours: tuple[str, ...], tag: str) -> Observed:
    """Put rules with our comments at the head of a chain, in place of those with the tag."""
    chains = {(chain.program, chain.name): chain for chain in seen.firewalls.chains}
    chain = chains[program, name]
    others = (rule for rule in chain.rules if not is_tagged(rule.comment, tag))
    chains[program, name] = replace(chain, rules=(*(Rule(comment, target="ACCEPT") for comment in ours), *others))
    return replace(seen, firewalls=replace(seen.firewalls, chains=tuple(chains.values())))


@_do.register
def _(step: foreign_steps.OpenChain, seen: Observed) -> Observed:
    return _with_rules(seen, step.program, step.chain, step.opening.comments, step.opening.tag)


@_do.register
def _(step: foreign_steps.CloseChain, seen: Observed) -> Observed:
    return _with_rules(seen, step.program, step.chain, (), step.tag)


def _trusting(seen: Observed, trusted: frozenset[str]) -> Observed:
    return replace(seen, firewalls=replace(seen.firewalls, trusted=trusted))


@_do.register
def _(step: foreign_steps.TrustSource, seen: Observed) -> Observed:
    assert seen.firewalls.trusted is not None
    return _trusting(seen, seen.firewalls.trusted | {step.subnet})


@_do.register
def _(step: foreign_steps.DistrustSource, seen: Observed) -> Observed:
    assert seen.firewalls.trusted is not None
    return _trusting(seen, seen.firewalls.trusted - {step.subnet})


@_do.register
def _(step: routing_steps.AddTableRoute, seen: Observed) -> Observed:
    assert step.route not in seen.routing.routes
    return replace(seen, routing=replace(seen.routing, routes=(*seen.routing.routes, step.route)))


@_do.register
def _(step: routing_steps.DeleteTableRoute, seen: Observed) -> Observed:
    left = tuple(route for route in seen.routing.routes if route != step.route)
    return replace(seen, routing=replace(seen.routing, routes=left))


@_do.register
def _(step: routing_steps.AddRule, seen: Observed) -> Observed:
    assert step.rule not in seen.routing.rules
    return replace(seen, routing=replace(seen.routing, rules=(*seen.routing.rules, step.rule)))


@_do.register
def _(step: routing_steps.DeleteRule, seen: Observed) -> Observed:
    assert step.rule in seen.routing.rules
    left = tuple(rule for rule in seen.routing.rules if rule != step.rule)
    return replace(seen, routing=replace(seen.routing, rules=left))


@_do.register
def _(step: file_steps.MakeDirectory, seen: Observed) -> Observed:
    return replace(seen, directories=seen.directories | {step.path})


@_do.register
def _(step: file_steps.RemoveDirectory, seen: Observed) -> Observed:
    return replace(seen, directories=seen.directories - {step.path})


@_do.register
def _(step: file_steps.UnmountHandles, seen: Observed) -> Observed:
    return replace(seen, handles_mounted=False)


@_do.register
def _(step: file_steps.WriteFile, seen: Observed) -> Observed:
    return replace(seen, files={**seen.files, step.path: step.content})


@_do.register
def _(step: file_steps.RemoveFile, seen: Observed) -> Observed:
    return replace(seen, files={**seen.files, step.path: None})


@_do.register
def _(step: launcher_steps.CreateGroup, seen: Observed) -> Observed:
    return replace(seen, launcher=replace(seen.launcher, group_exists=True))


@_do.register
def _(step: launcher_steps.DeleteGroup, seen: Observed) -> Observed:
    return replace(seen, launcher=replace(seen.launcher, group_exists=False))


@_do.register
def _(step: launcher_steps.AddMember, seen: Observed) -> Observed:
    return replace(seen, launcher=replace(seen.launcher, members=seen.launcher.members | {step.user}))


@_do.register
def _(step: launcher_steps.RemoveMember, seen: Observed) -> Observed:
    return replace(seen, launcher=replace(seen.launcher, members=seen.launcher.members - {step.user}))


@_do.register
def _(step: launcher_steps.PlaceLauncher, seen: Observed) -> Observed:
    return replace(seen, launcher=replace(seen.launcher, present=True, ours=True, intact=True))


@_do.register
def _(step: launcher_steps.RemoveLauncher, seen: Observed) -> Observed:
    return replace(seen, launcher=replace(seen.launcher, present=False, ours=False, intact=False))
