"""Look at the namespace for `speedmon check`, from inside by a probe and from outside. Changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import home, process
from monitor.check.seen import Namespace
from netns import beside, enter, findings, launcher, outside, reach
from netns.beside import Beside
from netns.errors import NetnsError
from netns.handle import is_entered, is_live
from netns.model import GROUP
from netns.rights import own_rights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.settings import Check
    from netns.findings import Answer, Findings
    from netns.model import NamespaceSpec
    from netns.outside import Outside

# The steps of a probe take two seconds side by side; the rest is for a slow card and a slow processor.
PROBE_DEADLINE_S = 10.0


def look(spec: NamespaceSpec, asked: Check, environ: Mapping[str, str]) -> Namespace:
    """Return what there is of `spec`, and what a probe found inside."""
    live = is_live(spec.name)
    seen_outside = outside.look(spec)
    entered = live and is_entered(spec.name)
    privileged = own_rights().may_join
    way, no_entry = _way_in(spec.name, asked, environ)
    may_list = live and privileged and not entered
    before = outside.table(spec) if may_list else None
    found, no_probe, direct = _probe(way, () if entered else asked.hosts) if way else (None, None, ())
    after = outside.table(spec) if may_list else None
    return Namespace(
        spec=spec,
        dead=None if live else "; ".join(seen_outside.unsound) or "it came only now",
        entered=entered,
        privileged=privileged,
        no_entry=no_entry,
        launcher=launcher.state(Path(spec.launcher_path), GROUP, spec.name),
        outside=seen_outside,
        before=before,
        after=after,
        beside=_beside(spec, seen_outside) if after and not after.problem else None,
        findings=found,
        no_probe=no_probe,
        direct=direct,
    )


def _beside(spec: NamespaceSpec, seen: Outside) -> Beside:
    try:
        return beside.look(spec, seen)
    except (NetnsError, OSError, subprocess.SubprocessError) as error:
        return Beside(blocked=f"the rules of other firewalls cannot be looked at: {error}")


def _way_in(name: str, asked: Check, environ: Mapping[str, str]) -> tuple[list[str] | None, str | None]:
    """Return the command that probes inside, or why the caller cannot get in."""
    # -P: nothing in the working directory may take the place of a module; -I would hide what pip installed for a user.
    probe = [sys.executable, "-P", "-m", "netns.probe", asked.name, *asked.hosts]
    try:
        return enter.command(name, probe, environ=environ), None
    except NetnsError as error:
        return None, str(error)


def _probe(way: list[str], hosts: Sequence[str]) -> tuple[Findings | None, str | None, tuple[Answer, ...]]:
    """Run the probe, and ask the same hosts from here meanwhile; return findings, or why there are none."""
    with ThreadPoolExecutor(max(1, len(hosts))) as pool:
        direct = pool.map(reach.connect, hosts)
        ended = process.run(way, env=_environment(), deadline_s=PROBE_DEADLINE_S)
        found = findings.decode(ended.stdout)
        return found, None if found else _why(ended), tuple(direct)


def _environment() -> dict[str, str]:
    return {"PATH": home.PATH, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}


def _why(ended: process.Ended) -> str:
    if ended.timed_out:
        return f"the probe inside did not end within {PROBE_DEADLINE_S:.0f} s"
    said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"the probe inside failed: {said[-1] if said else f'exit code {ended.exit_code}'}"
