"""Judges what `speedmon check` observed, one function for each line of its output. Pure.

First what was found inside the namespace (None where nothing could be), then the host's side of the namespace, then the
machine. A new check is a function here and a row in one of the tables of `run`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from monitor.check.model import CheckResult, to_result
from netns import inspect
from netns.entry.enter import FIX
from netns.kernel.handle import handle_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.check.model import ObservedMachine, ObservedNamespace
    from netns.launcher.install import LauncherState
    from netns.probe.findings import Findings, ProbeAnswer


_FIX_DNS = f"set namespace.dns to servers that answer, or check.name to a name that exists; {FIX}"

_FIX_LINE = "check the line, or set check.hosts to others; a test now is recorded as a failure of the line"

_FIX_FIREWALL = f"{FIX}; where that changes nothing, let the namespace through in this host's other firewall"

ROOT_COMMAND = "sudo speedmon check"

_WITHOUT_LAUNCHER = "only root can enter without it"

# A correct clock is later than this: the program was written after it.
EARLIEST_TIME = datetime(2026, 1, 1, tzinfo=UTC)

# How far ahead of the clock the newest run may have started.
CLOCK_TOLERANCE = timedelta(minutes=2)

MIN_FREE_BYTES = 50 * 1024 * 1024

_SET_CLOCK = "set the clock and keep it synchronised: sudo timedatectl set-ntp true"


def check_inner_link(observed: ObservedNamespace) -> CheckResult | None:
    """Check loopback and the inner link: present, up, and with the MTU of the host's end."""
    if observed.findings is None:
        return None
    by_name = {link.name: link for link in observed.findings.links}
    expected = ("lo", observed.spec.inner_link)
    problems = [f"{name} is missing" for name in expected if name not in by_name]
    problems += [f"{name} is down" for name in expected if name in by_name and not by_name[name].up]
    inner, mtu = by_name.get(observed.spec.inner_link), observed.outside.mtus.get(observed.spec.host_link)
    if inner and mtu and inner.mtu != mtu:
        problems.append(f"MTU {inner.mtu} of {inner.name} is not the {mtu} of its other end")
    return to_result("inner-link", problems, f"{observed.spec.inner_link} and lo are up", FIX)


def check_addresses(observed: ObservedNamespace) -> CheckResult | None:
    """Check that there is one IPv4 address, the configured one."""
    if observed.findings is None:
        return None
    expected, addresses_inside = str(observed.spec.subnet[2]), observed.findings.addresses
    actual = f"inside has {', '.join(addresses_inside) or 'no IPv4 address'}"
    problems = (
        []
        if addresses_inside == (expected,)
        else [f"{actual}, where the configuration (namespace.subnet) wants {expected}"]
    )
    return to_result("addresses", problems, actual, FIX)


def check_route(observed: ObservedNamespace) -> CheckResult | None:
    """Check that there is one default route, over the inner link to the host."""
    if observed.findings is None:
        return None
    defaults = [(entry.gateway, entry.link) for entry in observed.findings.routes if entry.is_default]
    message = ", ".join(f"{gateway or 'nobody'} dev {link}" for gateway, link in defaults)
    expected = (str(observed.spec.subnet[1]), observed.spec.inner_link)
    problems = [] if defaults == [expected] else [f"default via {message}" if defaults else "no default route"]
    return to_result("route", problems, f"default via {message}", FIX)


def check_ipv6(observed: ObservedNamespace) -> CheckResult | None:
    """Check that there is no IPv6: off on each link, no address, no route, and a connection refused at once."""
    if observed.findings is None:
        return None
    findings = observed.findings
    open_links = [link for link in findings.ipv6_open if link != "lo"]  # it has ::1, so that connecting fails at once
    problems = [f"IPv6 is switched on for {', '.join(open_links)}"] if open_links else []
    problems += [f"address {address}" for address in findings.ipv6_addresses if address != "::1%lo"]
    problems += [f"route {entry}" for entry in findings.ipv6_routes]
    problems += ["a connection over IPv6 was attempted"] if findings.ipv6.ok else []
    refusal = f"{findings.ipv6.error} after {findings.ipv6.ms:.1f} ms"
    return to_result("ipv6", problems, f"no address, no route, connect fails at once ({refusal})", FIX)


