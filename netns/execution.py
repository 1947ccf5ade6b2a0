"""How each step is carried out: one function per kind of step. `netns.apply` decides the order."""

from __future__ import annotations

import errno
import functools
import os
from pathlib import Path
from socket import AF_INET
from typing import TYPE_CHECKING, Any

from netns import (
    file_steps,
    firewall,
    firewalld,
    foreign_steps,
    group,
    iptables,
    iptables_steps,
    launcher,
    launcher_steps,
    namespaces,
    routing_steps,
    steps,
)
from netns.backend import NFT
from netns.join import joined
from netns.kernel import Kernel, NetlinkError
from netns.routing import EVERYWHERE, PROTOCOL

if TYPE_CHECKING:
    from netns.routing import Route, Rule
    from netns.steps import Step

ROOT = 0x10000  # the handle 1:0, which tc uses for the root qdisc
SCOPE_LINK, ONLINK = 253, 0x04  # RT_SCOPE_LINK, RTNH_F_ONLINK of linux/rtnetlink.h
PROC_SYS = Path("/proc/sys")


@functools.singledispatch
def execute(step: Step, _kernel: Kernel) -> None:
    """Carry out one step, on this machine.

    Raises:
        NetlinkError, OSError, subprocess.SubprocessError, NetnsError: it failed.
    """
    raise TypeError(f"no way to carry out {type(step).__name__}")


@execute.register
def _(step: steps.CreateNamespace, _kernel: Kernel) -> None:
    namespaces.create(step.name)


@execute.register
def _(step: steps.DeleteNamespace, kernel: Kernel) -> None:
    kernel.forget(step.name)
    namespaces.remove(step.name)


@execute.register
def _(step: steps.CreateVeth, kernel: Kernel) -> None:
    kernel.add_veth(step.netns, step.link, step.peer, step.peer_netns, step.mtu)
    if step.alias:
        kernel.set_link(step.netns, step.link, ("IFLA_IFALIAS", step.alias))


@execute.register
def _(step: steps.DeleteLink, kernel: Kernel) -> None:
    kernel.delete_link(step.netns, step.link)


@execute.register
def _(step: steps.SetMtu, kernel: Kernel) -> None:
    kernel.set_link(step.netns, step.link, ("IFLA_MTU", step.mtu))


@execute.register
def _(step: steps.SetLinkUp, kernel: Kernel) -> None:
    kernel.set_up(step.netns, step.link)


@execute.register
def _(step: steps.AddAddress, kernel: Kernel) -> None:
    address, _, length = step.address.partition("/")
    kernel.put_address(step.netns, step.link, address, int(length))


@execute.register
def _(step: steps.AddRoute, kernel: Kernel) -> None:
    kernel.put_route(step.netns, step.destination, step.gateway, step.link)


@execute.register
def _(step: routing_steps.AddTableRoute, kernel: Kernel) -> None:
    kernel.socket(None).route("add", **_table_route(step.route, kernel))


@execute.register
def _(step: routing_steps.DeleteTableRoute, kernel: Kernel) -> None:
    try:
        kernel.socket(None).route("del", **_table_route(step.route, kernel))
    except NetlinkError as error:
        if error.code != errno.ESRCH:
            raise


def _table_route(route: Route, kernel: Kernel) -> dict[str, Any]:
    arguments = {"family": AF_INET, "dst": "default" if route.network == EVERYWHERE else route.network}
    arguments |= {"table": route.table, "proto": PROTOCOL}
    if route.link is None:
        return {**arguments, "type": "unreachable", "priority": routing_steps.LAST_METRIC}
    arguments |= {"oif": kernel.index(route.link, None)}
    if route.router is None:
        return {**arguments, "scope": SCOPE_LINK}
    return {**arguments, "gateway": route.router, "flags": ONLINK}


@execute.register
def _(step: routing_steps.AddRule, kernel: Kernel) -> None:
    kernel.socket(None).rule("add", **_rule(step.rule))


@execute.register
def _(step: routing_steps.DeleteRule, kernel: Kernel) -> None:
    kernel.socket(None).rule("del", **_rule(step.rule))


