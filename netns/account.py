"""Pure: the journal that is kept while a set-up is under way, and what of an earlier one still counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns import file_steps, launcher_steps, openings, steps
from netns.model import Journal

if TYPE_CHECKING:
    from netns.model import Observed
    from netns.steps import Step


def of_this_boot(journal: Journal, seen: Observed) -> Journal:
    """Return what still counts of a journal: after a reboot, only what is kept in files."""
    if journal.boot_id == seen.boot_id:
        return journal
    kept = of_the_launcher(journal)
    return replace(kept, made_directories=journal.made_directories, trusted=journal.trusted)


def of_the_launcher(journal: Journal) -> Journal:
    """Return what of a journal a teardown that keeps the launcher leaves."""
    return Journal(made_group=journal.made_group, members=journal.members)


def during(ordered: tuple[Step, ...], seen: Observed, journal: Journal) -> Journal:
    """Return the journal to keep before the steps are done: it is right when none, some or all of them are."""
    changed = {step.key: step.previous for step in ordered if isinstance(step, steps.SetSysctl) and step.previous}
    joined = {step.user for step in ordered if isinstance(step, launcher_steps.AddMember)}
    made = {step.path for step in ordered if isinstance(step, file_steps.MakeDirectory)}
    # /run/netns is made along with the first namespace.
    made |= {"/run/netns"} - seen.directories
    return Journal(
        boot_id=seen.boot_id,
        sysctls={**changed, **journal.sysctls},
        table=journal.table,
        program=seen.backend.program,
        made_group=journal.made_group or any(isinstance(step, launcher_steps.CreateGroup) for step in ordered),
        members=tuple(sorted({*journal.members, *joined})),
        made_directories=tuple(sorted({*journal.made_directories, *made})),
        mounted_handles=journal.mounted_handles or not seen.handles_mounted,
        trusted=openings.trusted_after(ordered, journal),
    )