def check_gateway(observed: ObservedNamespace) -> CheckResult | None:
    """Check that the host's end answers a ping; a firewall may prevent that, which does not affect tests."""
    if observed.findings is None or observed.findings.gateway is None:
        return None
    ping = observed.findings.gateway
    if ping.ok:
        return CheckResult("gateway", ok=True, message=f"{_describe_answer(ping)} answers a ping", matters=False)
    fix = f"{FIX}; where that changes nothing, a firewall of this host drops pings, which does not affect tests"
    return CheckResult(
        "gateway",
        ok=False,
        message=f"no ping: {_describe_answer(ping)}",
        fix=fix,
        matters=not _is_forwarding(observed.findings),
    )


def check_dns(observed: ObservedNamespace) -> CheckResult | None:
    """Check the DNS servers: each was asked, and one that answers is enough for a test."""
    if observed.findings is None:
        return None
    answers = observed.findings.servers
    if not answers:
        return CheckResult("dns", ok=False, message="no name server in /etc/resolv.conf inside", fix=_FIX_DNS)
    if all(server.ok for server in answers):
        return CheckResult("dns", ok=True, message=describe_answers(answers))
    blocked = observed.findings.hosts and not _is_forwarding(observed.findings)
    fix = "see forwarding first" if blocked else _FIX_DNS
    return CheckResult(
        "dns",
        ok=False,
        message=describe_answers(answers),
        fix=fix,
        matters=not any(server.ok for server in answers),
    )


def check_forwarding(observed: ObservedNamespace) -> CheckResult | None:
    """Check that packets pass in both directions: a connection to one of the hosts proves it."""
    if observed.findings is None or not observed.findings.hosts:
        return None
    answers = observed.findings.hosts
    if _is_forwarding(observed.findings):
        return CheckResult("forwarding", ok=True, message=f"both ways: {describe_answers(answers)}")
    cause, fix = _explain_no_forwarding(observed)
    return CheckResult("forwarding", ok=False, message=f"{cause}: {describe_answers(answers)}", fix=fix)


def _is_forwarding(findings: Findings) -> bool:
    return any(host.ok for host in findings.hosts)


def _explain_no_forwarding(observed: ObservedNamespace) -> tuple[str, str]:
    """Return where packets are lost, and the fix, judged by what the host reaches and by our counters."""
    if observed.direct and not any(host.ok for host in observed.direct):
        return "the host does not reach them either, so the line is down, or they are", _FIX_LINE
    went_in, left = _count_packets(observed, "fwd_out"), _count_packets(observed, "left_host")
    if went_in and not left:
        return "another firewall on this host drops what the namespace sends", _FIX_FIREWALL
    if went_in and left:
        return "packets leave this host, but no reply comes back through it", _FIX_FIREWALL
    return "nothing comes through from inside", _FIX_FIREWALL


def _count_packets(observed: ObservedNamespace, counter: str) -> int:
    if observed.before is None or observed.after is None:
        return 0
    return observed.after.counters.get(counter, 0) - observed.before.counters.get(counter, 0)


def describe_answers(answers: Iterable[ProbeAnswer]) -> str:
    """Return the answers as text, each with its time or error."""
    return ", ".join(map(_describe_answer, answers))


def _describe_answer(answer: ProbeAnswer) -> str:
    return f"{answer.target} in {answer.ms:.1f} ms" if answer.ok else f"{answer.target} {answer.error}"


# Set-up without an uplink would only say so again.
_NO_UPLINK_FIX = "connect this machine (cable, Wi-Fi, DHCP), or set namespace.uplink to its interface"


def check_namespace(observed: ObservedNamespace) -> CheckResult:
    """Check that the namespace exists, and that a program can run in it."""
    problems = [problem for problem in (observed.dead, observed.no_findings) if problem]
    fix = FIX
    if observed.dead and _has_no_uplink(observed):
        problems.append("the host has no IPv4 default route")
        fix = f"{_NO_UPLINK_FIX}, then {FIX}"
    return to_result("namespace", problems, f"{handle_path(observed.spec.name)} is a network namespace", fix)


