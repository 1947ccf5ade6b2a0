"""How a command gets into the namespace, and whether the namespace looks sound: asked before each test.

Files only, and nothing heavy imported; what cannot be told from files, `netns.probe` tells from inside.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from netns import marker
from netns.errors import ForeignStateError, NamespaceMissingError, NetnsError, NotPermittedError
from netns.handle import handle_path, is_entered, is_live
from netns.rights import Rights, own_rights

if TYPE_CHECKING:
    from collections.abc import Mapping

MEND = "run: sudo speedmon setup-netns"


def command(name: str, argv: list[str], *, environ: Mapping[str, str]) -> list[str]:
    """Return the command line that runs `argv` in namespace `name`, as the caller and with no privilege.

    That is `argv` itself for a caller who is inside already, else the launcher, else root's own way in. The user's
    name for messages is taken from `environ`.

    Raises:
        NamespaceMissingError: the namespace is not there.
        NotPermittedError: the caller is not root, and the launcher is missing, out of reach or without its capability.
        ForeignStateError: the caller is not root, and another program is in the launcher's place.
    """
    if not is_live(name):
        raise NamespaceMissingError(f"{handle_path(name)} {_state_of_dead(name)}; {MEND}")
    if is_entered(name):
        return argv
    rights, launcher = own_rights(), f"/usr/local/bin/{name}"
    obstacle = _obstacle(launcher, rights, environ.get("USER") or environ.get("LOGNAME") or "NAME")
    if obstacle is None:
        return [launcher, *argv]
    if rights.may_join:
        return [sys.executable, "-I", "-m", "netns.inside", name, "--", *argv]
    raise obstacle


def sound(name: str) -> list[str]:
    """Return what is wrong with namespace `name` as far as files tell, one phrase a problem; empty when it looks sound.

    From inside the namespace the host's side cannot be seen, and only the handle is judged.
    """
    if not is_live(name):
        return [f"{handle_path(name)} {_state_of_dead(name)}"]
    if is_entered(name):
        return []
    link = f"{name}-root"
    if not os.path.exists(f"/sys/class/net/{link}"):  # noqa: PTH110  light
        return [f"link {link} is missing"]
    from netns import way  # noqa: PLC0415  only who looks needs it

    return _link_problems(link) or way.problems(name, link)


def _state_of_dead(name: str) -> str:
    if os.path.lexists(handle_path(name)):
        return "is no network namespace (a crash or a sandboxed service leaves such files)"
    return "does not exist: the namespace is not set up"


def _obstacle(launcher: str, rights: Rights, user: str) -> NetnsError | None:
    """Return why the launcher is of no use to the caller, None when it is."""
    if not os.path.lexists(launcher):
        return NotPermittedError(f"only root can enter without the launcher {launcher}; {MEND} --user {user}")
    if not os.access(launcher, os.R_OK | os.X_OK):
        mend = f"{MEND} --user {user}, then log in again"
        return NotPermittedError(f"{launcher} is for its group only, and this login is not in it; {mend}")
    if not marker.is_ours(launcher):
        return ForeignStateError(f"{launcher} is not speedmon's launcher: move it away, then {MEND}")
    return _lost_power(launcher, rights)


def _lost_power(launcher: str, rights: Rights) -> NetnsError | None:
    if not marker.has_capability(launcher):
        return NotPermittedError(f"{launcher} has lost its capability, as any copy does; {MEND}")
    if os.statvfs(launcher).f_flag & os.ST_NOSUID:
        return NotPermittedError(f"{launcher} is on a nosuid mount, where file capabilities do not count")
    if not rights.may_gain:
        service = "no_new_privs, as a systemd service may; give that service NetworkNamespacePath="
        return NotPermittedError(f"{launcher} gains no capability here: this process runs with {service}/run/netns/…")
    return None


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
