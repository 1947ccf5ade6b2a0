"""Plans set-up and teardown, from the spec, the observed state and the journal. Pure.

A step is planned only where something differs, so a second set-up plans nothing. Order matters twice: IPv6 is disabled
inside before there is a link, and the firewall rules are loaded before an interface forwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from netns import resolver
from netns.firewall.rules import RuleSet
from netns.plan import firewall, host_steps, ownership, routing, steps
from netns.spec import GROUP, temporary_path
from netns.state import HandleState, Journal

if TYPE_CHECKING:
    from netns.plan.steps import Step
    from netns.spec import NamespaceSpec
    from netns.state import ObservedState, PolicyRouting, Uplink

ALL_FORWARDING = "net/ipv4/conf/all/forwarding"

# The groups that may open ICMP sockets, which ping needs without a capability; in a new namespace there are none.
PING_GROUP_RANGE = "net/ipv4/ping_group_range"

DISABLE_IPV6_KEY = "net/ipv6/conf/{}/disable_ipv6"
MIN_IPV6_MTU = 1280


class SetupPlan(Struct, frozen=True):
    """Steps in order, the journal to write before them and the one to write after them, and notes for the user.

    `uplink` is the uplink of a set-up.
    """

    steps: tuple[Step, ...]
    journal: Journal
    final_journal: Journal
    notes: tuple[str, ...] = ()
    uplink: Uplink | None = None


def plan_setup(
    spec: NamespaceSpec, observed: ObservedState, journal: Journal, others: tuple[Journal, ...] = ()
) -> SetupPlan:
    """Plan what is missing for `spec`; `others` are the journals of our other namespaces.

    Raises:
        NoUplinkError: the host has no IPv4 default route, or no router is known on the given uplink.
        ForeignStateError: a link, namespace, file or program has one of our names but is not ours.
        SpecError: the subnet overlaps a network of the host.
        MissingToolError: our rules are in nftables, but nft is no longer installed.
    """
    uplink = ownership.require_uplink(spec, observed)
    others = tuple(ownership.drop_stale_entries(other, observed) for other in others)
    theirs = ownership.merge_journals(others)
    journal = ownership.inherit_shared(
        ownership.drop_stale_entries(journal, observed), theirs, spec, _forwarding_key(uplink.link)
    )
    ownership.refuse_foreign(spec, observed, journal)
    ownership.refuse_overlap(spec, observed)
    firewall.refuse_unreachable_rules(spec, observed, journal)
    rules = _wanted_rules(spec, observed, journal, uplink)
    load, digest = firewall.plan_rules(spec, observed.backend, rules, fresh=not observed.table)
    tables = [number for other in others for number in (other.route_table, other.guard_table)]
    table = routing.choose_table(spec, uplink, observed.routing, journal, [*tables, journal.guard_table])
    taken = [*tables, table, journal.route_table]
    guard = routing.choose_guard_table(spec, observed.routing, journal, taken) if rules.guard else None
    routed = _after_routing(spec, uplink, observed, journal, table)
    to_open = firewall.firewalls_to_open(spec, observed.backend, observed.firewalls)
    planned = (
        *_plan_namespace(spec, observed),
        *_plan_veth_pair(spec, observed, uplink),
        *([] if _are_rules_loaded(observed, journal, digest) else [load]),
        *firewall.plan_stray_removal(spec, observed.backend, observed.firewalls),
        *routing.plan_routing(spec, uplink, observed.routing, journal, table),
        *routing.plan_guard(spec, uplink.link, routed, journal, guard),
        *firewall.plan_openings(spec, uplink.link, to_open, journal, rules.host_dns),
        *_plan_forwarding(spec, observed, ownership.drop_shared(journal, theirs), uplink),
        *_plan_files(spec, observed, uplink),
        *_plan_launcher(spec, observed),
    )
    during = replace(
        ownership.journal_during(planned, observed, journal),
        ruleset=digest,
        uplink=uplink.link,
        route_table=table or journal.route_table,
        guard_table=guard or journal.guard_table,
    )
    settled = ownership.settle_journal(during, _forwarding_key(uplink.link))
    final_journal = replace(settled, route_table=table, guard_table=guard)
    return SetupPlan(planned, during, final_journal, _user_notes(spec, observed, uplink), uplink)


def plan_teardown(
    spec: NamespaceSpec,
    observed: ObservedState,
    journal: Journal,
    others: tuple[Journal, ...] = (),
    *,
    keep_launcher: bool = False,
) -> SetupPlan:
    """Plan the removal of everything that we made; a link or launcher of our name that is not ours stays.

    What our other namespaces still need, according to their journals, stays until the last of them is removed.

    Raises:
        ForeignStateError: the namespace of that name is not ours.
        MissingToolError: our rules are in nftables, but nft is no longer installed.
    """
    own = ownership.drop_stale_entries(journal, observed)
    journal = ownership.drop_shared(
        own, ownership.merge_journals(ownership.drop_stale_entries(other, observed) for other in others)
    )
    if observed.host_link is None or ownership.is_own_link(spec, observed, own):
        ownership.refuse_foreign_namespace(spec, observed, own)
    firewall.refuse_unreachable_rules(spec, observed, own)
    planned = (
        *firewall.plan_openings_removal(spec, firewall.hide_own_jumps(spec, observed.firewalls), journal),
        *([firewall.plan_rules_removal(spec, observed.backend.program)] if observed.table else []),
        *firewall.plan_stray_removal(spec, observed.backend, observed.firewalls),
        *_plan_sysctl_restore(observed, journal, keep=None),
        *routing.plan_guard_removal(spec, observed.routing, own),
        *([steps.DeleteLink(spec.host_link)] if ownership.is_own_link(spec, observed, own) else []),
        *([steps.DeleteNamespace(spec.name)] if observed.handle is not HandleState.MISSING else []),
        *routing.plan_routing_removal(spec, observed.routing, journal),
        *(host_steps.RemoveFile(path) for path, text in observed.files.items() if _is_own_file(spec, path, text)),
        *([] if keep_launcher else _plan_launcher_removal(spec, observed, journal)),
        *([host_steps.UnmountHandles()] if journal.mounted_handles and observed.handles_mounted else []),
        *(
            host_steps.RemoveDirectory(path)
            for path in reversed(spec.directories)
            if _is_removable(path, observed, journal)
        ),
    )
    return SetupPlan(planned, own, ownership.keep_launcher_entries(own) if keep_launcher else Journal())


def _after_routing(
    spec: NamespaceSpec, uplink: Uplink, observed: ObservedState, journal: Journal, table: int | None
) -> PolicyRouting:
    """Return the host's policy routing once `plan_routing` has added its rule, and a new pair of links was made."""
    planned = routing.plan_routing(spec, uplink, observed.routing, journal, table)
    added = tuple(step.rule for step in planned if isinstance(step, steps.AddPolicyRule))
    kept = tuple(
        route for route in observed.routing.routes if route.link != spec.host_link or _is_pair_complete(spec, observed)
    )
    return replace(observed.routing, rules=(*observed.routing.rules, *added), routes=kept)