def _has_no_uplink(observed: ObservedNamespace) -> bool:
    """Return whether set-up would find no way to the internet."""
    return not observed.entered and observed.outside.uplink is None


def check_launcher(observed: ObservedNamespace) -> CheckResult:
    """Check that the caller can enter, and that the launcher is ours, with the right owner, mode and capability."""
    path, state = observed.spec.launcher_path, observed.launcher
    if observed.no_entry and not observed.dead:
        message, fix = _split_fix(observed.no_entry)
        return CheckResult("launcher", ok=False, message=message, fix=fix)
    if not state.present:
        return CheckResult("launcher", ok=True, message=f"no {path}; {_WITHOUT_LAUNCHER}", matters=False)
    if not state.ours:
        fix = f"move it away, then {FIX}"
        return CheckResult("launcher", ok=False, message=f"{path} is not speedmon's", fix=fix, matters=False)
    problems = [f"{path} {flaw}" for flaw in _launcher_flaws(state)]
    ok_message = f"{path} belongs to root and the group speedmon, and has cap_sys_admin"
    return to_result("launcher", problems, ok_message, FIX, matters=not _is_only_outdated(state))


def _split_fix(text: str) -> tuple[str, str]:
    """Split the message of an error of `netns.entry.enter` from its fix."""
    message, separator, fix = text.partition("; run: ")
    return (message, f"run: {fix}") if separator else (text, FIX)


def _launcher_flaws(state: LauncherState) -> list[str]:
    flaws = {
        "does not belong to root and the group speedmon": state.owner_ok,
        "does not have mode 0750": state.mode_ok,
        "has lost its capability, as copies do": state.capability_ok,
        "was built by another release": state.current,
    }
    return [flaw for flaw, passes in flaws.items() if not passes]


def _is_only_outdated(state: LauncherState) -> bool:
    return state.owner_ok and state.mode_ok and state.capability_ok and not state.current


def check_host_link(observed: ObservedNamespace) -> CheckResult | None:
    """Check the host's end of the link, its forwarding and its uplink."""
    if observed.dead or observed.entered:
        return None
    ok_message = f"{observed.spec.host_link} is up, forwards and has the MTU of {observed.outside.uplink}"
    fix = f"{_NO_UPLINK_FIX}, then {FIX}" if _has_no_uplink(observed) else FIX
    return to_result("host-link", inspect.find_link_problems(observed.spec, observed.outside), ok_message, fix)


def check_resolver(observed: ObservedNamespace) -> CheckResult | None:
    """Check the files that replace those of /etc inside."""
    if observed.dead or observed.entered:
        return None
    problems = inspect.find_resolver_problems(observed.spec, observed.outside)
    return to_result("resolver", problems, f"{observed.spec.etc} holds the files for it", FIX)


def check_firewall(observed: ObservedNamespace) -> CheckResult | None:
    """Check that our rules are loaded unchanged."""
    if observed.dead or observed.entered:
        return None
    if observed.after is None:
        return CheckResult("firewall", ok=None, message="only root may read the rules", fix=ROOT_COMMAND)
    problems = [observed.after.problem] if observed.after.problem else []
    return to_result("firewall", problems, f"{observed.after.title} is as set up", FIX)


def check_other_firewalls(observed: ObservedNamespace) -> CheckResult | None:
    """Check that other firewalls let the namespace through: send a packet from inside, and look for our openings."""
    if observed.dead or observed.entered or (observed.after and observed.beside is None):
        return None
    if observed.beside is None:
        message = "only root may read the rules of other firewalls"
        return CheckResult("beside", ok=None, message=message, fix=ROOT_COMMAND, matters=False)
    met = ", ".join(observed.beside.chains)
    if observed.beside.blocked:
        message, fix = _split_fix(observed.beside.blocked)
        return CheckResult("beside", ok=False, message=message, fix=FIX if observed.beside.missing else fix)
    ok_message = f"a packet from inside left this host{f', past {met}' if met else ''}"
    missing = (
        [f"{ok_message}, but set-up would add: {'; '.join(observed.beside.missing)}"] if observed.beside.missing else []
    )
    return to_result("beside", missing, ok_message, FIX, matters=False)


