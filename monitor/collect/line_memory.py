"""Remembers what was found of the line: who answered on it, and over which uplink and router. Reads one small file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.model import Scope, Status
from netns.probe.findings import parse_routes

if TYPE_CHECKING:
    from monitor.collect.state import LineMemory
    from monitor.model import Run
    from netns.probe.findings import Findings

ROUTES_FILE = Path("/proc/self/net/route")


def update(memory: LineMemory, run: Run, findings: Findings | None, own_link: str) -> LineMemory:
    """Return what is known of the line after a run; `own_link` is the host's end of the namespace's link."""
    if run.status is Status.OK or (run.failure and run.failure.scope is Scope.PROVIDER):
        memory = _with_uplink(memory, own_link)
    if run.status is Status.OK:
        memory = replace(memory, server=_find_server(run))
    if findings is None or findings.verdict is None or findings.verdict.rule == "captive portal":
        return memory
    answered = [answer.target for answer in findings.hosts if answer.ok and answer.tls in {None, "valid", "date"}]
    at = int(run.finished_at.timestamp())
    return replace(memory, witnesses={**memory.witnesses, **dict.fromkeys(answered, at)}) if answered else memory


def _find_server(run: Run) -> str | None:
    """Return where the test of a run connected, without a port if the engine does not name it."""
    if run.server is None:
        return None
    name, colon, port = (run.server.host or "").partition(":")
    return f"{run.server.ip or name}{colon}{port}" or None


def _with_uplink(memory: LineMemory, own_link: str) -> LineMemory:
    try:
        text = ROUTES_FILE.read_text(encoding="ascii", errors="replace")
    except OSError:
        return memory
    default = next((r for r in parse_routes(text) if r.is_default and r.link != own_link), None)
    return replace(memory, uplink=default.link, router=default.gateway) if default else memory