def _wanted_rules(spec: NamespaceSpec, observed: ObservedState, journal: Journal, uplink: Uplink) -> RuleSet:
    servers = _choose_resolver(spec, observed, uplink).servers
    return RuleSet(
        table=spec.table,
        host_link=spec.host_link,
        subnet=str(spec.subnet),
        uplink=uplink.link,
        host_dns=tuple(server for server in servers if server in observed.addresses),
        guard=_is_forwarding_ours(observed, journal, uplink),
    )


def _is_forwarding_ours(observed: ObservedState, journal: Journal, uplink: Uplink) -> bool:
    key = _forwarding_key(uplink.link)
    ours = key in journal.sysctls or observed.sysctls.get((None, key)) != "1"
    return ours and observed.sysctls.get((None, ALL_FORWARDING)) == "0"


def _plan_namespace(spec: NamespaceSpec, observed: ObservedState) -> list[Step]:
    planned: list[Step] = []
    if observed.handle is HandleState.STALE:
        planned.append(steps.DeleteNamespace(spec.name))
    if observed.handle is not HandleState.LIVE:
        planned.append(steps.CreateNamespace(spec.name))
    # Without the address ::1, connecting would fail with EADDRNOTAVAIL, and not with the ENETUNREACH that all expect.
    switches = (("all", "1"), ("default", "1"), ("lo", "0"))
    wanted = [(DISABLE_IPV6_KEY.format(link), value) for link, value in switches if _kernel_has_ipv6(observed)]
    planned += [
        steps.SetSysctl(key, value, spec.name)
        for key, value in [*wanted, (PING_GROUP_RANGE, f"0\t{observed.last_group}")]
        if observed.sysctls.get((spec.name, key)) != value or (key, value) in _overwritten(spec, observed, wanted)
    ]
    if observed.untuned:
        planned.append(steps.CopyTuning(spec.name, observed.untuned))
    return planned


