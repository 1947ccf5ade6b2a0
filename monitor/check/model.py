"""What `speedmon check` observes, and one line of its result, as frozen data: `observe` fills it, `checks` judges it.

The order of the fields of `CheckResult` is that of its JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netns.inspect import HostSide
from netns.launcher.install import LauncherState

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from monitor.engines.base import EngineLocation
    from monitor.model import Failure
    from netns.inspect import OtherFirewalls, RulesStatus
    from netns.probe.findings import Findings, ProbeAnswer
    from netns.spec import NamespaceSpec


@dataclass(frozen=True, slots=True)
class ObservedNamespace:
    """The namespace from both sides.

    Attributes:
        spec: what the configuration wants.
        dead: why there is no such namespace, None when there is.
        entered: the caller is inside, and cannot see the host's side.
        privileged: the caller is root, or as good as root for namespaces.
        no_entry: why the caller cannot enter, with the fix; None when it can.
        launcher: the state of the file at the launcher's path.
        outside: the host's side.
        before, after: our firewall table before and after the diagnosis inside; None when the caller may not read it.
        beside: the other firewalls; None when the caller may not read them, or our own rules are not loaded.
        findings: what the diagnosis found inside; None when it could not run, which `no_findings` explains.
        direct: the answers of the same hosts to the host itself.
    """

    spec: NamespaceSpec
    dead: str | None = None
    entered: bool = False
    privileged: bool = False
    no_entry: str | None = None
    launcher: LauncherState = field(default_factory=LauncherState)
    outside: HostSide = field(default_factory=HostSide)
    before: RulesStatus | None = None
    after: RulesStatus | None = None
    beside: OtherFirewalls | None = None
    findings: Findings | None = None
    no_findings: str | None = None
    direct: tuple[ProbeAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedDatabase:
    """The database: `problem` and `fix` where it cannot be used; `file` None when it is not a file of this machine.

    `version` is its schema (None: no database yet), `current` the schema of this release.
    """

    file: Path | None = None
    problem: str | None = None
    fix: str | None = None
    version: str | None = None
    current: str | None = None
    last_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class ObservedMachine:
    """The machine: the engine that a test would use, the clock, the disk and the database.

    `licence` is the failure when the settings do not allow the engine; `synchronised` None where the kernel does not
    report it; `free_bytes` is the free space in `folder`, None where it is not known.
    """

    engine: str
    located: EngineLocation
    licence: Failure | None
    now: datetime
    synchronised: bool | None
    folder: Path
    free_bytes: int | None
    database: ObservedDatabase


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that a reliable test needs.

    Attributes:
        name: identifies the check in JSON.
        ok: whether it passes; None where the caller may not know.
        message: what was observed.
        fix: what to do where it does not pass.
        matters: whether a test is unreliable without it.
    """

    name: str
    ok: bool | None
    message: str
    fix: str | None = None
    matters: bool = True

    @property
    def fails(self) -> bool:
        """Whether a test is unreliable because of it."""
        return self.ok is False and self.matters


def to_result(name: str, problems: list[str], ok_message: str, fix: str, *, matters: bool = True) -> CheckResult:
    """Return the line for a list of problems, with `ok_message` when there is none."""
    if problems:
        return CheckResult(name, ok=False, message="; ".join(problems), fix=fix, matters=matters)
    return CheckResult(name, ok=True, message=ok_message, matters=matters)
