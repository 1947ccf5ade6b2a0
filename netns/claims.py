"""Pure: what several namespaces on one host share, so that it is undone with the last of them, not with the first.

Shared are the forwarding setting of an uplink, the launcher's group and its members, the folders, and the mount of
/run/netns. A new namespace takes over the entries about them from the journals of the existing ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns.model import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.model import NamespaceSpec


def merged(journals: Iterable[Journal]) -> Journal:
    """Return the shared entries of the other namespaces' journals as one journal."""
    all_journals = list(journals)
    return Journal(
        sysctls={key: previous for journal in all_journals for key, previous in journal.sysctls.items()},
        made_group=any(journal.made_group for journal in all_journals),
        members=tuple(sorted({user for journal in all_journals for user in journal.members})),
        made_directories=tuple(sorted({path for journal in all_journals for path in journal.made_directories})),
        mounted_handles=any(journal.mounted_handles for journal in all_journals),
    )


def inherit(own: Journal, others: Journal, spec: NamespaceSpec, forwarding: str) -> Journal:
    """Return `own` plus the others' entries about what `spec` uses too; `forwarding` is the sysctl of its uplink."""
    return replace(
        own,
        sysctls={**{key: previous for key, previous in others.sysctls.items() if key == forwarding}, **own.sysctls},
        made_group=own.made_group or (spec.launcher and others.made_group),
        members=tuple(sorted({*own.members, *(others.members if spec.launcher else ())})),
        made_directories=tuple(sorted({*own.made_directories, *set(others.made_directories) & {*spec.directories}})),
        mounted_handles=own.mounted_handles or others.mounted_handles,
    )


def unshared(own: Journal, others: Journal) -> Journal:
    """Return `own` without the entries about what the others still need."""
    return replace(
        own,
        sysctls={key: previous for key, previous in own.sysctls.items() if key not in others.sysctls},
        made_group=own.made_group and not others.made_group,
        members=tuple(user for user in own.members if user not in others.members),
    )


def settled(journal: Journal, forwarding: str) -> Journal:
    """Return the journal after all steps: settings of former uplinks are restored, that of the current one is kept."""
    return replace(journal, sysctls={key: previous for key, previous in journal.sysctls.items() if key == forwarding})