def _overwritten(spec: NamespaceSpec, observed: ObservedState, wanted: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the settings that writing the one for all links changes too."""
    everything = wanted[:1]
    return wanted[1:] if any(observed.sysctls.get((spec.name, key)) != value for key, value in everything) else []


def _are_rules_loaded(observed: ObservedState, journal: Journal, digest: str) -> bool:
    return journal.ruleset == digest and observed.table is not None and journal.table == observed.table


def _plan_forwarding(spec: NamespaceSpec, observed: ObservedState, journal: Journal, uplink: Uplink) -> list[Step]:
    """Enable forwarding on both links: the incoming one decides, ours for packets out, the uplink for replies."""
    fresh_pair = not _is_pair_complete(spec, observed)
    veth, out = _forwarding_key(spec.host_link), _forwarding_key(uplink.link)
    planned: list[Step] = _plan_sysctl_restore(observed, journal, keep=out)
    if fresh_pair or observed.sysctls.get((None, veth)) != "1":
        planned.append(steps.SetSysctl(veth, "1"))
    if (current := observed.sysctls.get((None, out))) != "1":
        planned.append(steps.SetSysctl(out, "1", previous=current))
    return planned


def _forwarding_key(link: str) -> str:
    return f"net/ipv4/conf/{link}/forwarding"


def _plan_sysctl_restore(observed: ObservedState, journal: Journal, keep: str | None) -> list[Step]:
    """Restore what we changed, unless somebody has changed it since, or the host now forwards everywhere."""
    if observed.sysctls.get((None, ALL_FORWARDING)) != "0":
        return []
    return [
        steps.SetSysctl(key, previous)
        for key, previous in journal.sysctls.items()
        if key != keep and observed.sysctls.get((None, key)) == "1" and previous != "1"
    ]


def _choose_resolver(spec: NamespaceSpec, observed: ObservedState, uplink: Uplink) -> resolver.Resolver:
    return resolver.choose_resolver(spec, (observed.files.get(source) for source in resolver.SOURCES), uplink.router)


def _plan_files(spec: NamespaceSpec, observed: ObservedState, uplink: Uplink) -> list[Step]:
    wanted = {f"{spec.etc}/resolv.conf": resolver.resolv_conf(_choose_resolver(spec, observed, uplink), spec.name)}
    if (host := observed.files.get(resolver.NSSWITCH)) is not None:
        wanted[f"{spec.etc}/nsswitch.conf"] = resolver.nsswitch_conf(host, spec.name)
    writes: list[Step] = [
        host_steps.WriteFile(path, text, previous=observed.files.get(path))
        for path, text in wanted.items()
        if observed.files.get(path) != text and _is_replaceable(observed.files.get(path))
    ]
    folders = [path for path in spec.directories if path.startswith("/etc") and path not in observed.directories]
    return [*(host_steps.MakeDirectory(path) for path in folders), *writes]


def _is_replaceable(current: str | None) -> bool:
    return current is None or resolver.is_own_file(current)


def _plan_launcher(spec: NamespaceSpec, observed: ObservedState) -> list[Step]:
    if not spec.launcher:
        return []
    planned: list[Step] = [] if observed.launcher.group_exists else [host_steps.CreateGroup(GROUP)]
    planned += [host_steps.AddMember(user, GROUP) for user in spec.members if user not in observed.launcher.members]
    if not observed.launcher.intact and observed.launcher.compiler:
        planned.append(host_steps.PlaceLauncher(spec.name, spec.launcher_path, GROUP))
    return planned


def _plan_launcher_removal(spec: NamespaceSpec, observed: ObservedState, journal: Journal) -> list[Step]:
    is_present = observed.launcher.ours or observed.launcher.half_built
    planned: list[Step] = [host_steps.RemoveLauncher(spec.launcher_path)] if is_present else []
    if journal.made_group and observed.launcher.group_exists:
        return [*planned, host_steps.DeleteGroup(GROUP)]
    return [
        *planned,
        *(host_steps.RemoveMember(user, GROUP) for user in journal.members if user in observed.launcher.members),
    ]


def _is_own_file(spec: NamespaceSpec, path: str, text: str | None) -> bool:
    if path in map(temporary_path, spec.etc_files):
        return text is not None
    return path in spec.etc_files and text is not None and resolver.is_own_file(text)


def _is_removable(path: str, observed: ObservedState, journal: Journal) -> bool:
    return path in observed.directories and path in journal.made_directories


def _user_notes(spec: NamespaceSpec, observed: ObservedState, uplink: Uplink) -> tuple[str, ...]:
    notes = firewall.backend_notes(spec, observed.backend) if _kernel_has_ipv6(observed) else []
    notes += [
        f"{path} was not written by speedmon and was kept"
        for path in spec.etc_files
        if not _is_replaceable(observed.files.get(path))
    ]
    servers = _choose_resolver(spec, observed, uplink).servers
    notes += [
        f"{uplink.link} does not lead to the network of the name server {server}; set this line's own with --dns"
        for server in routing.find_unreachable_servers(uplink, servers, observed)
    ]
    if spec.launcher and not observed.launcher.intact and not observed.launcher.compiler:
        notes.append("no C compiler, so no launcher: only root can enter; apt install musl-tools and run this again")
    return tuple(notes)


def _plan_veth_pair(spec: NamespaceSpec, observed: ObservedState, uplink: Uplink) -> list[Step]:
    """Plan what the pair lacks; a pair that is wrong in another way is removed and created anew."""
    if not _is_pair_complete(spec, observed):
        return [*_plan_pair_removal(spec, observed), *_plan_new_pair(spec, observed, uplink)]
    host, inner = observed.host_link, observed.inner_link
    if host is None or inner is None:
        return []
    return [
        *([steps.SetMtu(spec.host_link, uplink.mtu)] if host.mtu != uplink.mtu else []),
        *([steps.SetMtu(spec.inner_link, uplink.mtu, spec.name)] if inner.mtu != uplink.mtu else []),
        *_plan_ipv6_off(spec, observed, uplink),
        *([steps.AddAddress(spec.host_link, spec.gateway)] if spec.gateway not in host.addresses else []),
        *([steps.SetLinkUp(spec.host_link)] if not host.up else []),
        *([steps.SetLinkUp("lo", spec.name)] if not observed.loopback_up else []),
        *([steps.AddAddress(spec.inner_link, spec.address, spec.name)] if spec.address not in inner.addresses else []),
        *([steps.SetLinkUp(spec.inner_link, spec.name)] if not inner.up else []),
        *([_add_default_route(spec)] if not observed.default_routes or not inner.up else []),
    ]


def _is_pair_complete(spec: NamespaceSpec, observed: ObservedState) -> bool:
    """Return whether the two ends are one pair with no addresses or routes except ours."""
    host, inner = observed.host_link, observed.inner_link
    if host is None or inner is None or not ownership.are_peers(host, inner) or host.alias != spec.alias:
        return False
    route = (str(spec.subnet[1]), inner.index)
    return (
        host.addresses <= {spec.gateway}
        and inner.addresses <= {spec.address}
        and observed.default_routes in {(), (route,)}
    )


def _plan_pair_removal(spec: NamespaceSpec, observed: ObservedState) -> list[Step]:
    host, inner = observed.host_link, observed.inner_link
    is_removed_with_it = host is not None and inner is not None and ownership.are_peers(host, inner)
    return [
        *([steps.DeleteLink(spec.host_link)] if host else []),
        *([steps.DeleteLink(spec.inner_link, spec.name)] if inner and not is_removed_with_it else []),
    ]


def _plan_new_pair(spec: NamespaceSpec, observed: ObservedState, uplink: Uplink) -> list[Step]:
    without_links = replace(
        observed,
        sysctls={
            location: value for location, value in observed.sysctls.items() if not _is_pair_sysctl(spec, location[1])
        },
    )
    return [
        steps.CreateVeth(spec.host_link, spec.inner_link, spec.name, uplink.mtu, alias=spec.alias),
        *_plan_ipv6_off(spec, without_links, uplink),
        steps.AddAddress(spec.host_link, spec.gateway),
        steps.SetLinkUp(spec.host_link),
        steps.SetLinkUp("lo", spec.name),
        steps.AddAddress(spec.inner_link, spec.address, spec.name),
        steps.SetLinkUp(spec.inner_link, spec.name),
        _add_default_route(spec),
    ]


def _is_pair_sysctl(spec: NamespaceSpec, key: str) -> bool:
    return f"/{spec.host_link}/" in key or f"/{spec.inner_link}/" in key


def _plan_ipv6_off(spec: NamespaceSpec, observed: ObservedState, uplink: Uplink) -> list[Step]:
    if uplink.mtu < MIN_IPV6_MTU:  # the kernel has no IPv6 there, and so no setting for it
        return []
    link_ends = ((None, spec.host_link), (spec.name, spec.inner_link))
    return [
        steps.SetSysctl(DISABLE_IPV6_KEY.format(link), "1", netns)
        for netns, link in link_ends
        if _kernel_has_ipv6(observed) and observed.sysctls.get((netns, DISABLE_IPV6_KEY.format(link))) != "1"
    ]


def _add_default_route(spec: NamespaceSpec) -> Step:
    return steps.AddRoute("default", str(spec.subnet[1]), spec.inner_link, spec.name)


def _kernel_has_ipv6(observed: ObservedState) -> bool:
    # Without it there is no sysctl to disable it.
    return (None, DISABLE_IPV6_KEY.format("all")) in observed.sysctls
