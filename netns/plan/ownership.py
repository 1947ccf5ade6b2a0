"""What is ours, what belongs to others and prevents a set-up, and what several namespaces share. Pure.

Each refusal names the obstacle and the fix. Shared are the forwarding setting of an uplink, the launcher's group and
its members, the folders, and the mount of /run/netns: they are undone with the last namespace, not with the first, so
a new namespace takes over the entries about them from the journals of the existing ones.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns.errors import ForeignStateError, NoUplinkError, SpecError
from netns.plan import firewall, host_steps, steps
from netns.state import DEFAULT_NETWORK, HandleState, Journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netns.plan.steps import Step
    from netns.spec import NamespaceSpec
    from netns.state import Link, ObservedState, Uplink

SHORTEST_PREFIX = 8


def require_uplink(spec: NamespaceSpec, observed: ObservedState) -> Uplink:
    """Return the uplink.

    Raises:
        SpecError: there is no interface of the given name, or the given router is not on it.
        NoUplinkError: no name was given and the host has no IPv4 default route; or no router is known on the interface.
    """
    if observed.uplink is not None:
        _require_way_out(spec, observed.uplink)
        return observed.uplink
    if spec.uplink:
        raise SpecError(f"the uplink {spec.uplink!r} does not exist; `ip link` lists the interfaces")
    raise NoUplinkError(
        "the host has no IPv4 default route, so there is no uplink; connect it or choose one with --uplink"
    )


def _require_way_out(spec: NamespaceSpec, uplink: Uplink) -> None:
    if not uplink.leads_out:
        raise NoUplinkError(
            f"no router is known on {uplink.link}: it has no IPv4 default route in any table;"
            " connect it or give its router with --router ADDRESS"
        )
    on_link = [network for network, _ in uplink.routes or () if network != DEFAULT_NETWORK]
    if spec.router and not any(IPv4Address(spec.router) in IPv4Network(network) for network in on_link):
        raise SpecError(
            f"router {spec.router} is in no network of {uplink.link} ({', '.join(on_link) or 'it has none'});"
            f" `ip route show dev {uplink.link}` lists them"
        )


def refuse_foreign(spec: NamespaceSpec, observed: ObservedState, journal: Journal) -> None:
    """Refuse a link, a namespace or a program that has one of our names but is not ours.

    Raises:
        ForeignStateError: names it and the fix.
    """
    if observed.host_link and not is_own_link(spec, observed, journal):
        raise ForeignStateError(
            f"the interface {spec.host_link} exists but is not speedmon's;"
            f" remove it (ip link delete {spec.host_link}) or choose another --name"
        )
    refuse_foreign_namespace(spec, observed, journal)
    if spec.launcher and observed.launcher.present and not observed.launcher.ours:
        raise ForeignStateError(
            f"{spec.launcher_path} exists but is not speedmon's launcher; move it away or use --no-launcher"
        )


def refuse_foreign_namespace(spec: NamespaceSpec, observed: ObservedState, journal: Journal) -> None:
    """Refuse a namespace that has our name but is not ours.

    Raises:
        ForeignStateError: names it and the fix.
    """
    if observed.handle is HandleState.LIVE and observed.host_link is None and journal.boot_id != observed.boot_id:
        raise ForeignStateError(
            f"the namespace {spec.name} exists but is not speedmon's;"
            f" remove it (ip netns delete {spec.name}) or choose another --name"
        )


def refuse_overlap(spec: NamespaceSpec, observed: ObservedState) -> None:
    """Refuse a subnet that the host already uses.

    Raises:
        SpecError: names what it overlaps and a subnet that is free.
    """
    source = next((source for network, source in observed.networks if _overlaps(network, spec.subnet)), None)
    if source is None:
        return
    used = [network for network, _ in observed.networks]
    free = (
        f", such as --subnet {subnet}"
        for subnet in _candidate_subnets()
        if not any(_overlaps(network, subnet) for network in used)
    )
    raise SpecError(f"subnet {spec.subnet} overlaps {source}; use another{next(free, '')}")


def is_own_link(spec: NamespaceSpec, observed: ObservedState, journal: Journal) -> bool:
    """Recognise our link by its alias or, if a kill came between its creation and its alias, by its other end."""
    host, inner = observed.host_link, observed.inner_link
    if host is None or host.alias is not None:
        return host is not None and host.alias == spec.alias
    return inner is not None and are_peers(host, inner) and journal.boot_id == observed.boot_id


def are_peers(host: Link, inner: Link) -> bool:
    """Return whether two links are the ends of one veth pair."""
    return host.peer_index == inner.index and inner.peer_index == host.index


def _overlaps(network: IPv4Network, other: IPv4Network) -> bool:
    # Prefixes shorter than /8 are not networks but parts of a default route, as VPNs add them.
    return network.prefixlen >= SHORTEST_PREFIX and network.overlaps(other)


def _candidate_subnets() -> Iterator[IPv4Network]:
    for third in range(200, 255):
        yield IPv4Network(f"192.168.{third}.0/24")
    for second in range(200, 255):
        yield IPv4Network(f"10.{second}.200.0/24")
    yield IPv4Network("100.127.200.0/24")


def merge_journals(journals: Iterable[Journal]) -> Journal:
    """Return the shared entries of the other namespaces' journals as one journal."""
    all_journals = list(journals)
    return Journal(
        sysctls={key: previous for journal in all_journals for key, previous in journal.sysctls.items()},
        made_group=any(journal.made_group for journal in all_journals),
        members=tuple(sorted({user for journal in all_journals for user in journal.members})),
        made_directories=tuple(sorted({path for journal in all_journals for path in journal.made_directories})),
        mounted_handles=any(journal.mounted_handles for journal in all_journals),
    )


