"""Pure: (wanted, observed, journal) -> ordered steps, for set-up and for the way back. No clock, no file, no log.

A step is planned only for what differs, so a second set-up plans nothing. Order matters twice: IPv6 is off inside
before any link is there, and the firewall is loaded before the first interface forwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from netns import (
    account,
    claims,
    file_steps,
    launcher_steps,
    openings,
    own_rules,
    ownership,
    pair,
    pinning,
    resolver,
    ruleset,
    steps,
)
from netns.model import GROUP, Handle, Journal

if TYPE_CHECKING:
    from netns.model import NamespaceSpec, Observed, Uplink
    from netns.steps import Step

ALL_FORWARDING = "net/ipv4/conf/all/forwarding"
# Any group may open an ICMP socket, so that ping works without a capability; a new namespace allows none.
PING = "net/ipv4/ping_group_range"


class Plan(Struct, frozen=True):
    """Steps in order, the journal to keep while they are done and that for afterwards, and notes for the user.

    `uplink` is the one that a set-up uses.
    """

    steps: tuple[Step, ...]
    journal: Journal
    settled: Journal
    notes: tuple[str, ...] = ()
    uplink: Uplink | None = None


def setup(spec: NamespaceSpec, seen: Observed, journal: Journal, others: tuple[Journal, ...] = ()) -> Plan:
    """Plan what is missing for `spec`, beside other namespaces of ours, whose journals are `others`.

    Raises:
        NoUplinkError: the host has no IPv4 default route, or no router is known on the uplink that was named.
        ForeignStateError: somebody else's link, namespace, file or program has one of our names.
        SpecError: the subnet overlaps a network of the host.
        MissingToolError: our rules are nftables', and nft is gone.
    """
    uplink = ownership.need_uplink(spec, seen)
    others = tuple(account.of_this_boot(other, seen) for other in others)
    theirs = claims.merged(others)
    journal = claims.inherit(account.of_this_boot(journal, seen), theirs, spec, _forward(uplink.link))
    ownership.refuse_foreign(spec, seen, journal)
    ownership.refuse_overlap(spec, seen)
    own_rules.refuse_out_of_reach(spec, seen, journal)
    rules = _rules(spec, seen, journal, uplink)
    load, digest = own_rules.load(spec, seen.backend, rules, fresh=not seen.table)
    table = pinning.table(spec, uplink, seen.routing, journal, [other.route_table for other in others])
    ordered = (
        *_namespace(spec, seen),
        *pair.setup(spec, seen, uplink),
        *([] if _is_loaded(seen, journal, digest) else [load]),
        *own_rules.strays(spec, seen.backend, seen.firewalls),
        *pinning.setup(spec, uplink, seen.routing, journal, table),
        *openings.setup(
            spec, uplink.link, own_rules.others(spec, seen.backend, seen.firewalls), journal, rules.host_dns
        ),
        *_forwarding(spec, seen, claims.unshared(journal, theirs), uplink),
        *_files(spec, seen, uplink),
        *_launcher(spec, seen),
    )
    during = replace(
        account.during(ordered, seen, journal),
        ruleset=digest,
        uplink=uplink.link,
        route_table=table or journal.route_table,
    )
    settled = replace(claims.settled(during, _forward(uplink.link)), route_table=table)
    return Plan(ordered, during, settled, _notes(spec, seen, uplink), uplink)


def teardown(
    spec: NamespaceSpec,
    seen: Observed,
    journal: Journal,
    others: tuple[Journal, ...] = (),
    *,
    keep_launcher: bool = False,
) -> Plan:
    """Plan the removal of what we made and nothing else; somebody else's link or launcher of our name is left alone.

    What other namespaces of ours still need, told by their journals, stays until the last of them goes.

    Raises:
        ForeignStateError: the namespace of that name is not ours.
        MissingToolError: our rules are nftables', and nft is gone.
    """
    own = account.of_this_boot(journal, seen)
    journal = claims.unshared(own, claims.merged(account.of_this_boot(other, seen) for other in others))
    if seen.host_link is None or ownership.is_ours(spec, seen, own):
        ownership.refuse_foreign_namespace(spec, seen, own)
    own_rules.refuse_out_of_reach(spec, seen, own)
    ordered = (
        *openings.teardown(spec, own_rules.openable(spec, seen.firewalls), journal),
        *([own_rules.delete(spec, seen.backend.program)] if seen.table else []),
        *own_rules.strays(spec, seen.backend, seen.firewalls),
        *_restore(seen, journal, keep=None),
        *([steps.DeleteLink(spec.host_link)] if ownership.is_ours(spec, seen, own) else []),
        *([steps.DeleteNamespace(spec.name)] if seen.handle is not Handle.MISSING else []),
        *pinning.teardown(spec, seen.routing, journal),
        *(file_steps.RemoveFile(path) for path, text in seen.files.items() if _is_our_file(spec, path, text)),
        *([] if keep_launcher else _remove_launcher(spec, seen, journal)),
        *([file_steps.UnmountHandles()] if journal.mounted_handles and seen.handles_mounted else []),
        *(file_steps.RemoveDirectory(path) for path in reversed(spec.directories) if _removable(path, seen, journal)),
    )
    return Plan(ordered, own, account.of_the_launcher(own) if keep_launcher else Journal())


def _rules(spec: NamespaceSpec, seen: Observed, journal: Journal, uplink: Uplink) -> ruleset.Rules:
    servers = _resolver(spec, seen, uplink).servers
    return ruleset.Rules(
        table=spec.table,
        host_link=spec.host_link,
        subnet=str(spec.subnet),
        uplink=uplink.link,
        host_dns=tuple(server for server in servers if server in seen.addresses),
        guard=_forwards_for_us(seen, journal, uplink),
    )


def _forwards_for_us(seen: Observed, journal: Journal, uplink: Uplink) -> bool:
    key = _forward(uplink.link)
    ours = key in journal.sysctls or seen.sysctls.get((None, key)) != "1"
    return ours and seen.sysctls.get((None, ALL_FORWARDING)) == "0"


def _namespace(spec: NamespaceSpec, seen: Observed) -> list[Step]:
    ordered: list[Step] = []
    if seen.handle is Handle.STALE:
        ordered.append(steps.DeleteNamespace(spec.name))
    if seen.handle is not Handle.LIVE:
        ordered.append(steps.CreateNamespace(spec.name))
    wanted = [(pair.IPV6_SWITCH.format(link), "1") for link in ("all", "default", "lo") if pair.has_ipv6(seen)]
    ordered += [
        steps.SetSysctl(key, value, spec.name)
        for key, value in [*wanted, (PING, f"0\t{seen.last_group}")]
        if seen.sysctls.get((spec.name, key)) != value
    ]
    if seen.untuned:
        ordered.append(steps.CopyTuning(spec.name, seen.untuned))
    return ordered


def _is_loaded(seen: Observed, journal: Journal, digest: str) -> bool:
    return journal.ruleset == digest and seen.table is not None and journal.table == seen.table


def _forwarding(spec: NamespaceSpec, seen: Observed, journal: Journal, uplink: Uplink) -> list[Step]:
    """The incoming interface decides whether a packet is forwarded: ours for what leaves, the uplink for replies."""
    fresh_pair = not pair.is_whole(spec, seen)
    veth, out = _forward(spec.host_link), _forward(uplink.link)
    ordered: list[Step] = _restore(seen, journal, keep=out)
    if fresh_pair or seen.sysctls.get((None, veth)) != "1":
        ordered.append(steps.SetSysctl(veth, "1"))
    if (found := seen.sysctls.get((None, out))) != "1":
        ordered.append(steps.SetSysctl(out, "1", previous=found))
    return ordered


def _forward(link: str) -> str:
    return f"net/ipv4/conf/{link}/forwarding"


def _restore(seen: Observed, journal: Journal, keep: str | None) -> list[Step]:
    """Put back what we changed, unless somebody changed it since or has come to depend on it."""
    if seen.sysctls.get((None, ALL_FORWARDING)) != "0":
        return []
    return [
        steps.SetSysctl(key, previous)
        for key, previous in journal.sysctls.items()
        if key != keep and seen.sysctls.get((None, key)) == "1" and previous != "1"
    ]


def _resolver(spec: NamespaceSpec, seen: Observed, uplink: Uplink) -> resolver.Resolver:
    return resolver.choose(spec, (seen.files.get(source) for source in resolver.SOURCES), uplink.router)


def _files(spec: NamespaceSpec, seen: Observed, uplink: Uplink) -> list[Step]:
    wanted = {f"{spec.etc}/resolv.conf": resolver.resolv_conf(_resolver(spec, seen, uplink), spec.name)}
    if (host := seen.files.get(resolver.NSSWITCH)) is not None:
        wanted[f"{spec.etc}/nsswitch.conf"] = resolver.nsswitch_conf(host, spec.name)
    writes: list[Step] = [
        file_steps.WriteFile(path, text, previous=seen.files.get(path))
        for path, text in wanted.items()
        if seen.files.get(path) != text and _replaceable(seen.files.get(path))
    ]
    folders = [path for path in spec.directories if path.startswith("/etc") and path not in seen.directories]
    return [*(file_steps.MakeDirectory(path) for path in folders), *writes]


def _replaceable(found: str | None) -> bool:
    return found is None or resolver.is_ours(found)


def _launcher(spec: NamespaceSpec, seen: Observed) -> list[Step]:
    if not spec.launcher:
        return []
    ordered: list[Step] = [] if seen.launcher.group_exists else [launcher_steps.CreateGroup(GROUP)]
    ordered += [launcher_steps.AddMember(user, GROUP) for user in spec.members if user not in seen.launcher.members]
    if not seen.launcher.sound and seen.launcher.compiler:
        ordered.append(launcher_steps.PlaceLauncher(spec.name, spec.launcher_path, GROUP))
    return ordered


def _remove_launcher(spec: NamespaceSpec, seen: Observed, journal: Journal) -> list[Step]:
    there = seen.launcher.ours or seen.launcher.half
    ordered: list[Step] = [launcher_steps.RemoveLauncher(spec.launcher_path)] if there else []
    if journal.made_group and seen.launcher.group_exists:
        return [*ordered, launcher_steps.DeleteGroup(GROUP)]
    return [
        *ordered,
        *(launcher_steps.RemoveMember(user, GROUP) for user in journal.members if user in seen.launcher.members),
    ]


def _is_our_file(spec: NamespaceSpec, path: str, text: str | None) -> bool:
    if path in map(file_steps.beside, spec.etc_files):
        return text is not None
    return path in spec.etc_files and text is not None and resolver.is_ours(text)


def _removable(path: str, seen: Observed, journal: Journal) -> bool:
    return path in seen.directories and path in journal.made_directories


def _notes(spec: NamespaceSpec, seen: Observed, uplink: Uplink) -> tuple[str, ...]:
    notes = own_rules.notes(spec, seen.backend) if pair.has_ipv6(seen) else []
    notes += [
        f"{path} is somebody else's and was kept" for path in spec.etc_files if not _replaceable(seen.files.get(path))
    ]
    servers = _resolver(spec, seen, uplink).servers
    notes += [
        f"{uplink.link} does not lead to the network of the name server {server}; give this line's own with --dns"
        for server in pinning.out_of_reach(uplink, servers, seen)
    ]
    if spec.launcher and not seen.launcher.sound and not seen.launcher.compiler:
        notes.append("no C compiler, so no launcher: only root can enter; apt install musl-tools and run this again")
    return tuple(notes)
