"""How a command enters the namespace, and whether the namespace looks sound, judged from files alone.

Runs before each test, so nothing heavy is imported; what files do not show, `netns.probe` finds out from inside.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from netns import marker
from netns.caller import Caller, behind_sudo
from netns.errors import ForeignStateError, NamespaceMissingError, NetnsError, NotPermittedError
from netns.handle import handle_path, is_entered, is_live
from netns.rights import Rights, own_rights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AUTO, LAUNCHER, ROOT, PASTA = WAYS = ("auto", "launcher", "root", "pasta")
MEND = "run: sudo speedmon setup-netns"


def command(
    name: str, argv: list[str], *, environ: Mapping[str, str], way: str = AUTO, dns: Sequence[str] = ()
) -> list[str]:
    """Return the command line that runs `argv` in namespace `name`, as the caller and with no privilege.

    Args:
        name: the namespace.
        argv: the command.
        environ: names the user who called sudo, and the user in messages.
        way: one of `WAYS`. auto returns `argv` itself for a caller who is already inside, else the launcher, else
            root's own way in; under sudo, the caller is the user who called sudo. pasta is only used if named, and
            needs no namespace.
        dns: name servers to use with pasta; empty for those of the host.

    Raises:
        NamespaceMissingError: the namespace is not there.
        NotPermittedError: the caller is not root, and the launcher is missing, not accessible or lacks its capability.
        ForeignStateError: the caller is not root, and another program is installed in place of the launcher.
        NetnsError: pasta was requested and cannot work here.
    """
    if is_entered(name):
        return argv
    if way == PASTA:
        return _over_pasta(name, argv, dns)
    if not is_live(name):
        raise NamespaceMissingError(f"{handle_path(name)} {_state_of_dead(name)}; {MEND}")
    rights, caller = own_rights(), behind_sudo(environ)
    if rights.may_join and (caller or way == ROOT):
        return _by_root(name, argv, caller)
    if way == ROOT:
        raise NotPermittedError('the way "root" is for root only: run this with sudo')
    launcher = f"/usr/local/bin/{name}"
    obstacle = _obstacle(launcher, rights, environ.get("USER") or environ.get("LOGNAME") or "NAME")
    if obstacle is None:
        return [launcher, *argv]
    if rights.may_join and way == AUTO:
        return _by_root(name, argv, None)
    raise _with_other_ways(obstacle, name, rights)


def sound(name: str) -> list[str]:
    """Return what is wrong with namespace `name` as far as files show, one phrase per problem; empty if it looks sound.

    From inside the namespace, where the host's side is not visible, IPv6 and the name servers are checked instead.
    """
    if not is_live(name):
        return [f"{handle_path(name)} {_state_of_dead(name)}"]
    if is_entered(name):
        return _problems_inside(name)
    link = f"{name}-root"
    if not os.path.exists(f"/sys/class/net/{link}"):  # noqa: PTH110  light
        return [f"link {link} is missing"]
    from netns import way  # noqa: PLC0415  a caller who is inside does not need it

    return _link_problems(link) or way.problems(name, link)


def _by_root(name: str, argv: list[str], caller: Caller | None) -> list[str]:
    identity = ["--as", str(caller)] if caller else []
    return [sys.executable, "-I", "-m", "netns.inside", *identity, name, "--", *argv]


def _over_pasta(name: str, argv: list[str], dns: Sequence[str]) -> list[str]:
    from netns import pasta  # noqa: PLC0415  the other ways do not need it

    return pasta.command(name, argv, dns)


def _with_other_ways(obstacle: NetnsError, name: str, rights: Rights) -> NetnsError:
    from netns.other_ways import other_ways  # noqa: PLC0415  only for the message

    other = other_ways(name, may_gain=rights.may_gain)
    return type(obstacle)(f"{obstacle}; other ways that work here: {', '.join(other)}" if other else str(obstacle))


def _state_of_dead(name: str) -> str:
    if os.path.lexists(handle_path(name)):
        return "is not a network namespace (a crash or a sandboxed service leaves such files)"
    return "does not exist: the namespace is not set up"


def _obstacle(launcher: str, rights: Rights, user: str) -> NetnsError | None:
    """Return why the caller cannot use the launcher, None if it can."""
    if not os.path.lexists(launcher):
        return _no_launcher(launcher, user)
    if not os.access(launcher, os.R_OK | os.X_OK):
        fix = f"{MEND} --user {user}, then log in again"
        return NotPermittedError(f"{launcher} may be run by its group only, and this login session is not in it; {fix}")
    if not marker.is_ours(launcher):
        return ForeignStateError(f"{launcher} is not speedmon's launcher: move it away, then {MEND}")
    return _lost_power(launcher, rights)


def _no_launcher(launcher: str, user: str) -> NetnsError:
    """Name what kept set-up from installing one: it needs a compiler, and a mount that allows file capabilities."""
    from netns.compiler import find_compiler  # noqa: PLC0415  only for the message

    if _is_nosuid(os.path.dirname(launcher)):  # noqa: PTH120  light
        return NotPermittedError(f"there is no launcher {launcher}, and on that nosuid mount it would not work")
    fix = f"{MEND} --user {user}"
    if find_compiler() is None:
        fix = f"run: sudo apt install musl-tools && sudo speedmon setup-netns --user {user}"
        return NotPermittedError(f"there is no launcher {launcher}, and no C compiler to build it; {fix}")
    return NotPermittedError(f"only root can enter without the launcher {launcher}; {fix}")


def _lost_power(launcher: str, rights: Rights) -> NetnsError | None:
    if not marker.has_capability(launcher):
        return NotPermittedError(f"{launcher} has lost its capability, as copies do; {MEND}")
    if _is_nosuid(launcher):
        return NotPermittedError(f"{launcher} is on a nosuid mount, where file capabilities have no effect")
    if not rights.may_gain:
        return NotPermittedError(
            f"{launcher} gains no capability here: this process runs with no_new_privs, as services often do"
        )
    return None


def _is_nosuid(path: str) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_NOSUID)


def _problems_inside(name: str) -> list[str]:
    """Return the problems of a caller that joined without the launcher, such as a systemd unit."""
    problems = []
    if _read("/proc/thread-self/net/if_inet6"):
        problems.append("there is an IPv6 address inside")
    prepared = f"/etc/netns/{name}/resolv.conf"
    if os.path.exists(prepared) and _read("/etc/resolv.conf") != _read(prepared):  # noqa: PTH110  light
        problems.append(f"the name servers are the host's (BindReadOnlyPaths={prepared}:/etc/resolv.conf is missing)")
    if os.access("/run/nscd/socket", os.W_OK):
        problems.append("nscd answers for the host (InaccessiblePaths=-/run/nscd is missing)")
    return problems


def _link_problems(link: str) -> list[str]:
    problems = []
    # Not readable while the link itself is down; operstate shows the same, but up to a second late.
    if _read(f"/sys/class/net/{link}/carrier") != "1":
        problems.append(f"link {link} or its other end is down")
    if not _forwards(link):
        problems.append(f"link {link} does not forward IPv4")
    if _read(f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6") == "0":
        problems.append(f"IPv6 is enabled on link {link}")
    return problems


def _forwards(link: str) -> bool:
    return _read(f"/proc/sys/net/ipv4/conf/{link}/forwarding") == "1"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123  light
            return file.read().strip()
    except OSError:
        return None
