"""The command line that enters the namespace for this caller, and whether the namespace looks sound, judged from files.

It runs before each test, so it imports next to nothing; what files do not show, `netns.probe` finds out from inside.
"""

from __future__ import annotations

import os
import pwd
import sys
from typing import TYPE_CHECKING, NamedTuple

from netns.errors import ForeignStateError, NamespaceMissingError, NetnsError, NotPermittedError, SpecError
from netns.kernel.handle import handle_path, is_entered, is_live
from netns.launcher import marker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AUTO, LAUNCHER, ROOT, PASTA = WAYS = ("auto", "launcher", "root", "pasta")
FIX = "run: sudo speedmon setup-netns"
LAUNCHER_FOLDER = "/usr/local/bin"
_ROOT_MODULE, _PASTA_MODULE = "netns.entry.inside", "netns.entry.pasta"

_CAP_SYS_ADMIN = 1 << 21


def build_command(
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
        return _pasta_command(name, argv, dns)
    if not is_live(name):
        raise NamespaceMissingError(f"{handle_path(name)} {_describe_missing(name)}; {FIX}")
    rights, caller = read_own_rights(), find_sudo_caller(environ)
    if rights.may_join and (caller or way == ROOT):
        return _root_command(name, argv, caller)
    if way == ROOT:
        raise NotPermittedError('the way "root" is for root only: run this with sudo')
    launcher = f"{LAUNCHER_FOLDER}/{name}"
    obstacle = _launcher_error(launcher, rights, environ.get("USER") or environ.get("LOGNAME") or "NAME")
    if obstacle is None:
        return [launcher, *argv]
    if rights.may_join and way == AUTO:
        return _root_command(name, argv, None)
    raise _suggest_other_ways(obstacle, name, rights)


def confine_engine(name: str, command: list[str], argv: list[str], user: SudoCaller | None) -> list[str]:
    """Return a command of `build_command` changed for an engine: it ends with its parent, and is no more than `user`.

    A command that enters nothing is returned as it is: its privileges have to be dropped by whoever starts it.

    Args:
        name: the namespace.
        command: what `build_command` returned.
        argv: the engine's own command.
        user: whom root's own way turns into; None: the user stays as it is, without capabilities.
    """
    if not enters_namespace(name, command) or _PASTA_MODULE in command[:4]:
        return command
    if os.geteuid() == 0 and read_own_rights().may_join:
        return _root_command(name, argv, user, "--die-with-parent")
    if command[0] == f"{LAUNCHER_FOLDER}/{name}" and marker.may_die_with_parent(command[0]):
        return [command[0], "--die-with-parent", *argv]
    return command


def enters_namespace(name: str, command: list[str]) -> bool:
    """Return whether a command is one of `build_command` that enters: it needs privileges, and drops them itself."""
    if command[0] == sys.executable:
        return command[1:3] == ["-I", "-m"] and command[3] in {_ROOT_MODULE, _PASTA_MODULE}
    return command[0] == f"{LAUNCHER_FOLDER}/{name}"


def find_problems(name: str) -> list[str]:
    """Return what is wrong with namespace `name` as far as files show, one phrase per problem; empty if it looks sound.

    From inside the namespace, where the host's side is not visible, IPv6 and the name servers are checked instead.
    """
    if not is_live(name):
        return [f"{handle_path(name)} {_describe_missing(name)}"]
    if is_entered(name):
        return _find_inner_problems(name)
    link = f"{name}-root"
    if not os.path.exists(f"/sys/class/net/{link}"):
        return [f"link {link} is missing"]
    from netns.entry import uplink  # noqa: PLC0415  a caller who is inside does not need it

    return _find_link_problems(link) or uplink.find_uplink_problems(name, link)


def _root_command(name: str, argv: list[str], caller: SudoCaller | None, *options: str) -> list[str]:
    identity = ["--as", str(caller)] if caller else []
    return [sys.executable, "-I", "-m", _ROOT_MODULE, *options, *identity, name, "--", *argv]


def _pasta_command(name: str, argv: list[str], dns: Sequence[str]) -> list[str]:
    from netns.entry import pasta  # noqa: PLC0415  the other ways do not need it

    return pasta.build_command(name, argv, dns)


def _suggest_other_ways(obstacle: NetnsError, name: str, rights: Rights) -> NetnsError:
    from netns.entry.pasta import list_other_ways  # noqa: PLC0415  only for the message

    other = list_other_ways(name, may_gain=rights.may_gain)
    return type(obstacle)(f"{obstacle}; other ways that work here: {', '.join(other)}" if other else str(obstacle))


def _describe_missing(name: str) -> str:
    if os.path.lexists(handle_path(name)):
        return "is not a network namespace (a crash or a sandboxed service leaves such files)"
    return "does not exist: the namespace is not set up"


def _launcher_error(launcher: str, rights: Rights, user: str) -> NetnsError | None:
    """Return why the caller cannot use the launcher, None if it can."""
    if not os.path.lexists(launcher):
        return _missing_launcher_error(launcher, user)
    if not os.access(launcher, os.R_OK | os.X_OK):
        fix = f"{FIX} --user {user}, then log in again"
        return NotPermittedError(f"{launcher} may be run by its group only, and this login session is not in it; {fix}")
    if not marker.is_own_launcher(launcher):
        return ForeignStateError(f"{launcher} is not speedmon's launcher: move it away, then {FIX}")
    return _powerless_launcher_error(launcher, rights)


def _missing_launcher_error(launcher: str, user: str) -> NetnsError:
    """Name what kept set-up from installing one: it needs a compiler, and a mount that allows file capabilities."""
    from netns.launcher.install import find_compiler  # noqa: PLC0415  only for the message

    if _is_nosuid(os.path.dirname(launcher)):
        return NotPermittedError(f"there is no launcher {launcher}, and on that nosuid mount it would not work")
    fix = f"{FIX} --user {user}"
    if find_compiler() is None:
        fix = f"run: sudo apt install musl-tools && sudo speedmon setup-netns --user {user}"
        return NotPermittedError(f"there is no launcher {launcher}, and no C compiler to build it; {fix}")
    return NotPermittedError(f"only root can enter without the launcher {launcher}; {fix}")


def _powerless_launcher_error(launcher: str, rights: Rights) -> NetnsError | None:
    if not marker.has_capability(launcher):
        return NotPermittedError(f"{launcher} has lost its capability, as copies do; {FIX}")
    if _is_nosuid(launcher):
        return NotPermittedError(f"{launcher} is on a nosuid mount, where file capabilities have no effect")
    if not rights.may_gain:
        return NotPermittedError(
            f"{launcher} gains no capability here: this process runs with no_new_privs, as services often do"
        )
    return None


def _is_nosuid(path: str) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_NOSUID)