def _rule(rule: Rule) -> dict[str, Any]:
    arguments = {"priority": rule.priority, "table": rule.table, "protocol": rule.protocol, "iifname": rule.link}
    if rule.source:
        address, _, length = rule.source.partition("/")
        arguments |= {"src": address, "src_len": int(length)}
    return arguments


@execute.register
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


@execute.register
def _(step: steps.SetSysctl, _kernel: Kernel) -> None:
    # /proc/sys/net belongs to the namespace of the thread that opens it.
    with joined(step.netns):
        (PROC_SYS / step.key).write_text(step.value)


@execute.register
def _(step: steps.CopyTuning, _kernel: Kernel) -> None:
    values = {key: (PROC_SYS / key).read_text() for key in step.keys}
    with joined(step.netns):
        for key, value in values.items():
            (PROC_SYS / key).write_text(value)


@execute.register
def _(step: steps.LoadTable, _kernel: Kernel) -> None:
    firewall.load(step.commands)


@execute.register
def _(step: steps.DeleteTable, _kernel: Kernel) -> None:
    firewall.delete(step.name)


@execute.register
def _(step: iptables_steps.LoadChains, _kernel: Kernel) -> None:
    iptables.load(step.program, step.tag, step.tables)


@execute.register
def _(step: iptables_steps.DeleteChains, _kernel: Kernel) -> None:
    iptables.delete(step.program, step.tag)


@execute.register
def _(step: foreign_steps.OpenChain, _kernel: Kernel) -> None:
    if step.program == NFT:
        firewall.open_chain(step.chain, step.opening)
    else:
        iptables.open_chain(step.program, step.chain, step.opening)


@execute.register
def _(step: foreign_steps.CloseChain, _kernel: Kernel) -> None:
    if step.program == NFT:
        firewall.close_chain(step.chain, step.tag)
    else:
        iptables.close_chain(step.program, step.chain, step.tag)


@execute.register
def _(step: foreign_steps.TrustSource, _kernel: Kernel) -> None:
    firewalld.trust(step.subnet)


@execute.register
def _(step: foreign_steps.DistrustSource, _kernel: Kernel) -> None:
    firewalld.distrust(step.subnet)


@execute.register
def _(step: file_steps.WriteFile, _kernel: Kernel) -> None:
    target = Path(step.path)
    temporary = Path(file_steps.beside(step.path))
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, step.mode), "w") as file:
        file.write(step.content)
        os.fchmod(file.fileno(), step.mode)
    temporary.replace(target)


@execute.register
def _(step: file_steps.RemoveFile, _kernel: Kernel) -> None:
    Path(step.path).unlink(missing_ok=True)


@execute.register
def _(step: file_steps.MakeDirectory, _kernel: Kernel) -> None:
    path = Path(step.path)
    path.mkdir(exist_ok=True)
    path.chmod(0o755)


@execute.register
def _(step: file_steps.RemoveDirectory, _kernel: Kernel) -> None:
    path = Path(step.path)
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


@execute.register
def _(step: file_steps.UnmountHandles, _kernel: Kernel) -> None:
    if not any(Path(step.path).iterdir()):
        namespaces.unmount_handles()


@execute.register
def _(step: launcher_steps.CreateGroup, _kernel: Kernel) -> None:
    group.ensure_group(step.group)


@execute.register
def _(step: launcher_steps.DeleteGroup, _kernel: Kernel) -> None:
    group.remove_group(step.group)


@execute.register
def _(step: launcher_steps.AddMember, _kernel: Kernel) -> None:
    group.add_member(step.user, step.group)


@execute.register
def _(step: launcher_steps.RemoveMember, _kernel: Kernel) -> None:
    group.remove_member(step.user, step.group)


@execute.register
def _(step: launcher_steps.PlaceLauncher, _kernel: Kernel) -> None:
    launcher.place(step.name, step.group, Path(step.path))


@execute.register
def _(step: launcher_steps.RemoveLauncher, _kernel: Kernel) -> None:
    launcher.remove(Path(step.path))
