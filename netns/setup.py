"""Sets a namespace up and tears it down: lock, observe, plan, write the journal, apply, verify."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns import blocked, group, journal, plan, steps, way
from netns.errors import BlockedError, NetnsError, NotPermittedError, StepError
from netns.model import GROUP, Journal
from netns.observe import observe

if TYPE_CHECKING:
    from collections.abc import Callable

    from netns.model import NamespaceSpec
    from netns.plan import Plan
    from netns.steps import Step


def setup(spec: NamespaceSpec, *, dry_run: bool = False, on_step: Callable[[Step], None] = lambda _: None) -> Plan:
    """Create or repair the namespace of `spec`, and verify it; return the plan, which a dry run does not carry out.

    Raises:
        SpecError: a user who is to be allowed in does not exist.
        NetnsError: see `netns.plan.setup` and `netns.apply.run`; after a failed step everything is as before the call.
        BlockedError: another firewall or policy rule on this host keeps packets from the uplink; a new namespace is
            removed again, an existing one stays.
    """
    _need_root("setup-netns")
    for user in spec.members:
        group.need_user(user, GROUP)
    with journal.locked():
        before = journal.load(spec.name)
        planned = _plan(spec, before)
        if dry_run:
            _tell(planned, on_step)
            return planned
        if planned.steps:
            _carry_out(spec, before, planned, on_step)
        _prove(spec, before, planned)
    return planned


def teardown(
    spec: NamespaceSpec,
    *,
    keep_launcher: bool = False,
    dry_run: bool = False,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Plan:
    """Remove all that set-up made, also after a crash during it; return the plan, which a dry run does not carry out.

    Raises:
        ForeignStateError: the namespace of that name is not ours.
        StepError: some steps failed; the message names them. The others were carried out.
    """
    _need_root("teardown-netns")
    with journal.locked():
        before = journal.load(spec.name)
        others = journal.load_others(spec.name)
        planned = plan.teardown(spec, observe(spec), before, others, keep_launcher=keep_launcher)
        if dry_run:
            _tell(planned, on_step)
            return planned
        if planned.steps:
            from netns import apply  # noqa: PLC0415  imports pyroute2, not needed if there is nothing to do

            apply.run_all(planned.steps, on_step)
        _keep(spec.name, planned.final_journal)
    return planned


def _need_root(command: str) -> None:
    if os.geteuid() != 0:
        raise NotPermittedError(f"{command} needs root: sudo speedmon {command}")


def _plan(spec: NamespaceSpec, before: Journal) -> Plan:
    return plan.setup(spec, observe(spec), before, journal.load_others(spec.name))


def _tell(planned: Plan, on_step: Callable[[Step], None]) -> None:
    for step in planned.steps:
        on_step(step)


def _carry_out(spec: NamespaceSpec, before: Journal, planned: Plan, on_step: Callable[[Step], None]) -> None:
    from netns import apply  # noqa: PLC0415  as in `teardown`

    journal.save(spec.name, planned.journal)
    try:
        apply.run(planned.steps, on_step)
    except NetnsError as error:
        if not error.left_behind:
            _keep(spec.name, before)
        raise
    _verify(spec, planned)


def _keep(name: str, updated: Journal) -> None:
    if updated == Journal():
        journal.remove(name)
    else:
        journal.save(name, updated)


def _verify(spec: NamespaceSpec, planned: Plan) -> None:
    """Observe again: store the digest of our rules as listed, and make sure that nothing is left to do."""
    observed = observe(spec)
    updated = replace(planned.final_journal, table=observed.table)
    journal.save(spec.name, updated)
    remaining = plan.setup(spec, observed, updated, journal.load_others(spec.name)).steps
    if remaining:
        raise StepError(f"set-up did not hold, something changes it back: {'; '.join(map(str, remaining))}")


def _astray(spec: NamespaceSpec) -> str | None:
    problems = way.problems(spec.name, spec.host_link)
    fix = "see `ip rule`, or keep it on one interface with --uplink"
    return f"{'; '.join(problems)}; {fix}" if problems else None


def _prove(spec: NamespaceSpec, before: Journal, planned: Plan) -> None:
    """Make sure that a packet from inside passes every firewall and policy rule on this host."""
    problem = blocked.explain(spec) or _astray(spec)
    if problem is None:
        return
    if any(isinstance(step, steps.CreateNamespace) for step in planned.steps):
        from netns import apply  # noqa: PLC0415  as in `teardown`

        failures = apply.take_back(planned.steps)
        if not failures:
            _keep(spec.name, before)
        problem += (
            f"; could not be undone: {'; '.join(failures)}" if failures else "; what was done before it was undone"
        )
    raise BlockedError(problem)
