"""What the installer works with, as data: the request, the state of the machine, the record, and the places of files.

Pure. `observe` reads the state, `planner` compares it with the request, `apply` carries out the steps.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

USER = GROUP = "speedmon"

CONFIG_DIRECTORY = "/etc/speedmon"
CONFIG_FILE = f"{CONFIG_DIRECTORY}/config.toml"
RECORD_FILE = f"{CONFIG_DIRECTORY}/installed.json"
STATE_DIRECTORY = "/var/lib/speedmon"
DATABASE_FILE = f"{STATE_DIRECTORY}/speedmon.db"
DATABASE_URL = f"sqlite:///{DATABASE_FILE}"
CACHE_DIRECTORY = "/var/cache/speedmon"
LOG_DIRECTORY = "/var/log/speedmon"
REPAIR_LOG = f"{LOG_DIRECTORY}/repairs.jsonl"
RUNTIME_DIRECTORY = "/run/speedmon"
COLLECT_SOCKET = f"{RUNTIME_DIRECTORY}/collect.sock"
UNIT_DIRECTORY = "/etc/systemd/system"
CRON_FILE = "/etc/cron.d/speedmon"
LOCAL_DIRECTORY = "/usr/local"
MANUAL_FILE = "/usr/local/share/man/man1/speedmon.1"
COMPLETION_FILES = {
    "bash": "/usr/local/share/bash-completion/completions/speedmon",
    "zsh": "/usr/local/share/zsh/site-functions/_speedmon",
    "fish": "/usr/local/share/fish/vendor_completions.d/speedmon.fish",
}
TEST_LOCK_FILES = ("/run/lock/speedmon.lock", "/tmp/speedmon.lock")  # noqa: S108  see `lock`
INSTALL_LOCK_FILE = "/run/speedmon-install.lock"
LOCK_FILES = (*TEST_LOCK_FILES, "/run/speedmon-netns.lock")

# The group may write too: SQLite needs that of every reader of a database in WAL mode, and a member's own tests go into
# the same file. Others may pass through to the folder `www`.
STATE_MODE = 0o2771
STATE_FILE_MODE = 0o660
CONFIG_DIRECTORY_MODE = 0o755
CONFIG_MODE = 0o640


class SchedulerKind(StrEnum):
    """What starts the tests."""

    SERVE = "serve"
    TIMER = "timer"
    CRON = "cron"
    NONE = "none"


class InstallRequest(Struct, frozen=True):
    """What the user asked for; `plan` is download and upload in Mbit/s, as sold."""

    scheduler: SchedulerKind
    members: tuple[str, ...] = ()
    plan: tuple[float, float] | None = None


class InstalledProgram(Struct, frozen=True):
    """The installed program: the path of its command, and of the Python that runs it."""

    command: str
    python: str
    version: str


class FileState(Struct, frozen=True):
    """A file as it is; `content` is None where it was not read."""

    mode: int
    user: str
    group: str
    content: str | None = None


class InstallRecord(Struct, frozen=True):
    """What an installation made, kept in RECORD_FILE from before its first step on."""

    version: str = ""
    scheduler: SchedulerKind = SchedulerKind.NONE
    made_user: bool = False
    made_group: bool = False
    members: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()


class MachineState(Struct, frozen=True):
    """The machine as it is.

    Attributes:
        systemd: whether systemd runs it.
        user_group: the primary group of the user speedmon; None where there is no such user.
        group_members: the members of the group speedmon; None where there is no such group.
        files: the files that the installer writes or removes, by path; those that do not exist are left out.
        directories: likewise the folders.
        strays: paths below the state directory that the service could not write.
        enabled: our units that start at boot.
        active: our units that run; `running` those that start or stop, too, such as a test.
        stale: our units that run an older file than the one on disk, or an older program.
        overrides: folders with drop-ins of the user's for our units.
        is_testing: whether a test runs, whoever started it.
        schema_current: whether the database exists and has the current schema.
        compiler: whether a trial of the C compiler worked.
        local_writable: whether there can be programs and manuals in /usr/local.
        namespace_changes: the steps that the namespace needs, in words.
        namespace_exists: whether anything of the namespace is there to tear down.
        namespace_made_group: whether `setup-netns` made the group, before or without an installation.
        default_minute: a minute of the hour that belongs to this machine.
    """

    systemd: bool
    user_group: str | None = None
    group_members: tuple[str, ...] | None = None
    files: dict[str, FileState] = {}
    directories: dict[str, FileState] = {}
    strays: tuple[str, ...] = ()
    enabled: frozenset[str] = frozenset()
    active: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()
    stale: frozenset[str] = frozenset()
    overrides: tuple[str, ...] = ()
    is_testing: bool = False
    schema_current: bool = False
    compiler: bool = False
    local_writable: bool = True
    namespace_changes: tuple[str, ...] = ()
    namespace_exists: bool = False
    namespace_made_group: bool = False
    default_minute: int = 7
    record: InstallRecord | None = None
