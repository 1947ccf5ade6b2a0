"""Pure: plans set-up and teardown, from the spec, the observed state and the journal. No clock, no file, no log.

A step is planned only where something differs, so a second set-up plans nothing. Order matters twice: IPv6 is disabled
inside before there is a link, and the firewall rules are loaded before an interface forwards.
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
# The groups that may open ICMP sockets, which ping needs without a capability; in a new namespace there are none.
PING = "net/ipv4/ping_group_range"


class Plan(Struct, frozen=True):
    """Steps in order, the journal to write before them and the one to write after them, and notes for the user.

    `uplink` is the uplink of a set-up.
    """

    steps: tuple[Step, ...]
    journal: Journal
    final_journal: Journal
    notes: tuple[str, ...] = ()
    uplink: Uplink | None = None


def setup(spec: NamespaceSpec, observed: Observed, journal: Journal, others: tuple[Journal, ...] = ()) -> Plan:
    """Plan what is missing for `spec`; `others` are the journals of our other namespaces.

    Raises:
        NoUplinkError: the host has no IPv4 default route, or no router is known on the given uplink.
        ForeignStateError: a link, namespace, file or program has one of our names but is not ours.
        SpecError: the subnet overlaps a network of the host.
        MissingToolError: our rules are in nftables, but nft is no longer installed.
    """
    uplink = ownership.need_uplink(spec, observed)
    others = tuple(account.of_this_boot(other, observed) for other in others)
    theirs = claims.merged(others)
    journal = claims.inherit(account.of_this_boot(journal, observed), theirs, spec, _forward(uplink.link))
    ownership.refuse_foreign(spec, observed, journal)
    ownership.refuse_overlap(spec, observed)
    own_rules.refuse_out_of_reach(spec, observed, journal)
    rules = _rules(spec, observed, journal, uplink)
    load, digest = own_rules.load(spec, observed.backend, rules, fresh=not observed.table)
    table = pinning.table(spec, uplink, observed.routing, journal, [other.route_table for other in others])
    planned = (
        *_namespace(spec, observed),
        *pair.setup(spec, observed, uplink),
        *([] if _is_loaded(observed, journal, digest) else [load]),
        *own_rules.strays(spec, observed.backend, observed.firewalls),
        *pinning.setup(spec, uplink, observed.routing, journal, table),
        *openings.setup(
            spec, uplink.link, own_rules.others(spec, observed.backend, observed.firewalls), journal, rules.host_dns
        ),
        *_forwarding(spec, observed, claims.unshared(journal, theirs), uplink),
        *_files(spec, observed, uplink),
        *_launcher(spec, observed),
    )
    during = replace(
        account.during(planned, observed, journal),
        ruleset=digest,
        uplink=uplink.link,
        route_table=table or journal.route_table,
    )
    final_journal = replace(claims.settled(during, _forward(uplink.link)), route_table=table)
    return Plan(planned, during, final_journal, _notes(spec, observed, uplink), uplink)


def teardown(
    spec: NamespaceSpec,
    observed: Observed,
    journal: Journal,
    others: tuple[Journal, ...] = (),
    *,
    keep_launcher: bool = False,
) -> Plan:
    """Plan the removal of everything that we made; a link or launcher of our name that is not ours stays.

    What our other namespaces still need, according to their journals, stays until the last of them is removed.

    Raises:
        ForeignStateError: the namespace of that name is not ours.
        MissingToolError: our rules are in nftables, but nft is no longer installed.
    """
    own = account.of_this_boot(journal, observed)
    journal = claims.unshared(own, claims.merged(account.of_this_boot(other, observed) for other in others))
    if observed.host_link is None or ownership.is_ours(spec, observed, own):
        ownership.refuse_foreign_namespace(spec, observed, own)
    own_rules.refuse_out_of_reach(spec, observed, own)
    planned = (
        *openings.teardown(spec, own_rules.openable(spec, observed.firewalls), journal),
        *([own_rules.delete(spec, observed.backend.program)] if observed.table else []),
        *own_rules.strays(spec, observed.backend, observed.firewalls),
        *_restore(observed, journal, keep=None),
        *([steps.DeleteLink(spec.host_link)] if ownership.is_ours(spec, observed, own) else []),
        *([steps.DeleteNamespace(spec.name)] if observed.handle is not Handle.MISSING else []),
        *pinning.teardown(spec, observed.routing, journal),
        *(file_steps.RemoveFile(path) for path, text in observed.files.items() if _is_our_file(spec, path, text)),
        *([] if keep_launcher else _remove_launcher(spec, observed, journal)),
        *([file_steps.UnmountHandles()] if journal.mounted_handles and observed.handles_mounted else []),
        *(
            file_steps.RemoveDirectory(path)
            for path in reversed(spec.directories)
            if _removable(path, observed, journal)
        ),
    )
    return Plan(planned, own, account.of_the_launcher(own) if keep_launcher else Journal())


def _rules(spec: NamespaceSpec, observed: Observed, journal: Journal, uplink: Uplink) -> ruleset.Rules:
    servers = _resolver(spec, observed, uplink).servers
    return ruleset.Rules(
        table=spec.table,
        host_link=spec.host_link,
        subnet=str(spec.subnet),
        uplink=uplink.link,
        host_dns=tuple(server for server in servers if server in observed.addresses),
        guard=_forwards_for_us(observed, journal, uplink),
    )


def _forwards_for_us(observed: Observed, journal: Journal, uplink: Uplink) -> bool:
    key = _forward(uplink.link)
    ours = key in journal.sysctls or observed.sysctls.get((None, key)) != "1"
    return ours and observed.sysctls.get((None, ALL_FORWARDING)) == "0"


def _namespace(spec: NamespaceSpec, observed: Observed) -> list[Step]:
    planned: list[Step] = []
    if observed.handle is Handle.STALE:
        planned.append(steps.DeleteNamespace(spec.name))
    if observed.handle is not Handle.LIVE:
        planned.append(steps.CreateNamespace(spec.name))
    wanted = [(pair.IPV6_SWITCH.format(link), "1") for link in ("all", "default", "lo") if pair.has_ipv6(observed)]
    planned += [
        steps.SetSysctl(key, value, spec.name)
        for key, value in [*wanted, (PING, f"0\t{observed.last_group}")]
        if observed.sysctls.get((spec.name, key)) != value
    ]
    if observed.untuned:
        planned.append(steps.CopyTuning(spec.name, observed.untuned))
    return planned


def _is_loaded(observed: Observed, journal: Journal, digest: str) -> bool:
    return journal.ruleset == digest and observed.table is not None and journal.table == observed.table


def _forwarding(spec: NamespaceSpec, observed: Observed, journal: Journal, uplink: Uplink) -> list[Step]:
    """Enable forwarding on both links: the incoming one decides, ours for packets out, the uplink for replies."""
    fresh_pair = not pair.is_whole(spec, observed)
    veth, out = _forward(spec.host_link), _forward(uplink.link)
    planned: list[Step] = _restore(observed, journal, keep=out)
    if fresh_pair or observed.sysctls.get((None, veth)) != "1":
        planned.append(steps.SetSysctl(veth, "1"))
    if (current := observed.sysctls.get((None, out))) != "1":
        planned.append(steps.SetSysctl(out, "1", previous=current))
    return planned


def _forward(link: str) -> str:
    return f"net/ipv4/conf/{link}/forwarding"


def _restore(observed: Observed, journal: Journal, keep: str | None) -> list[Step]:
    """Restore what we changed, unless somebody has changed it since, or the host now forwards everywhere."""
    if observed.sysctls.get((None, ALL_FORWARDING)) != "0":
        return []
    return [
        steps.SetSysctl(key, previous)
        for key, previous in journal.sysctls.items()
        if key != keep and observed.sysctls.get((None, key)) == "1" and previous != "1"
    ]


def _resolver(spec: NamespaceSpec, observed: Observed, uplink: Uplink) -> resolver.Resolver:
    return resolver.choose(spec, (observed.files.get(source) for source in resolver.SOURCES), uplink.router)


def _files(spec: NamespaceSpec, observed: Observed, uplink: Uplink) -> list[Step]:
    wanted = {f"{spec.etc}/resolv.conf": resolver.resolv_conf(_resolver(spec, observed, uplink), spec.name)}
    if (host := observed.files.get(resolver.NSSWITCH)) is not None:
        wanted[f"{spec.etc}/nsswitch.conf"] = resolver.nsswitch_conf(host, spec.name)
    writes: list[Step] = [
        file_steps.WriteFile(path, text, previous=observed.files.get(path))
        for path, text in wanted.items()
        if observed.files.get(path) != text and _replaceable(observed.files.get(path))
    ]
    folders = [path for path in spec.directories if path.startswith("/etc") and path not in observed.directories]
    return [*(file_steps.MakeDirectory(path) for path in folders), *writes]


def _replaceable(current: str | None) -> bool:
    return current is None or resolver.is_ours(current)


def _launcher(spec: NamespaceSpec, observed: Observed) -> list[Step]:
    if not spec.launcher:
        return []
    planned: list[Step] = [] if observed.launcher.group_exists else [launcher_steps.CreateGroup(GROUP)]
    planned += [launcher_steps.AddMember(user, GROUP) for user in spec.members if user not in observed.launcher.members]
    if not observed.launcher.intact and observed.launcher.compiler:
        planned.append(launcher_steps.PlaceLauncher(spec.name, spec.launcher_path, GROUP))
    return planned


def _remove_launcher(spec: NamespaceSpec, observed: Observed, journal: Journal) -> list[Step]:
    is_present = observed.launcher.ours or observed.launcher.half_built
    planned: list[Step] = [launcher_steps.RemoveLauncher(spec.launcher_path)] if is_present else []
    if journal.made_group and observed.launcher.group_exists:
        return [*planned, launcher_steps.DeleteGroup(GROUP)]
    return [
        *planned,
        *(launcher_steps.RemoveMember(user, GROUP) for user in journal.members if user in observed.launcher.members),
    ]


def _is_our_file(spec: NamespaceSpec, path: str, text: str | None) -> bool:
    if path in map(file_steps.beside, spec.etc_files):
        return text is not None
    return path in spec.etc_files and text is not None and resolver.is_ours(text)


def _removable(path: str, observed: Observed, journal: Journal) -> bool:
    return path in observed.directories and path in journal.made_directories


def _notes(spec: NamespaceSpec, observed: Observed, uplink: Uplink) -> tuple[str, ...]:
    notes = own_rules.notes(spec, observed.backend) if pair.has_ipv6(observed) else []
    notes += [
        f"{path} was not written by speedmon and was kept"
        for path in spec.etc_files
        if not _replaceable(observed.files.get(path))
    ]
    servers = _resolver(spec, observed, uplink).servers
    notes += [
        f"{uplink.link} does not lead to the network of the name server {server}; set this line's own with --dns"
        for server in pinning.out_of_reach(uplink, servers, observed)
    ]
    if spec.launcher and not observed.launcher.intact and not observed.launcher.compiler:
        notes.append("no C compiler, so no launcher: only root can enter; apt install musl-tools and run this again")
    return tuple(notes)