def inherit_shared(own: Journal, others: Journal, spec: NamespaceSpec, forwarding: str) -> Journal:
    """Return `own` plus the others' entries about what `spec` uses too; `forwarding` is the sysctl of its uplink."""
    return replace(
        own,
        sysctls={**{key: previous for key, previous in others.sysctls.items() if key == forwarding}, **own.sysctls},
        made_group=own.made_group or (spec.launcher and others.made_group),
        members=tuple(sorted({*own.members, *(others.members if spec.launcher else ())})),
        made_directories=tuple(sorted({*own.made_directories, *set(others.made_directories) & {*spec.directories}})),
        mounted_handles=own.mounted_handles or others.mounted_handles,
    )


def drop_shared(own: Journal, others: Journal) -> Journal:
    """Return `own` without the entries about what the others still need."""
    return replace(
        own,
        sysctls={key: previous for key, previous in own.sysctls.items() if key not in others.sysctls},
        made_group=own.made_group and not others.made_group,
        members=tuple(user for user in own.members if user not in others.members),
    )


def settle_journal(journal: Journal, forwarding: str) -> Journal:
    """Return the journal after all steps: settings of former uplinks are restored, that of the current one is kept."""
    kept = {key: previous for key, previous in journal.sysctls.items() if key == forwarding}
    names = {split_link_key(key)[1] for key in kept}
    return replace(journal, sysctls=kept, links={name: index for name, index in journal.links.items() if name in names})


def drop_stale_entries(journal: Journal, observed: ObservedState) -> Journal:
    """Return the journal without stale entries: after a reboot, only those about files and firewalld are valid."""
    if journal.boot_id == observed.boot_id:
        return _follow_renamed_links(journal, observed)
    remaining = keep_launcher_entries(journal)
    return replace(remaining, made_directories=journal.made_directories, trusted=journal.trusted)


def _follow_renamed_links(journal: Journal, observed: ObservedState) -> Journal:
    """Return the journal with the present names of interfaces that were renamed since; an index stays the same."""
    names = {index: name for name, index in observed.link_indexes.items()}
    renamed = {old: names[index] for old, index in journal.links.items() if names.get(index, old) != old}
    if not renamed:
        return journal

    def follow(key: str) -> str:
        head, link, tail = split_link_key(key)
        return f"{head}{renamed.get(link, link)}{tail}"

    return replace(
        journal,
        sysctls={follow(key): previous for key, previous in journal.sysctls.items()},
        links={renamed.get(name, name): index for name, index in journal.links.items()},
    )


def split_link_key(key: str) -> tuple[str, str, str]:
    """Return the three parts of the path of an interface's sysctl; the middle one is the name, which may have dots."""
    head, _, rest = key.partition("/conf/")
    link, _, name = rest.rpartition("/")
    return f"{head}/conf/", link, f"/{name}"


def keep_launcher_entries(journal: Journal) -> Journal:
    """Return the journal entries that remain after a teardown with --keep-launcher."""
    return Journal(made_group=journal.made_group, members=journal.members)


def journal_during(planned: tuple[Step, ...], observed: ObservedState, journal: Journal) -> Journal:
    """Return the journal to write before the steps are carried out; it is correct after none, some or all of them."""
    changed = {step.key: step.previous for step in planned if isinstance(step, steps.SetSysctl) and step.previous}
    joined = {step.user for step in planned if isinstance(step, host_steps.AddMember)}
    made = {step.path for step in planned if isinstance(step, host_steps.MakeDirectory)}
    # /run/netns is created along with the first namespace.
    made |= {"/run/netns"} - observed.directories
    sysctls = {**changed, **journal.sysctls}
    links = {split_link_key(key)[1] for key in sysctls}
    return Journal(
        boot_id=observed.boot_id,
        sysctls=sysctls,
        links={name: observed.link_indexes[name] for name in sorted(links & observed.link_indexes.keys())},
        table=journal.table,
        program=observed.backend.program,
        made_group=journal.made_group or any(isinstance(step, host_steps.CreateGroup) for step in planned),
        members=tuple(sorted({*journal.members, *joined})),
        made_directories=tuple(sorted({*journal.made_directories, *made})),
        mounted_handles=journal.mounted_handles or not observed.handles_mounted,
        trusted=firewall.trusted_sources_after(planned, journal),
    )