def _find_inner_problems(name: str) -> list[str]:
    """Return the problems of a caller that joined without the launcher, such as a systemd unit."""
    problems = []
    addresses = (_read_text("/proc/thread-self/net/if_inet6") or "").splitlines()
    if any(not address.endswith(" lo") for address in addresses):
        problems.append("there is an IPv6 address inside")
    prepared = f"/etc/netns/{name}/resolv.conf"
    if os.path.exists(prepared) and _read_text("/etc/resolv.conf") != _read_text(prepared):
        problems.append(f"the name servers are the host's (BindReadOnlyPaths={prepared}:/etc/resolv.conf is missing)")
    if os.access("/run/nscd/socket", os.W_OK):
        problems.append("nscd answers for the host (InaccessiblePaths=-/run/nscd is missing)")
    return problems


def _find_link_problems(link: str) -> list[str]:
    problems = []
    # Not readable while the link itself is down; operstate shows the same, but up to a second late.
    if _read_text(f"/sys/class/net/{link}/carrier") != "1":
        problems.append(f"link {link} or its other end is down")
    if not _forwards_ipv4(link):
        problems.append(f"link {link} does not forward IPv4")
    if _read_text(f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6") == "0":
        problems.append(f"IPv6 is enabled on link {link}")
    return problems


def _forwards_ipv4(link: str) -> bool:
    return _read_text(f"/proc/sys/net/ipv4/conf/{link}/forwarding") == "1"


def _read_text(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


class SudoCaller(NamedTuple):
    """The numeric user and group id of the user who called sudo."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


def find_sudo_caller(environ: Mapping[str, str]) -> SudoCaller | None:
    """Return the user who called sudo; None if this process is not root, or if root itself called sudo.

    Raises:
        SpecError: SUDO_UID or SUDO_GID is not a number.
    """
    uid, gid = environ.get("SUDO_UID", "0"), environ.get("SUDO_GID", "0")
    if os.geteuid() != 0 or uid == "0":
        return None
    if not (_is_number(uid) and _is_number(gid)):
        raise SpecError(f"SUDO_UID and SUDO_GID must be numbers, but are {uid!r} and {gid!r}: unset them")
    return SudoCaller(int(uid), int(gid))


def caller_environment(caller: SudoCaller, environ: Mapping[str, str]) -> dict[str, str]:
    """Return sudo's environment with the caller's HOME, USER and LOGNAME instead of root's."""
    try:
        user = pwd.getpwuid(caller.uid)
    except KeyError:
        return {**environ, "HOME": "/"}
    return {**environ, "HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


class Rights(NamedTuple):
    """`may_join`: it can enter without help, like root; `may_gain`: file capabilities of programs have an effect."""

    may_join: bool
    may_gain: bool


def parse_rights(status: str) -> Rights:
    """Return the rights in a /proc/PID/status text (proc(5))."""
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return Rights(
        may_join=bool(int(lines["CapEff"], 16) & _CAP_SYS_ADMIN),
        may_gain=lines.get("NoNewPrivs", "0") == "0" and bool(int(lines["CapBnd"], 16) & _CAP_SYS_ADMIN),
    )


def read_own_rights() -> Rights:
    """Return the rights of the calling thread."""
    with open("/proc/thread-self/status", encoding="ascii", errors="replace") as status:
        return parse_rights(status.read())
