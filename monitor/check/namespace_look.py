"""Look at the namespace for `speedmon check`, from inside by a probe and from outside. Changes nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import home, inquiry
from monitor.check.seen import Namespace
from netns import beside, enter, launcher, outside
from netns.beside import Beside
from netns.errors import NetnsError
from netns.handle import is_entered, is_live
from netns.model import GROUP
from netns.rights import own_rights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.settings import Check
    from netns.model import NamespaceSpec
    from netns.outside import Outside


def look(spec: NamespaceSpec, asked: Check, environ: Mapping[str, str]) -> Namespace:
    """Return what there is of `spec`, and what a probe found inside."""
    live = is_live(spec.name)
    seen_outside = outside.look(spec)
    entered = live and is_entered(spec.name)
    privileged = own_rights().may_join
    way, no_entry = _way_in(spec.name, asked, environ)
    may_list = live and privileged and not entered
    before = outside.table(spec) if may_list else None
    told = inquiry.ask(way, _environment(), () if entered else asked.hosts) if way else inquiry.Inquiry(None, None, ())
    after = outside.table(spec) if may_list else None
    return Namespace(
        spec=spec,
        dead=None if live else "; ".join(seen_outside.problems) or "it came only now",
        entered=entered,
        privileged=privileged,
        no_entry=no_entry,
        launcher=launcher.state(Path(spec.launcher_path), GROUP, spec.name),
        outside=seen_outside,
        before=before,
        after=after,
        beside=_beside(spec, seen_outside) if after and not after.problem else None,
        findings=told.findings,
        no_probe=told.trouble,
        direct=told.direct,
    )


def _beside(spec: NamespaceSpec, seen: Outside) -> Beside:
    try:
        return beside.look(spec, seen)
    except (NetnsError, OSError, subprocess.SubprocessError) as error:
        return Beside(blocked=f"the rules of other firewalls cannot be listed: {error}")


def _way_in(name: str, asked: Check, environ: Mapping[str, str]) -> tuple[list[str] | None, str | None]:
    """Return the command that probes inside, or why the caller cannot get in."""
    try:
        return enter.command(name, inquiry.command(asked.name, asked.hosts), environ=environ), None
    except NetnsError as error:
        return None, str(error)


def _environment() -> dict[str, str]:
    return {"PATH": home.PATH, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
