"""Pure: what several namespaces on one host share, so that the last one to go takes it back and not the first.

Shared are the forwarding of an uplink, the launcher's group and its members, the folders of all namespaces and the
mount of /run/netns. A new namespace inherits the account of them from the journals of those that are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns.model import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.model import NamespaceSpec


def merged(journals: Iterable[Journal]) -> Journal:
    """Return what the other namespaces' journals say together."""
    together = list(journals)
    return Journal(
        sysctls={key: previous for journal in together for key, previous in journal.sysctls.items()},
        made_group=any(journal.made_group for journal in together),
        members=tuple(sorted({user for journal in together for user in journal.members})),
        made_directories=tuple(sorted({path for journal in together for path in journal.made_directories})),
        mounted_handles=any(journal.mounted_handles for journal in together),
    )


def inherit(own: Journal, others: Journal, spec: NamespaceSpec, forwarding: str) -> Journal:
    """Return `own` with the others' account of what `spec` uses too; `forwarding` is the setting of its uplink."""
    return replace(
        own,
        sysctls={**{key: previous for key, previous in others.sysctls.items() if key == forwarding}, **own.sysctls},
        made_group=own.made_group or (spec.launcher and others.made_group),
        members=tuple(sorted({*own.members, *(others.members if spec.launcher else ())})),
        made_directories=tuple(sorted({*own.made_directories, *set(others.made_directories) & {*spec.directories}})),
        mounted_handles=own.mounted_handles or others.mounted_handles,
    )


def unshared(own: Journal, others: Journal) -> Journal:
    """Return `own` without what the others still need."""
    return replace(
        own,
        sysctls={key: previous for key, previous in own.sysctls.items() if key not in others.sysctls},
        made_group=own.made_group and not others.made_group,
        members=tuple(user for user in own.members if user not in others.members),
    )


def settled(journal: Journal, forwarding: str) -> Journal:
    """Return the journal for when all is done: an uplink of the past has its setting back, and keeps what it gets."""
    return replace(journal, sysctls={key: previous for key, previous in journal.sysctls.items() if key == forwarding})
