"""Ask what of the network works: `netns.probe` as a process of its own, in or out, and the same hosts from here."""

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

# The steps of a probe take two seconds side by side; the rest is for a slow card and a slow processor.
DEADLINE_S = 10.0
ROUTES = Path("/proc/self/net/route")
LINKS = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What was found, or why nothing was; `direct` is what the same hosts answered the host itself."""

    findings: Findings | None
    trouble: str | None
    direct: tuple[Answer, ...]


def command(name: str, hosts: Sequence[str]) -> list[str]:
    """Return the command line of a probe that asks each name server for `name`, and connects to each host."""
    # -P: nothing in the working directory may take the place of a module; -I would hide what pip installed for a user.
    return [sys.executable, "-P", "-m", "netns.probe", name, *hosts]


def ask(
    argv: Sequence[str], env: Mapping[str, str], direct: Sequence[str] = (), interrupts: Interrupts | None = None
) -> Inquiry:
    """Run a probe, and connect to the hosts `direct` from here meanwhile."""
    with ThreadPoolExecutor(max(1, len(direct))) as pool:
        answers = pool.map(reach.connect, direct)
        ended = process.run(argv, env=env, deadline_s=DEADLINE_S, interrupts=interrupts)
        found = findings.decode(ended.stdout)
        return Inquiry(found, None if found else _why(ended), tuple(answers))


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


def _why(ended: process.Ended) -> str:
    if ended.timed_out:
        return f"the probe inside did not end within {DEADLINE_S:.0f} s"
    said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"the probe inside failed: {said[-1] if said else f'exit code {ended.exit_code}'}"
