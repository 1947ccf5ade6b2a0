"""What was observed of the namespace and of the machine, as frozen data: filled by `look`, judged by the checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netns.launcher import LauncherState
from netns.outside import Outside

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from monitor.engines.model import Located
    from monitor.model import Failure
    from netns.beside import Beside
    from netns.findings import Answer, Findings
    from netns.model import NamespaceSpec
    from netns.outside import Table


@dataclass(frozen=True, slots=True)
class Namespace:
    """The namespace from both sides.

    Attributes:
        spec: what the configuration wants.
        dead: why there is no such namespace, None when there is.
        entered: the caller is inside, and cannot see the host's side.
        privileged: the caller is root, or as good as root for namespaces.
        no_entry: why the caller cannot enter, with the fix; None when it can.
        launcher: the state of the file at the launcher's path.
        outside: the host's side.
        before, after: our firewall table before and after the probe; None when the caller may not read it.
        beside: the other firewalls; None when the caller may not read them, or our own rules are not loaded.
        findings: what the probe found inside; None when it could not run, which `no_probe` explains.
        direct: the answers of the same hosts to the host itself.
    """

    spec: NamespaceSpec
    dead: str | None = None
    entered: bool = False
    privileged: bool = False
    no_entry: str | None = None
    launcher: LauncherState = field(default_factory=LauncherState)
    outside: Outside = field(default_factory=Outside)
    before: Table | None = None
    after: Table | None = None
    beside: Beside | None = None
    findings: Findings | None = None
    no_probe: str | None = None
    direct: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Database:
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
class Machine:
    """The machine: the engine that a test would use, the clock, the disk and the database.

    `licence` is the failure when the settings do not allow the engine; `synchronised` None where the kernel does not
    report it; `free_bytes` is the free space in `folder`, None where it is not known.
    """

    engine: str
    located: Located
    licence: Failure | None
    now: datetime
    synchronised: bool | None
    folder: Path
    free_bytes: int | None
    database: Database
