"""Judge the host's side of the namespace: there, reachable for the caller, linked, and walled in. Pure."""

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


def namespace(seen: Namespace) -> Line:
    """Judge that the namespace is there, and that a program can look around in it."""
    problems = [problem for problem in (seen.dead, seen.no_probe) if problem]
    return judged("namespace", problems, f"{handle_path(seen.spec.name)} is a network namespace", MEND)


def launcher(seen: Namespace) -> Line:
    """Judge that the caller gets in, and that the launcher is ours, root's, for its group, and able."""
    path, state = seen.spec.launcher_path, seen.launcher
    if seen.no_entry and not seen.dead:
        message, mend = _parted(seen.no_entry)
        return Line("launcher", ok=False, message=message, mend=mend)
    if not state.present:
        return Line("launcher", ok=True, message=f"no {path}; {_WITHOUT}", matters=False)
    if not state.ours:
        mend = f"move it away, then {MEND}"
        return Line("launcher", ok=False, message=f"{path} is not speedmon's", mend=mend, matters=False)
    problems = [f"{path} {flaw}" for flaw in _flaws(state)]
    fine = f"{path} is root's, for the group speedmon only, with cap_sys_admin"
    return judged("launcher", problems, fine, MEND, matters=not _only_old(state))


_WITHOUT = "root enters without it, nobody else does"


def _parted(words: str) -> tuple[str, str]:
    """Return what an error of `netns.enter` says and its mend."""
    message, found, mend = words.partition("; run: ")
    return (message, f"run: {mend}") if found else (words, MEND)


def _flaws(state: LauncherState) -> list[str]:
    flaws = {
        "does not belong to root and the group speedmon": state.owner_ok,
        "has not the mode 0750": state.mode_ok,
        "has lost its capability, as any copy does": state.capability_ok,
        "was built by another release": state.current,
    }
    return [flaw for flaw, fine in flaws.items() if not fine]


def _only_old(state: LauncherState) -> bool:
    return state.owner_ok and state.mode_ok and state.capability_ok and not state.current


def host_link(seen: Namespace) -> Line | None:
    """Judge the host's end of the link, its forwarding and its uplink."""
    if seen.dead or seen.entered:
        return None
    fine = f"{seen.spec.host_link} is up, forwards and has the MTU of {seen.outside.uplink}"
    return judged("host-link", outside.link_problems(seen.spec, seen.outside), fine, MEND)


def resolver(seen: Namespace) -> Line | None:
    """Judge the files that stand in for those of /etc inside."""
    if seen.dead or seen.entered:
        return None
    problems = outside.resolver_problems(seen.spec, seen.outside)
    return judged("resolver", problems, f"{seen.spec.etc} holds the files for it", MEND)


def firewall(seen: Namespace) -> Line | None:
    """Judge that our rules are loaded as we left them."""
    if seen.dead or seen.entered:
        return None
    if seen.after is None:
        return Line("firewall", ok=None, message="only root may look at the rules", mend=ROOT_LOOKS)
    problems = [seen.after.problem] if seen.after.problem else []
    return judged("firewall", problems, f"{seen.after.title} is as set up", MEND)


def beside(seen: Namespace) -> Line | None:
    """Judge that other firewalls let the namespace through: a packet from inside tells, and our openings are there."""
    if seen.dead or seen.entered or (seen.after and seen.beside is None):
        return None
    if seen.beside is None:
        message = "only root may look at the rules of other firewalls"
        return Line("beside", ok=None, message=message, mend=ROOT_LOOKS, matters=False)
    met = ", ".join(seen.beside.chains)
    if seen.beside.blocked:
        message, mend = _parted(seen.beside.blocked)
        return Line("beside", ok=False, message=message, mend=MEND if seen.beside.missing else mend)
    fine = f"a packet from inside left this host{f', past {met}' if met else ''}"
    missing = [f"{fine}, but set-up would do there: {'; '.join(seen.beside.missing)}"] if seen.beside.missing else []
    return judged("beside", missing, fine, MEND, matters=False)


def ipv6_seen(seen: Namespace) -> Line | None:
    """Show how many IPv6 packets the firewall had to drop: 0 when nothing inside ever spoke IPv6."""
    if seen.dead or seen.entered or (seen.after and "ipv6_seen" not in seen.after.counters):
        return None
    if seen.after is None:
        return Line("ipv6-seen", ok=None, message="only root may read the counter", mend=ROOT_LOOKS, matters=False)
    packets = seen.after.counters["ipv6_seen"]
    said = f"packets of IPv6 that the firewall had to drop: {packets}"
    mend = f"something inside spoke IPv6, and nothing of it got out; {MEND}"
    return Line("ipv6-seen", ok=packets == 0, message=said, mend=mend if packets else None, matters=False)
