"""How a command gets into the namespace, and whether the namespace looks sound: asked before each test.

Files only, and nothing heavy imported; what cannot be told from files, `netns.probe` tells from inside.
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
        environ: tells who called sudo, and the user's name for messages.
        way: one of `WAYS`. auto is `argv` itself for a caller who is inside already, else the launcher, else root's own
            way in; who called sudo is the caller. pasta is never taken unless named: it needs no namespace.
        dns: name servers to ask over pasta; none: those of the host.

    Raises:
        NamespaceMissingError: the namespace is not there.
        NotPermittedError: the caller is not root, and the launcher is missing, out of reach or without its capability.
        ForeignStateError: the caller is not root, and another program is in the launcher's place.
        NetnsError: pasta was asked for and cannot work here.
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
        raise NotPermittedError('the way "root" is for root: run this by sudo')
    launcher = f"/usr/local/bin/{name}"
    obstacle = _obstacle(launcher, rights, environ.get("USER") or environ.get("LOGNAME") or "NAME")
    if obstacle is None:
        return [launcher, *argv]
    if rights.may_join and way == AUTO:
        return _by_root(name, argv, None)
    raise _with_other_ways(obstacle, name, rights)


def sound(name: str) -> list[str]:
    """Return what is wrong with namespace `name` as far as files tell, one phrase a problem; empty when it looks sound.

    From inside the namespace the host's side cannot be seen; there, IPv6 and the way to the name servers are judged.
    """
    if not is_live(name):
        return [f"{handle_path(name)} {_state_of_dead(name)}"]
    if is_entered(name):
        return _problems_inside(name)
    link = f"{name}-root"
    if not os.path.exists(f"/sys/class/net/{link}"):  # noqa: PTH110  light
        return [f"link {link} is missing"]
    from netns import way  # noqa: PLC0415  only who looks needs it

    return _link_problems(link) or way.problems(name, link)


def _by_root(name: str, argv: list[str], caller: Caller | None) -> list[str]:
    identity = ["--as", str(caller)] if caller else []
    return [sys.executable, "-I", "-m", "netns.inside", *identity, name, "--", *argv]


def _over_pasta(name: str, argv: list[str], dns: Sequence[str]) -> list[str]:
    from netns import pasta  # noqa: PLC0415  the other ways need none of it

    return pasta.command(name, argv, dns)


def _with_other_ways(obstacle: NetnsError, name: str, rights: Rights) -> NetnsError:
    from netns.other_ways import other_ways  # noqa: PLC0415  only for the message

    offered = other_ways(name, may_gain=rights.may_gain)
    return type(obstacle)(f"{obstacle}; other ways that work here: {', '.join(offered)}" if offered else str(obstacle))


def _state_of_dead(name: str) -> str:
    if os.path.lexists(handle_path(name)):
        return "is no network namespace (a crash or a sandboxed service leaves such files)"
    return "does not exist: the namespace is not set up"


def _obstacle(launcher: str, rights: Rights, user: str) -> NetnsError | None:
    """Return why the launcher is of no use to the caller, None when it is."""
    if not os.path.lexists(launcher):
        return _no_launcher(launcher, user)
    if not os.access(launcher, os.R_OK | os.X_OK):
        mend = f"{MEND} --user {user}, then log in again"
        return NotPermittedError(f"{launcher} is for its group only, and this login is not in it; {mend}")
    if not marker.is_ours(launcher):
        return ForeignStateError(f"{launcher} is not speedmon's launcher: move it away, then {MEND}")
    return _lost_power(launcher, rights)


def _no_launcher(launcher: str, user: str) -> NetnsError:
    """Name what kept set-up from placing one: it needs a compiler, and a mount on which file capabilities count."""
    from netns.compiler import find_compiler  # noqa: PLC0415  only for the message

    if _is_nosuid(os.path.dirname(launcher)):  # noqa: PTH120  light
        return NotPermittedError(f"there is no launcher {launcher}, and on that nosuid mount it would be of no use")
    mend = f"{MEND} --user {user}"
    if find_compiler() is None:
        mend = f"run: sudo apt install musl-tools && sudo speedmon setup-netns --user {user}"
        return NotPermittedError(f"there is no launcher {launcher}, and no C compiler to build it; {mend}")
    return NotPermittedError(f"only root can enter without the launcher {launcher}; {mend}")


def _lost_power(launcher: str, rights: Rights) -> NetnsError | None:
    if not marker.has_capability(launcher):
        return NotPermittedError(f"{launcher} has lost its capability, as any copy does; {MEND}")
    if _is_nosuid(launcher):
        return NotPermittedError(f"{launcher} is on a nosuid mount, where file capabilities do not count")
    if not rights.may_gain:
        return NotPermittedError(
            f"{launcher} gains no capability here: this process runs with no_new_privs, as a service may"
        )
    return None


def _is_nosuid(path: str) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_NOSUID)


def _problems_inside(name: str) -> list[str]:
    """Whoever joined by other means, such as a systemd unit, may have left out what the launcher does."""
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
    # Unreadable while the link itself is down; operstate would tell the same, up to a second late.
    if _read(f"/sys/class/net/{link}/carrier") != "1":
        problems.append(f"link {link} or its other end is down")
    if not _forwards(link):
        problems.append(f"link {link} does not forward IPv4")
    if _read(f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6") == "0":
        problems.append(f"link {link} speaks IPv6")
    return problems


def _forwards(link: str) -> bool:
    return _read(f"/proc/sys/net/ipv4/conf/{link}/forwarding") == "1"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123  light
            return file.read().strip()
    except OSError:
        return None
