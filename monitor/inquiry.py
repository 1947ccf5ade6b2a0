"""Run `netns.probe` as a process of its own, inside the namespace or not, and connect to the same hosts from here."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import process
from netns import findings, proc_net, reach
from netns.findings import InnerLink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.interrupts import Interrupts
    from netns.findings import Answer, Findings

# A probe takes two seconds, as its steps run in parallel; the rest is for slow SD cards and processors.
DEADLINE_S = 10.0
ROUTES = Path("/proc/self/net/route")
LINKS = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a probe found, or the `problem` that kept it from finding anything.

    `direct` are the answers of the same hosts to connections from the host itself.
    """

    findings: Findings | None
    problem: str | None
    direct: tuple[Answer, ...]


def command(name: str, hosts: Sequence[str]) -> list[str]:
    """Return the command line of a probe that asks each name server for `name`, and connects to each host."""
    # -P: nothing in the working directory may take the place of a module; -I would hide what pip installed for a user.
    return [sys.executable, "-P", "-m", "netns.probe", name, *hosts]


def ask(
    argv: Sequence[str], env: Mapping[str, str], direct: Sequence[str] = (), interrupts: Interrupts | None = None
) -> Inquiry:
    """Run a probe, and connect to the hosts `direct` from here at the same time."""
    with ThreadPoolExecutor(max(1, len(direct))) as pool:
        answers = pool.map(reach.connect, direct)
        result = process.run(argv, env=env, deadline_s=DEADLINE_S, interrupts=interrupts)
        inner_findings = findings.decode(result.stdout)
        return Inquiry(inner_findings, None if inner_findings else _why(result), tuple(answers))


def uplink(own_link: str | None) -> InnerLink | None:
    """Return the link of the host's IPv4 default route, `up` if it has a carrier; None where there is no such route."""
    routes = proc_net.routes(_text(ROUTES))
    name = next((route.link for route in routes if route.is_default and route.link != own_link), None)
    if name is None:
        return None
    mtu = _text(LINKS / name / "mtu").strip()
    # A link that is down refuses to be read; links without a carrier of their own, such as tunnels, say 1.
    return InnerLink(name, _text(LINKS / name / "carrier").strip() == "1", int(mtu or 0))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _why(result: process.Ended) -> str:
    if result.timed_out:
        return f"the probe inside did not end within {DEADLINE_S:.0f} s"
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"the probe inside failed: {lines[-1] if lines else f'exit code {result.exit_code}'}"
