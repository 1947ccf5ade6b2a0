"""Observe the namespace for `speedmon check`, from inside by a probe and from outside. Changes nothing."""

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


def look(spec: NamespaceSpec, settings: Check, environ: Mapping[str, str]) -> Namespace:
    """Return the state of the namespace of `spec`, and what a probe found inside."""
    live = is_live(spec.name)
    host_side = outside.look(spec)
    entered = live and is_entered(spec.name)
    privileged = own_rights().may_join
    command, no_entry = _way_in(spec.name, settings, environ)
    may_list = live and privileged and not entered
    before = outside.table(spec) if may_list else None
    result = (
        inquiry.ask(command, _environment(), () if entered else settings.hosts)
        if command
        else inquiry.Inquiry(None, None, ())
    )
    after = outside.table(spec) if may_list else None
    return Namespace(
        spec=spec,
        dead=None if live else "; ".join(host_side.problems) or "it was created just now",
        entered=entered,
        privileged=privileged,
        no_entry=no_entry,
        launcher=launcher.state(Path(spec.launcher_path), GROUP, spec.name),
        outside=host_side,
        before=before,
        after=after,
        beside=_beside(spec, host_side) if after and not after.problem else None,
        findings=result.findings,
        no_probe=result.problem,
        direct=result.direct,
    )


def _beside(spec: NamespaceSpec, host_side: Outside) -> Beside:
    try:
        return beside.look(spec, host_side)
    except (NetnsError, OSError, subprocess.SubprocessError) as error:
        return Beside(blocked=f"the rules of other firewalls cannot be read: {error}")


def _way_in(name: str, settings: Check, environ: Mapping[str, str]) -> tuple[list[str] | None, str | None]:
    """Return the command that probes inside, or why the caller cannot enter."""
    try:
        return enter.command(name, inquiry.command(settings.name, settings.hosts), environ=environ), None
    except NetnsError as error:
        return None, str(error)


def _environment() -> dict[str, str]:
    return {"PATH": home.PATH, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
