"""The only room that speaks to firewalld: which sources its trusted zone has, adding and removing one.

A source is changed both at once (runtime) and for good (permanent): then no reload of the user's firewall is needed,
and it outlives one. The trusted zone would also open the host itself; our own table keeps that shut.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from netns.errors import StepError
from netns.firewall import SBIN

PID = Path("/run/firewalld.pid")
ZONE = "--zone=trusted"
TIMEOUT_S = 60
# Runtime and permanent configuration, in the words of firewall-cmd(1).
WHEN: tuple[tuple[str, ...], ...] = ((), ("--permanent",))


def trusted(*, has_table: bool) -> frozenset[str] | None:
    """Return the sources that are trusted both now and for good, None where firewalld does not run.

    It is asked only where it has left a sign of itself, its nftables table or its pid: asking takes long.
    """
    if not has_table and not PID.exists():
        return None
    now = _ask(ZONE, "--list-sources")
    if now is None:
        return None
    later = _ask("--permanent", ZONE, "--list-sources") or ""
    return frozenset(now.split()) & frozenset(later.split())


def trust(subnet: str) -> None:
    """Add a source to the trusted zone, now and for good, where it is not there yet.

    Raises:
        StepError: firewalld refused; its words are in the message.
    """
    for when in WHEN:
        if _ask(*when, ZONE, f"--query-source={subnet}") is None:
            _insist("firewall-cmd", *when, ZONE, f"--add-source={subnet}")


def distrust(subnet: str) -> None:
    """Remove a source from the trusted zone where it is still there, also while firewalld does not run.

    Raises:
        StepError: firewalld refused; its words are in the message.
    """
    if _ask("--state") is None:
        _insist("firewall-offline-cmd", ZONE, f"--remove-source={subnet}")
        return
    for when in WHEN:
        if _ask(*when, ZONE, f"--query-source={subnet}") is not None:
            _insist("firewall-cmd", *when, ZONE, f"--remove-source={subnet}")


def _ask(*arguments: str) -> str | None:
    done = _run("firewall-cmd", *arguments)
    return done.stdout if done is not None and done.returncode == 0 else None


def _insist(tool: str, *arguments: str) -> None:
    done = _run(tool, *arguments)
    if done is not None and done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise StepError(f"{tool}: {words[0] if words else f'exit code {done.returncode}'}")


def _run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """Run a tool of firewalld; None where it is not installed (any more)."""
    path = shutil.which(tool) or shutil.which(tool, path=SBIN)
    if path is None:
        return None
    return subprocess.run([path, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
