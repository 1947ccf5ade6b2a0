"""Set a namespace up and tear it down: lock, look, plan, keep the journal, do, look again."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from netns import apply, blocked, journal, plan, steps
from netns.errors import BlockedError, NotPermittedError, StepError
from netns.observe import observe

if TYPE_CHECKING:
    from collections.abc import Callable

    from netns.model import Journal, NamespaceSpec
    from netns.plan import Plan
    from netns.steps import Step


def setup(spec: NamespaceSpec, *, dry_run: bool = False, on_step: Callable[[Step], None] = lambda _: None) -> Plan:
    """Make what is missing of `spec` and verify it; return the plan that was carried out (or, dry, would be).

    Raises:
        NetnsError: as `netns.plan.setup` and `netns.apply.run` say; after a failed step all is as before the call.
        BlockedError: another firewall of this host lets nothing out; a new namespace is taken back, an old one stays.
    """
    _need_root("setup-netns")
    with journal.locked():
        planned = _plan(spec)
        if dry_run:
            _tell(planned, on_step)
            return planned
        before = journal.load(spec.name)
        if planned.steps:
            _carry_out(spec, planned, before, on_step)
        _prove(spec, planned, before)
    return planned


def teardown(
    spec: NamespaceSpec,
    *,
    keep_launcher: bool = False,
    dry_run: bool = False,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Plan:
    """Remove what set-up made, also after a crash half-way; return the plan that was carried out (or would be).

    Raises:
        ForeignStateError: the namespace of that name is not ours.
        StepError: naming every step that failed; the others were done.
    """
    _need_root("teardown-netns")
    with journal.locked():
        before = journal.load(spec.name)
        with apply.Kernel() as kernel:
            planned = plan.teardown(spec, observe(spec, kernel), before, keep_launcher=keep_launcher)
        if dry_run:
            _tell(planned, on_step)
            return planned
        apply.run_all(planned.steps, on_step)
        if planned.journal.made_group:
            journal.save(spec.name, planned.journal)
        else:
            journal.remove(spec.name, before.made_directories)
    return planned


def _need_root(command: str) -> None:
    if os.geteuid() != 0:
        raise NotPermittedError(f"{command} needs root: sudo speedmon {command}")


def _plan(spec: NamespaceSpec) -> Plan:
    with apply.Kernel() as kernel:
        return plan.setup(spec, observe(spec, kernel), journal.load(spec.name))


def _tell(planned: Plan, on_step: Callable[[Step], None]) -> None:
    for step in planned.steps:
        on_step(step)


def _carry_out(spec: NamespaceSpec, planned: Plan, before: Journal, on_step: Callable[[Step], None]) -> None:
    journal.save(spec.name, planned.journal)
    try:
        apply.run(planned.steps, on_step)
    except Exception:
        _forget(spec.name, before, planned)
        raise
    _verify(spec, planned)


def _forget(name: str, before: Journal, planned: Plan) -> None:
    """Put the journal back to what it was before a set-up that failed and was undone."""
    if before.boot_id:
        journal.save(name, before)
    else:
        journal.remove(name, planned.journal.made_directories)


def _verify(spec: NamespaceSpec, planned: Plan) -> None:
    """Look again: note what nft made of our rules, and make sure that nothing is left to do."""
    with apply.Kernel() as kernel:
        seen = observe(spec, kernel)
    kept = dataclasses.replace(planned.journal, table=seen.table)
    journal.save(spec.name, kept)
    left = plan.setup(spec, seen, kept).steps
    if left:
        raise StepError(f"set-up did not hold, something changes it back: {'; '.join(map(str, left))}")


def _prove(spec: NamespaceSpec, planned: Plan, before: Journal) -> None:
    """Make sure that a packet from inside gets past every firewall of this host."""
    words = blocked.explain(spec)
    if words is None:
        return
    if any(isinstance(step, steps.CreateNamespace) for step in planned.steps):
        left = apply.take_back(planned.steps)
        _forget(spec.name, before, planned)
        words += f"; could not be undone: {'; '.join(left)}" if left else "; what was done before it was undone"
    raise BlockedError(words)
