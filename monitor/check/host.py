"""Checks of the host's side of the namespace: it exists, can be entered, is linked and firewalled. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.check.line import Line, judged
from netns import outside
from netns.enter import MEND
from netns.handle import handle_path

if TYPE_CHECKING:
    from monitor.check.seen import Namespace
    from netns.launcher import LauncherState

ROOT_LOOKS = "sudo speedmon check"


def namespace(observed: Namespace) -> Line:
    """Check that the namespace exists, and that a probe can run in it."""
    problems = [problem for problem in (observed.dead, observed.no_probe) if problem]
    return judged("namespace", problems, f"{handle_path(observed.spec.name)} is a network namespace", MEND)


def launcher(observed: Namespace) -> Line:
    """Check that the caller can enter, and that the launcher is ours, with the right owner, mode and capability."""
    path, state = observed.spec.launcher_path, observed.launcher
    if observed.no_entry and not observed.dead:
        message, fix = _parted(observed.no_entry)
        return Line("launcher", ok=False, message=message, fix=fix)
    if not state.present:
        return Line("launcher", ok=True, message=f"no {path}; {_WITHOUT}", matters=False)
    if not state.ours:
        fix = f"move it away, then {MEND}"
        return Line("launcher", ok=False, message=f"{path} is not speedmon's", fix=fix, matters=False)
    problems = [f"{path} {flaw}" for flaw in _flaws(state)]
    ok_message = f"{path} belongs to root and the group speedmon, and has cap_sys_admin"
    return judged("launcher", problems, ok_message, MEND, matters=not _only_old(state))


_WITHOUT = "only root can enter without it"


def _parted(text: str) -> tuple[str, str]:
    """Split the message of an error of `netns.enter` from its fix."""
    message, separator, fix = text.partition("; run: ")
    return (message, f"run: {fix}") if separator else (text, MEND)


def _flaws(state: LauncherState) -> list[str]:
    flaws = {
        "does not belong to root and the group speedmon": state.owner_ok,
        "does not have mode 0750": state.mode_ok,
        "has lost its capability, as any copy does": state.capability_ok,
        "was built by another release": state.current,
    }
    return [flaw for flaw, passes in flaws.items() if not passes]


def _only_old(state: LauncherState) -> bool:
    return state.owner_ok and state.mode_ok and state.capability_ok and not state.current


def host_link(observed: Namespace) -> Line | None:
    """Check the host's end of the link, its forwarding and its uplink."""
    if observed.dead or observed.entered:
        return None
    ok_message = f"{observed.spec.host_link} is up, forwards and has the MTU of {observed.outside.uplink}"
    return judged("host-link", outside.link_problems(observed.spec, observed.outside), ok_message, MEND)


def resolver(observed: Namespace) -> Line | None:
    """Check the files that replace those of /etc inside."""
    if observed.dead or observed.entered:
        return None
    problems = outside.resolver_problems(observed.spec, observed.outside)
    return judged("resolver", problems, f"{observed.spec.etc} holds the files for it", MEND)


def firewall(observed: Namespace) -> Line | None:
    """Check that our rules are loaded unchanged."""
    if observed.dead or observed.entered:
        return None
    if observed.after is None:
        return Line("firewall", ok=None, message="only root may read the rules", fix=ROOT_LOOKS)
    problems = [observed.after.problem] if observed.after.problem else []
    return judged("firewall", problems, f"{observed.after.title} is as set up", MEND)


def beside(observed: Namespace) -> Line | None:
    """Check that other firewalls let the namespace through: send a packet from inside, and look for our openings."""
    if observed.dead or observed.entered or (observed.after and observed.beside is None):
        return None
    if observed.beside is None:
        message = "only root may read the rules of other firewalls"
        return Line("beside", ok=None, message=message, fix=ROOT_LOOKS, matters=False)
    met = ", ".join(observed.beside.chains)
    if observed.beside.blocked:
        message, fix = _parted(observed.beside.blocked)
        return Line("beside", ok=False, message=message, fix=MEND if observed.beside.missing else fix)
    ok_message = f"a packet from inside left this host{f', past {met}' if met else ''}"
    missing = (
        [f"{ok_message}, but set-up would add: {'; '.join(observed.beside.missing)}"] if observed.beside.missing else []
    )
    return judged("beside", missing, ok_message, MEND, matters=False)


def ipv6_seen(observed: Namespace) -> Line | None:
    """Report how many IPv6 packets the firewall had to drop: 0 when nothing inside has used IPv6."""
    if observed.dead or observed.entered or (observed.after and "ipv6_seen" not in observed.after.counters):
        return None
    if observed.after is None:
        return Line("ipv6-seen", ok=None, message="only root may read the counter", fix=ROOT_LOOKS, matters=False)
    packets = observed.after.counters["ipv6_seen"]
    message = f"IPv6 packets that the firewall had to drop: {packets}"
    fix = f"a program inside used IPv6, and none of it got out; {MEND}"
    return Line("ipv6-seen", ok=packets == 0, message=message, fix=fix if packets else None, matters=False)
