"""What was seen of the namespace and of the machine, as frozen data: what the checks judge and `look` gathers."""

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
        entered: the caller is inside already, and cannot see the host's side.
        privileged: the caller is root, or as good as root for namespaces.
        no_entry: why the caller cannot get in, with the mend; None when it can.
        launcher: what lies at the launcher's path.
        outside: the host's side.
        before, after: our firewall table before and after the probe; None when the caller may not look.
        beside: the other firewalls; None when the caller may not look, or our own rules are not there to look with.
        findings: what the probe found inside; None when it could not run, which `no_probe` explains.
        direct: the same hosts asked from the host itself.
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
    """The store: `problem` and `mend` where it is of no use; `file` None when it is no file of this machine.

    `version` is the schema found (None: no database yet), `wanted` the one of this release.
    """

    file: Path | None = None
    problem: str | None = None
    mend: str | None = None
    version: str | None = None
    wanted: str | None = None
    last_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """The rest: the engine that would be taken, the clock and the disk.

    `licence` is the failure when the settings bar the engine; `synchronised` None where the kernel does not tell;
    `free_bytes` is the room in `folder`, None where it cannot be told.
    """

    engine: str
    located: Located
    licence: Failure | None
    now: datetime
    synchronised: bool | None
    folder: Path
    free_bytes: int | None
    database: Database
