"""Carries out steps in order, and undoes them in reverse order when one fails.

Each kind of step has one function below, registered with `execute_step`. `netns.kernel.changes` imports pyroute2:
nothing that runs before each test may import this module.
"""

from __future__ import annotations

import errno
import functools
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from netns import spec
from netns.errors import NetnsError, StepError
from netns.firewall import firewalld, iptables, nft
from netns.kernel import namespaces
from netns.kernel.changes import Kernel, NetlinkError
from netns.kernel.namespaces import enter_namespace
from netns.launcher import group, install
from netns.plan import firewall_steps, host_steps, steps
from netns.state import NFT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netns.plan.steps import Step

ROOT_QDISC = 0x10000  # the handle 1:0, which tc uses for the root qdisc
PROC_SYS = Path("/proc/sys")


def apply_steps(planned: Iterable[Step], on_step: Callable[[Step], None] = lambda _step: None) -> None:
    """Carry out steps in order; `on_step` is called with each step before it is carried out.

    Raises:
        StepError: a step failed. The steps before it have been undone; the message names the step.
    """
    done: list[Step] = []
    with Kernel() as kernel:
        for step in planned:
            on_step(step)
            try:
                execute_step(step, kernel)
            except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
                failures = _roll_back(done, kernel)
                raise _step_error(step, error, failures) from error
            done.append(step)


def undo_steps(done: Iterable[Step]) -> list[str]:
    """Undo steps, last first; return one message for each step that could not be undone."""
    with Kernel() as kernel:
        return _roll_back(list(done), kernel)


def apply_all_steps(planned: Iterable[Step], on_step: Callable[[Step], None] = lambda _step: None) -> None:
    """Carry out every step even if others fail, as a teardown must.

    Raises:
        StepError: naming every step that failed.
    """
    failures: list[str] = []
    with Kernel() as kernel:
        for step in planned:
            on_step(step)
            try:
                execute_step(step, kernel)
            except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
                failures.append(f"`{step}` failed: {_describe_error(error)}")
    if failures:
        raise StepError("; ".join(failures))


def _roll_back(done: list[Step], kernel: Kernel) -> list[str]:
    failures = []
    for step in reversed(done):
        if step.undo is None:
            continue
        try:
            execute_step(step.undo, kernel)
        except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
            failures.append(f"`{step.undo}` failed: {_describe_error(error)}")
    return failures


def _step_error(step: Step, error: Exception, failures: list[str]) -> NetnsError:
    aftermath = f"; could not be undone: {'; '.join(failures)}" if failures else "; what was done before it was undone"
    kind = type(error) if isinstance(error, NetnsError) else StepError
    wrapped = kind(f"`{step}` failed: {_describe_error(error)}{aftermath}")
    wrapped.left_behind = bool(failures)
    return wrapped


def _describe_error(error: Exception) -> str:
    if isinstance(error, NetlinkError):
        return os.strerror(error.code)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


@functools.singledispatch
def execute_step(step: Step, _kernel: Kernel) -> None:
    """Carry out one step, on this machine.

    Raises:
        NetlinkError, OSError, subprocess.SubprocessError, NetnsError: it failed.
    """
    raise TypeError(f"no way to carry out {type(step).__name__}")


@execute_step.register
def _(step: steps.CreateNamespace, _kernel: Kernel) -> None:
    namespaces.create_namespace(step.name)


@execute_step.register
def _(step: steps.DeleteNamespace, kernel: Kernel) -> None:
    kernel.forget(step.name)
    namespaces.remove_namespace(step.name)


@execute_step.register
def _(step: steps.CreateVeth, kernel: Kernel) -> None:
    kernel.add_veth(step.netns, step.link, step.peer, step.peer_netns, step.mtu)
    if step.alias:
        kernel.set_link(step.netns, step.link, ("IFLA_IFALIAS", step.alias))


@execute_step.register
def _(step: steps.DeleteLink, kernel: Kernel) -> None:
    kernel.delete_link(step.netns, step.link)


@execute_step.register
def _(step: steps.SetMtu, kernel: Kernel) -> None:
    kernel.set_link(step.netns, step.link, ("IFLA_MTU", step.mtu))


@execute_step.register
def _(step: steps.SetLinkUp, kernel: Kernel) -> None:
    kernel.set_up(step.netns, step.link)


@execute_step.register
def _(step: steps.AddAddress, kernel: Kernel) -> None:
    address, _, length = step.address.partition("/")
    kernel.put_address(step.netns, step.link, address, int(length))


@execute_step.register
def _(step: steps.AddRoute, kernel: Kernel) -> None:
    kernel.put_route(step.netns, step.destination, step.gateway, step.link)


@execute_step.register
def _(step: steps.AddTableRoute, kernel: Kernel) -> None:
    kernel.change_table_route(step.route, add=True)


