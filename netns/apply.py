"""Carry out steps, and undo them in reverse when one fails.

Its `netns.kernel` imports pyroute2: nothing that runs before each measurement may import this module.
"""

from __future__ import annotations

import errno
import functools
import os
import subprocess
from pathlib import Path
from socket import AF_INET
from typing import TYPE_CHECKING, Any

from netns import (
    firewall,
    firewalld,
    foreign,
    foreign_steps,
    iptables,
    iptables_steps,
    launcher,
    namespaces,
    routing_steps,
    steps,
)
from netns.errors import NetnsError, StepError
from netns.join import joined
from netns.kernel import Kernel, NetlinkError
from netns.routing import EVERYWHERE, PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netns.routing import Route, Rule
    from netns.steps import Step

ROOT = 0x10000  # the handle 1:0, tc's usual name for the first qdisc
SCOPE_LINK, ONLINK = 253, 0x04  # RT_SCOPE_LINK, RTNH_F_ONLINK of linux/rtnetlink.h
PROC_SYS = Path("/proc/sys")


def run(ordered: Iterable[Step], on_step: Callable[[Step], None] = lambda _step: None) -> None:
    """Carry out steps in order; `on_step` hears each before it is done.

    Raises:
        StepError: a step failed; what was done before it has been undone, and the message names the step.
    """
    done: list[Step] = []
    with Kernel() as kernel:
        for step in ordered:
            on_step(step)
            try:
                _do(step, kernel)
            except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
                left = _roll_back(done, kernel)
                raise _step_error(step, error, left) from error
            done.append(step)


def take_back(done: Iterable[Step]) -> list[str]:
    """Undo steps that were done, last first; return what could not be undone."""
    with Kernel() as kernel:
        return _roll_back(list(done), kernel)


def run_all(ordered: Iterable[Step], on_step: Callable[[Step], None] = lambda _step: None) -> None:
    """Carry out every step whatever becomes of the others, as a removal must.

    Raises:
        StepError: naming every step that failed.
    """
    failed: list[str] = []
    with Kernel() as kernel:
        for step in ordered:
            on_step(step)
            try:
                _do(step, kernel)
            except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
                failed.append(f"`{step}` failed: {_words(error)}")
    if failed:
        raise StepError("; ".join(failed))


def _roll_back(done: list[Step], kernel: Kernel) -> list[str]:
    left = []
    for step in reversed(done):
        if step.undo is None:
            continue
        try:
            _do(step.undo, kernel)
        except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
            left.append(f"`{step.undo}` failed: {_words(error)}")
    return left


def _step_error(step: Step, error: Exception, left: list[str]) -> NetnsError:
    aftermath = f"; could not be undone: {'; '.join(left)}" if left else "; what was done before it was undone"
    kind = type(error) if isinstance(error, NetnsError) else StepError
    told = kind(f"`{step}` failed: {_words(error)}{aftermath}")
    told.left_behind = bool(left)
    return told


def _words(error: Exception) -> str:
    if isinstance(error, NetlinkError):
        return os.strerror(error.code)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


@functools.singledispatch
def _do(step: Step, _kernel: Kernel) -> None:
    raise TypeError(f"no way to carry out {type(step).__name__}")


@_do.register
def _(step: steps.CreateNamespace, _kernel: Kernel) -> None:
    namespaces.create(step.name)


@_do.register
def _(step: steps.DeleteNamespace, kernel: Kernel) -> None:
    kernel.forget(step.name)
    namespaces.remove(step.name)


@_do.register
def _(step: steps.CreateVeth, kernel: Kernel) -> None:
    kernel.add_veth(step.netns, step.link, step.peer, step.peer_netns, step.mtu)
    if step.alias:
        kernel.set_link(step.netns, step.link, ("IFLA_IFALIAS", step.alias))


@_do.register
def _(step: steps.DeleteLink, kernel: Kernel) -> None:
    kernel.delete_link(step.netns, step.link)


@_do.register
def _(step: steps.SetMtu, kernel: Kernel) -> None:
    kernel.set_link(step.netns, step.link, ("IFLA_MTU", step.mtu))


@_do.register
def _(step: steps.SetLinkUp, kernel: Kernel) -> None:
    kernel.set_up(step.netns, step.link)


@_do.register
def _(step: steps.AddAddress, kernel: Kernel) -> None:
    address, _, length = step.address.partition("/")
    kernel.put_address(step.netns, step.link, address, int(length))


@_do.register
def _(step: steps.AddRoute, kernel: Kernel) -> None:
    kernel.put_route(step.netns, step.destination, step.gateway, step.link)


@_do.register
def _(step: routing_steps.AddTableRoute, kernel: Kernel) -> None:
    kernel.socket(None).route("add", **_table_route(step.route, kernel))


@_do.register
def _(step: routing_steps.DeleteTableRoute, kernel: Kernel) -> None:
    try:
        kernel.socket(None).route("del", **_table_route(step.route, kernel))
    except NetlinkError as error:
        if error.code != errno.ESRCH:
            raise


