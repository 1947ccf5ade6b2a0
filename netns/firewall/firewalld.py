"""Lists, adds and removes sources of firewalld's trusted zone. The only module that runs firewalld's tools.

A source is changed in the runtime and in the permanent configuration: so no reload is needed, and it survives one. The
trusted zone would also allow access to the host itself; our own table prevents that.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from netns.errors import StepError
from netns.firewall.rules import find_tool

PID_FILE = Path("/run/firewalld.pid")
ZONE = "--zone=trusted"
FIREWALLD_TIMEOUT_S = 60

# The options of firewall-cmd(1) for the runtime and for the permanent configuration.
RUNTIME_AND_PERMANENT: tuple[tuple[str, ...], ...] = ((), ("--permanent",))


def list_trusted_sources(*, has_table: bool) -> frozenset[str] | None:
    """Return the sources trusted in both configurations, None if firewalld is not running.

    firewall-cmd is slow, so it is only run if there is a sign of firewalld: its nftables table or its pid file.
    """
    if not has_table and not PID_FILE.exists():
        return None
    now = _query(ZONE, "--list-sources")
    if now is None:
        return None
    permanent = _query("--permanent", ZONE, "--list-sources") or ""
    return frozenset(now.split()) & frozenset(permanent.split())


def trust_source(subnet: str) -> None:
    """Add a source to the trusted zone, runtime and permanent, unless it is there already.

    Raises:
        StepError: firewalld refused; the message quotes it.
    """
    for options in RUNTIME_AND_PERMANENT:
        if _query(*options, ZONE, f"--query-source={subnet}") is None:
            _change("firewall-cmd", *options, ZONE, f"--add-source={subnet}")


def distrust_source(subnet: str) -> None:
    """Remove a source from the trusted zone if it is still there, also while firewalld is not running.

    Raises:
        StepError: firewalld refused; the message quotes it.
    """
    if _query("--state") is None:
        _change("firewall-offline-cmd", ZONE, f"--remove-source={subnet}")
        return
    for options in RUNTIME_AND_PERMANENT:
        if _query(*options, ZONE, f"--query-source={subnet}") is not None:
            _change("firewall-cmd", *options, ZONE, f"--remove-source={subnet}")


def _query(*arguments: str) -> str | None:
    completed = _run_tool("firewall-cmd", *arguments)
    return completed.stdout if completed is not None and completed.returncode == 0 else None


def _change(tool: str, *arguments: str) -> None:
    completed = _run_tool(tool, *arguments)
    if completed is not None and completed.returncode != 0:
        raise StepError.from_output(tool, completed.stderr or completed.stdout, completed.returncode)


def _run_tool(tool: str, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """Run a tool of firewalld; None if it is not installed."""
    path = find_tool(tool)
    if path is None:
        return None
    return subprocess.run([path, *arguments], capture_output=True, text=True, timeout=FIREWALLD_TIMEOUT_S, check=False)