@execute_step.register
def _(step: steps.DeleteTableRoute, kernel: Kernel) -> None:
    if step.route.link is not None and not (PROC_SYS / "net/ipv4/conf" / step.route.link).exists():
        return  # it went with its link
    try:
        kernel.change_table_route(step.route, add=False)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise


@execute_step.register
def _(step: steps.AddPolicyRule, kernel: Kernel) -> None:
    kernel.change_rule(step.rule, add=True)


@execute_step.register
def _(step: steps.DeletePolicyRule, kernel: Kernel) -> None:
    kernel.change_rule(step.rule, add=False)


@execute_step.register
def _(step: steps.ShapeLink, kernel: Kernel) -> None:
    kernel.socket(step.netns).tc(
        "replace",
        "tbf",
        kernel.index(step.link, step.netns),
        ROOT_QDISC,
        rate=f"{step.rate_bps}bit",
        burst=step.burst_bytes,
        latency=f"{step.queue_ms}ms",
    )


@execute_step.register
def _(step: steps.SetSysctl, _kernel: Kernel) -> None:
    # /proc/sys/net belongs to the namespace of the thread that opens it.
    with enter_namespace(step.netns):
        (PROC_SYS / step.key).write_text(step.value)


@execute_step.register
def _(step: steps.CopyTuning, _kernel: Kernel) -> None:
    values = {key: (PROC_SYS / key).read_text() for key in step.keys}
    with enter_namespace(step.netns):
        for key, value in values.items():
            (PROC_SYS / key).write_text(value)


@execute_step.register
def _(step: steps.LoadTable, _kernel: Kernel) -> None:
    nft.run_commands(step.commands)


@execute_step.register
def _(step: steps.DeleteTable, _kernel: Kernel) -> None:
    nft.delete_table(step.name)


@execute_step.register
def _(step: firewall_steps.LoadChains, _kernel: Kernel) -> None:
    iptables.load_tables(step.program, step.tag, step.tables)


@execute_step.register
def _(step: firewall_steps.DeleteChains, _kernel: Kernel) -> None:
    iptables.delete_chains(step.program, step.tag)


@execute_step.register
def _(step: firewall_steps.OpenChain, _kernel: Kernel) -> None:
    if step.program == NFT:
        nft.open_chain(step.chain, step.opening)
    else:
        iptables.open_chain(step.program, step.chain, step.opening)


@execute_step.register
def _(step: firewall_steps.CloseChain, _kernel: Kernel) -> None:
    if step.program == NFT:
        nft.close_chain(step.chain, step.tag)
    else:
        iptables.close_chain(step.program, step.chain, step.tag)


@execute_step.register
def _(step: firewall_steps.TrustSource, _kernel: Kernel) -> None:
    firewalld.trust_source(step.subnet)


@execute_step.register
def _(step: firewall_steps.DistrustSource, _kernel: Kernel) -> None:
    firewalld.distrust_source(step.subnet)


@execute_step.register
def _(step: host_steps.WriteFile, _kernel: Kernel) -> None:
    target = Path(step.path)
    temporary = Path(spec.temporary_path(step.path))
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, step.mode), "w") as file:
        file.write(step.content)
        os.fchmod(file.fileno(), step.mode)
    temporary.replace(target)


@execute_step.register
def _(step: host_steps.RemoveFile, _kernel: Kernel) -> None:
    Path(step.path).unlink(missing_ok=True)


@execute_step.register
def _(step: host_steps.MakeDirectory, _kernel: Kernel) -> None:
    path = Path(step.path)
    path.mkdir(exist_ok=True)
    path.chmod(0o755)


@execute_step.register
def _(step: host_steps.RemoveDirectory, _kernel: Kernel) -> None:
    path = Path(step.path)
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


@execute_step.register
def _(step: host_steps.UnmountHandles, _kernel: Kernel) -> None:
    if not any(Path(step.path).iterdir()):
        namespaces.unmount_handles()


@execute_step.register
def _(step: host_steps.CreateGroup, _kernel: Kernel) -> None:
    group.ensure_group(step.group)


@execute_step.register
def _(step: host_steps.DeleteGroup, _kernel: Kernel) -> None:
    group.remove_group(step.group)


@execute_step.register
def _(step: host_steps.AddMember, _kernel: Kernel) -> None:
    group.add_member(step.user, step.group)


@execute_step.register
def _(step: host_steps.RemoveMember, _kernel: Kernel) -> None:
    group.remove_member(step.user, step.group)


@execute_step.register
def _(step: host_steps.PlaceLauncher, _kernel: Kernel) -> None:
    install.install_launcher(step.name, step.group, Path(step.path))


@execute_step.register
def _(step: host_steps.RemoveLauncher, _kernel: Kernel) -> None:
    install.remove_launcher(Path(step.path))
