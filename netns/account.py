"""Pure: the journal to write before a set-up begins, and which entries of an earlier journal are still valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns import file_steps, launcher_steps, openings, steps
from netns.model import Journal

if TYPE_CHECKING:
    from netns.model import Observed
    from netns.steps import Step


def of_this_boot(journal: Journal, observed: Observed) -> Journal:
    """Return the journal without stale entries: after a reboot, only those about files and firewalld are valid."""
    if journal.boot_id == observed.boot_id:
        return journal
    remaining = of_the_launcher(journal)
    return replace(remaining, made_directories=journal.made_directories, trusted=journal.trusted)


def of_the_launcher(journal: Journal) -> Journal:
    """Return the journal entries that remain after a teardown with --keep-launcher."""
    return Journal(made_group=journal.made_group, members=journal.members)


def during(planned: tuple[Step, ...], observed: Observed, journal: Journal) -> Journal:
    """Return the journal to write before the steps are carried out; it is correct after none, some or all of them."""
    changed = {step.key: step.previous for step in planned if isinstance(step, steps.SetSysctl) and step.previous}
    joined = {step.user for step in planned if isinstance(step, launcher_steps.AddMember)}
    made = {step.path for step in planned if isinstance(step, file_steps.MakeDirectory)}
    # /run/netns is created along with the first namespace.
    made |= {"/run/netns"} - observed.directories
    return Journal(
        boot_id=observed.boot_id,
        sysctls={**changed, **journal.sysctls},
        table=journal.table,
        program=observed.backend.program,
        made_group=journal.made_group or any(isinstance(step, launcher_steps.CreateGroup) for step in planned),
        members=tuple(sorted({*journal.members, *joined})),
        made_directories=tuple(sorted({*journal.made_directories, *made})),
        mounted_handles=journal.mounted_handles or not observed.handles_mounted,
        trusted=openings.trusted_after(planned, journal),
    )
