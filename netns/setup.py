"""Sets a namespace up and tears it down: lock, observe, plan, write the journal, apply, verify.

Verified is the way out, and that names can be looked up from inside.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from netns import journal, resolver
from netns.entry import uplink
from netns.errors import BlockedError, NameServerError, NetnsError, NotPermittedError, StepError
from netns.firewall import diagnose
from netns.kernel.namespaces import enter_namespace
from netns.launcher import group
from netns.observe import observe_machine
from netns.plan import planner, steps
from netns.probe.name_trial import Trial, run_trials
from netns.spec import GROUP
from netns.state import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from netns.plan.planner import SetupPlan
    from netns.plan.steps import Step
    from netns.spec import NamespaceSpec

HOST_RESOLV_CONF = "/etc/resolv.conf"

# Numbers of capabilities(7).
_NEEDED_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}

_NAMES_FIX = "set namespace.dns to IPv4 name servers that answer, and run this again"


def set_up_namespace(
    spec: NamespaceSpec, *, dry_run: bool = False, on_step: Callable[[Step], None] = lambda _: None
) -> SetupPlan:
    """Create or repair the namespace of `spec`, and verify it; return the plan, which a dry run does not carry out.

    Raises:
        SpecError: a user who is to be allowed in does not exist.
        NetnsError: see `netns.plan.planner.plan_setup` and `netns.apply.apply_steps`; after a failed step everything is
            as before the call.
        BlockedError: another firewall or policy rule on this host keeps packets from the uplink; a new namespace is
            removed again, an existing one stays.
        NameServerError: this host gets answers about names, the namespace does not; it stays.
    """
    _require_root("setup-netns")
    for user in spec.members:
        group.require_user(user, GROUP)
    with journal.hold_lock():
        before = journal.load_journal(spec.name)
        planned = _plan_setup(spec, before)
        if dry_run:
            _report_steps(planned, on_step)
            return planned
        if planned.steps:
            _apply_plan(spec, before, planned, on_step)
        _prove_connectivity(spec, before, planned)
        note = _prove_names(spec)
    return replace(planned, notes=(*planned.notes, note)) if note else planned


def tear_down_namespace(
    spec: NamespaceSpec,
    *,
    keep_launcher: bool = False,
    dry_run: bool = False,
    on_step: Callable[[Step], None] = lambda _: None,
) -> SetupPlan:
    """Remove all that set-up made, also after a crash during it; return the plan, which a dry run does not carry out.

    Raises:
        ForeignStateError: the namespace of that name is not ours.
        StepError: some steps failed; the message names them. The others were carried out.
    """
    _require_root("teardown-netns")
    with journal.hold_lock():
        before = journal.load_journal(spec.name)
        others = journal.load_other_journals(spec.name)
        planned = planner.plan_teardown(spec, observe_machine(spec), before, others, keep_launcher=keep_launcher)
        if dry_run:
            _report_steps(planned, on_step)
            return planned
        if planned.steps:
            from netns import apply  # noqa: PLC0415  pyroute2 is slow to import

            apply.apply_all_steps(planned.steps, on_step)
        _keep_journal(spec.name, planned.final_journal)
    return planned


def _require_root(command: str) -> None:
    if os.geteuid() != 0:
        raise NotPermittedError(f"{command} needs root: sudo speedmon {command}")
    if missing := find_missing_capabilities(Path("/proc/thread-self/status").read_text(encoding="ascii")):
        options = " ".join(f"--cap-add={name.removeprefix('CAP_')}" for name in missing)
        raise NotPermittedError(
            f"{command}: root has no {' and no '.join(missing)} here, as in a container: start that with {options},"
            " or test with --path host"
        )


def find_missing_capabilities(status: str) -> list[str]:
    """Return which capabilities that set-up needs are not in a /proc/PID/status text (proc(5))."""
    effective = next((line for line in status.splitlines() if line.startswith("CapEff:")), "CapEff: 0")
    held = int(effective.partition(":")[2], 16)
    return [name for name, number in _NEEDED_CAPABILITIES.items() if not held >> number & 1]


def _plan_setup(spec: NamespaceSpec, before: Journal) -> SetupPlan:
    return planner.plan_setup(spec, observe_machine(spec), before, journal.load_other_journals(spec.name))


def _report_steps(planned: SetupPlan, on_step: Callable[[Step], None]) -> None:
    for step in planned.steps:
        on_step(step)


def _apply_plan(spec: NamespaceSpec, before: Journal, planned: SetupPlan, on_step: Callable[[Step], None]) -> None:
    from netns import apply  # noqa: PLC0415  pyroute2 is slow to import

    journal.save_journal(spec.name, planned.journal)
    try:
        apply.apply_steps(planned.steps, on_step)
    except NetnsError as error:
        if not error.left_behind:
            _keep_journal(spec.name, before)
        raise
    _verify_setup(spec, planned)


def _keep_journal(name: str, updated: Journal) -> None:
    if updated == Journal():
        journal.remove_journal(name)
    else:
        journal.save_journal(name, updated)


def _verify_setup(spec: NamespaceSpec, planned: SetupPlan) -> None:
    """Observe again: store the digest of our rules as listed, and make sure that nothing is left to do."""
    observed = observe_machine(spec)
    updated = replace(planned.final_journal, table=observed.table)
    journal.save_journal(spec.name, updated)
    remaining = planner.plan_setup(spec, observed, updated, journal.load_other_journals(spec.name)).steps
    if remaining:
        raise StepError(f"set-up did not hold, something changes it back: {'; '.join(map(str, remaining))}")


def _check_uplink(spec: NamespaceSpec) -> str | None:
    problems = uplink.find_uplink_problems(spec.name, spec.host_link)
    fix = "see `ip rule`, or keep it on one interface with --uplink"
    return f"{'; '.join(problems)}; {fix}" if problems else None


def _prove_connectivity(spec: NamespaceSpec, before: Journal, planned: SetupPlan) -> None:
    """Make sure that a packet from inside passes every firewall and policy rule on this host."""
    problem = diagnose.explain_drop(spec) or _check_uplink(spec)
    if problem is None:
        return
    if any(isinstance(step, steps.CreateNamespace) for step in planned.steps):
        from netns import apply  # noqa: PLC0415  pyroute2 is slow to import

        failures = apply.undo_steps(planned.steps)
        if not failures:
            _keep_journal(spec.name, before)
        problem += (
            f"; could not be undone: {'; '.join(failures)}" if failures else "; what was done before it was undone"
        )
    raise BlockedError(problem)


def _prove_names(spec: NamespaceSpec) -> str | None:
    """Ask the name servers of the namespace from inside it; return a note for the user, None if nothing is wrong.

    Where nobody answers the host either, the line may be down: then only a server that was guessed is worth a note. The
    host's servers may be out of reach of an uplink that was named, which is worth one too.

    Raises:
        NameServerError: the host gets answers, the namespace does not, and both use the same uplink.
    """
    chosen = resolver.parse_servers(_read_text(f"{spec.etc}/resolv.conf"))
    with enter_namespace(spec.name):
        inside = [Trial(server) for server in chosen]
    host = [Trial(server) for server in resolver.parse_servers(_read_text(HOST_RESOLV_CONF))]
    run_trials(inside, host)
    if any(trial.replied for trial in inside):
        return None
    answered = [trial.server for trial in host if trial.replied]
    if answered and spec.uplink:
        return explain_silence(chosen, answered)
    if answered:
        raise NameServerError(explain_silence(chosen, answered))
    return None if spec.dns or _known_name_servers() else _describe_guessed_server(chosen)


def explain_silence(chosen: list[str], answered: list[str]) -> str:
    """Return why names cannot be looked up inside, and the fix. Pure."""
    if not chosen:
        known = f"this host uses {', '.join(answered)}"
        return f"no name server is known that the namespace could reach, {known}; {_NAMES_FIX}"
    return (
        f"the namespace is set up, but no name server answers in it: {', '.join(chosen)};"
        f" this host gets answers from {', '.join(answered)}; {_NAMES_FIX}"
    )


def _describe_guessed_server(chosen: list[str]) -> str:
    tried = f"the router {', '.join(chosen)} was tried and does not answer" if chosen else "there is no router to try"
    return f"this host names no IPv4 name server, and {tried}: {_NAMES_FIX}"


def _known_name_servers() -> tuple[str, ...]:
    return resolver.reachable_servers(_read_text(source) for source in resolver.SOURCES)


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