def check_ipv6_counter(observed: ObservedNamespace) -> CheckResult | None:
    """Report how many IPv6 packets the firewall had to drop: 0 when nothing inside has used IPv6."""
    if observed.dead or observed.entered or (observed.after and "ipv6_seen" not in observed.after.counters):
        return None
    if observed.after is None:
        return CheckResult(
            "ipv6-seen", ok=None, message="only root may read the counter", fix=ROOT_COMMAND, matters=False
        )
    packets = observed.after.counters["ipv6_seen"]
    message = f"IPv6 packets that the firewall had to drop: {packets}"
    fix = f"a program inside used IPv6, and none of it got out; {FIX}"
    return CheckResult("ipv6-seen", ok=packets == 0, message=message, fix=fix if packets else None, matters=False)


def check_engine(observed: ObservedMachine) -> CheckResult:
    """Check that the engine is installed and is the right program."""
    failure = observed.located.failure
    if failure is None:
        version = f" {observed.located.version}" if observed.located.version else ""
        return CheckResult(
            "engine", ok=True, message=f"{observed.engine}{version}: {' '.join(observed.located.command)}"
        )
    message, _, fix = failure.message.partition(": ")
    return CheckResult("engine", ok=False, message=f"{observed.engine}: {message}", fix=fix or "see collect.engine")


def check_licence(observed: ObservedMachine) -> CheckResult:
    """Check that the engine's licence is accepted, where that is required."""
    if observed.licence is None:
        return CheckResult("licence", ok=True, message=f"{observed.engine} may be started")
    message, _, fix = observed.licence.message.partition(": ")
    return CheckResult("licence", ok=False, message=message, fix=fix)


def check_clock(observed: ObservedMachine) -> CheckResult:
    """Check that the clock is neither before this release nor before the newest run."""
    problems = []
    if observed.now < EARLIEST_TIME:
        problems.append(f"it cannot be {observed.now:%Y-%m-%d}: this release is newer")
    last = observed.database.last_start
    if last and last > observed.now + CLOCK_TOLERANCE:
        problems.append(f"the newest run started at {last:%Y-%m-%d %H:%M:%S} UTC, which is in the future")
    return to_result("clock", problems, f"{observed.now:%Y-%m-%d %H:%M:%S} UTC", _SET_CLOCK)


def check_clock_synchronised(observed: ObservedMachine) -> CheckResult:
    """Check that the clock is synchronised; without it a test is reliable, but its time less so."""
    if observed.synchronised is None:
        return CheckResult("clock-kept", ok=None, message="the kernel does not report it", matters=False)
    problems = [] if observed.synchronised else ["nothing synchronises the clock"]
    return to_result("clock-kept", problems, "the clock is synchronised", _SET_CLOCK, matters=False)


def check_disk(observed: ObservedMachine) -> CheckResult:
    """Check that there is disk space for results."""
    if observed.free_bytes is None:
        return CheckResult("disk", ok=None, message=f"the free space in {observed.folder} is not known")
    message = f"{observed.free_bytes // 1024**2} MiB free in {observed.folder}"
    problems = [] if observed.free_bytes >= MIN_FREE_BYTES else [f"only {message}"]
    fix = f"free at least {MIN_FREE_BYTES // 1024**2} MiB, or set SPEEDMON_DATABASE_URL"
    return to_result("disk", problems, message, fix)


def check_database(observed: ObservedMachine) -> CheckResult:
    """Check that results can be stored, in the schema of this release."""
    state = observed.database
    if state.problem:
        return CheckResult("database", ok=False, message=state.problem, fix=state.fix)
    if state.file is None:
        return CheckResult("database", ok=None, message="is not a file of this machine", fix="speedmon db check")
    if state.version is None:
        return CheckResult("database", ok=True, message=f"{state.file} will be created by the first run")
    if state.current and state.version < state.current:
        message = f"{state.file} has schema {state.version}, which the next run upgrades to {state.current}"
        return CheckResult("database", ok=True, message=message)
    if state.version != state.current:
        message = f"{state.file} has schema {state.version}, newer than this release, which knows {state.current}"
        return CheckResult("database", ok=False, message=message, fix="install the release that wrote it")
    return CheckResult("database", ok=True, message=f"{state.file} can be written, schema {state.version}")