def _table_route(route: Route, kernel: Kernel) -> dict[str, Any]:
    told = {"family": AF_INET, "dst": "default" if route.network == EVERYWHERE else route.network}
    told |= {"table": route.table, "proto": PROTOCOL}
    if route.link is None:
        return {**told, "type": "unreachable", "priority": routing_steps.LAST_METRIC}
    told |= {"oif": kernel.index(route.link, None)}
    if route.router is None:
        return {**told, "scope": SCOPE_LINK}
    return {**told, "gateway": route.router, "flags": ONLINK}


@_do.register
def _(step: routing_steps.AddRule, kernel: Kernel) -> None:
    kernel.socket(None).rule("add", **_rule(step.rule))


@_do.register
def _(step: routing_steps.DeleteRule, kernel: Kernel) -> None:
    kernel.socket(None).rule("del", **_rule(step.rule))


def _rule(rule: Rule) -> dict[str, Any]:
    told = {"priority": rule.priority, "table": rule.table, "protocol": rule.protocol, "iifname": rule.link}
    if rule.source:
        address, _, length = rule.source.partition("/")
        told |= {"src": address, "src_len": int(length)}
    return told


@_do.register
def _(step: steps.Shape, kernel: Kernel) -> None:
    kernel.socket(step.netns).tc(
        "replace",
        "tbf",
        kernel.index(step.link, step.netns),
        ROOT,
        rate=f"{step.rate_bps}bit",
        burst=step.burst_bytes,
        latency=f"{step.queue_ms}ms",
    )


@_do.register
def _(step: steps.SetSysctl, _kernel: Kernel) -> None:
    # /proc/sys/net shows the namespace of the thread that opens it.
    with joined(step.netns):
        (PROC_SYS / step.key).write_text(step.value)


@_do.register
def _(step: steps.CopyTuning, _kernel: Kernel) -> None:
    values = {key: (PROC_SYS / key).read_text() for key in step.keys}
    with joined(step.netns):
        for key, value in values.items():
            (PROC_SYS / key).write_text(value)


@_do.register
def _(step: steps.LoadTable, _kernel: Kernel) -> None:
    firewall.load(step.commands)


@_do.register
def _(step: steps.DeleteTable, _kernel: Kernel) -> None:
    firewall.delete(step.name)


@_do.register
def _(step: iptables_steps.LoadChains, _kernel: Kernel) -> None:
    iptables.load(step.program, step.tag, step.tables)


@_do.register
def _(step: iptables_steps.DeleteChains, _kernel: Kernel) -> None:
    iptables.delete(step.program, step.tag)


@_do.register
def _(step: foreign_steps.OpenChain, _kernel: Kernel) -> None:
    if step.program == foreign.NFT:
        firewall.open_chain(step.chain, step.opening)
    else:
        iptables.open_chain(step.program, step.chain, step.opening)


@_do.register
def _(step: foreign_steps.CloseChain, _kernel: Kernel) -> None:
    if step.program == foreign.NFT:
        firewall.close_chain(step.chain, step.tag)
    else:
        iptables.close_chain(step.program, step.chain, step.tag)


@_do.register
def _(step: foreign_steps.TrustSource, _kernel: Kernel) -> None:
    firewalld.trust(step.subnet)


@_do.register
def _(step: foreign_steps.DistrustSource, _kernel: Kernel) -> None:
    firewalld.distrust(step.subnet)


@_do.register
def _(step: steps.WriteFile, _kernel: Kernel) -> None:
    target = Path(step.path)
    fresh = Path(steps.beside(step.path))
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, step.mode), "w") as file:
        file.write(step.content)
        os.fchmod(file.fileno(), step.mode)
    fresh.replace(target)


@_do.register
def _(step: steps.RemoveFile, _kernel: Kernel) -> None:
    Path(step.path).unlink(missing_ok=True)


@_do.register
def _(step: steps.MakeDirectory, _kernel: Kernel) -> None:
    path = Path(step.path)
    path.mkdir(exist_ok=True)
    path.chmod(0o755)


@_do.register
def _(step: steps.RemoveDirectory, _kernel: Kernel) -> None:
    path = Path(step.path)
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


@_do.register
def _(step: steps.UnmountHandles, _kernel: Kernel) -> None:
    if not any(Path(step.path).iterdir()):
        namespaces.unmount_handles()


@_do.register
def _(step: steps.CreateGroup, _kernel: Kernel) -> None:
    launcher.ensure_group(step.group)


@_do.register
def _(step: steps.DeleteGroup, _kernel: Kernel) -> None:
    launcher.remove_group(step.group)


@_do.register
def _(step: steps.AddMember, _kernel: Kernel) -> None:
    launcher.add_member(step.user, step.group)


@_do.register
def _(step: steps.RemoveMember, _kernel: Kernel) -> None:
    launcher.remove_member(step.user, step.group)


@_do.register
def _(step: steps.PlaceLauncher, _kernel: Kernel) -> None:
    launcher.place(step.name, step.group, Path(step.path))


@_do.register
def _(step: steps.RemoveLauncher, _kernel: Kernel) -> None:
    launcher.remove(Path(step.path))
