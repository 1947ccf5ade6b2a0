"""Reads everything that the plan of an installation depends on. Changes nothing."""

from __future__ import annotations

import functools
import grp
import hashlib
import os
import pwd
import shlex
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from monitor import __version__
from monitor.errors import InstallError, UsageError
from monitor.install import model, units
from monitor.install.model import FileState, InstalledProgram, InstallRecord, MachineState
from monitor.store import connection
from monitor.system import files, lock
from netns import journal, setup
from netns.errors import NetnsError
from netns.launcher import install as launcher
from netns.launcher import marker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netns.spec import NamespaceSpec

SYSTEMD_RUNS = Path("/run/systemd/system")
SYSTEMCTL_TIMEOUT_S = 90

MACHINE_WIDE = (
    "install it for the whole machine, with sudo PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install"
)

# A machine's own minute keeps many installations from testing at once; the id itself must not get out.
MACHINE_ID = Path("/etc/machine-id")


def observe_machine(spec: NamespaceSpec, paths: Iterable[str]) -> MachineState:
    """Return the machine as it is.

    Args:
        spec: the namespace that the machine has or is to have.
        paths: the files that will be written, besides those that an installation may have left.
    """
    systemd = SYSTEMD_RUNS.is_dir()
    user = _find_user()
    group = _find_group()
    unit_states = dict(_unit_states()) if systemd else {}
    return MachineState(
        systemd=systemd,
        user_group=grp.getgrgid(user.pw_gid).gr_name if user else None,
        group_members=tuple(group.gr_mem) if group else None,
        files={path: state for path in {*paths, *_known_files()} if (state := _file_state(path))},
        directories={path: state for path in _known_directories(paths) if (state := _directory_state(path))},
        strays=tuple(_find_strays(user, group)),
        enabled=frozenset(unit for unit, state in unit_states.items() if state["UnitFileState"] == "enabled"),
        active=frozenset(
            unit for unit, state in unit_states.items() if state["ActiveState"] in {"active", "reloading"}
        ),
        running=frozenset(
            unit for unit, state in unit_states.items() if state["ActiveState"] not in {"inactive", "failed"}
        ),
        overrides=tuple(find_overrides()),
        is_testing=is_testing(),
        stale=frozenset(unit for unit, state in unit_states.items() if state["NeedDaemonReload"] == "yes"),
        schema_current=_is_schema_current(user),
        compiler=is_local_writable() and try_compiler(spec.name),
        local_writable=is_local_writable(),
        namespace_changes=_namespace_changes(spec),
        namespace_exists=_namespace_exists(spec),
        namespace_made_group=_has_namespace_made_group(spec),
        default_minute=machine_minute(),
        record=read_record(),
    )


def read_record() -> InstallRecord | None:
    """Return the record of the installation, None where there is none.

    Raises:
        InstallError: it is damaged.
    """
    try:
        return msgspec.json.decode(Path(model.RECORD_FILE).read_bytes(), type=InstallRecord)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except msgspec.DecodeError as error:
        raise InstallError(f"{model.RECORD_FILE} is damaged ({error}): remove it and run the command again") from error


def this_program() -> InstalledProgram:
    """Return the installed program that runs now.

    Raises:
        UsageError: it has no command, or others than root could change it, which a service of root's must not run.
    """
    command = Path(sys.executable).with_name("speedmon")
    if not command.exists():
        raise UsageError(f"{command} does not exist: install speedmon with pipx or into a virtual environment first")
    for path in (command, Path(sys.executable), Path(__file__)):
        if problem := find_unsafe_parent(path):
            raise UsageError(f"root's services must not run {path}, because {problem}, then run install again")
    return InstalledProgram(str(command), sys.executable, __version__)


def find_unsafe_parent(path: Path) -> str | None:
    """Return why root's services must not run a file, as others could change it or not reach it, and the fix."""
    parts = (path, *path.parents, *path.resolve().parents)
    return next((risk for part in parts if (risk := describe_risk(part, part.stat()))), None)


def describe_risk(part: Path, state: os.stat_result) -> str | None:
    """Return what is wrong with a program or a folder on its path, and the fix; None if nothing is."""
    if state.st_uid != 0:
        return f"{part} belongs to {_user_name(state.st_uid)}: {MACHINE_WIDE}"
    if state.st_mode & stat.S_IWOTH and not state.st_mode & stat.S_ISVTX:
        return f"everybody may write to {part}: chmod o-w {shlex.quote(str(part))}"
    if not state.st_mode & (stat.S_IXOTH if stat.S_ISDIR(state.st_mode) else stat.S_IROTH):
        return f"the service's user may not enter {part}: {_reach_fix(part)}"
    return None


def _reach_fix(folder: Path) -> str:
    """Return how to let the service in: a home stays closed, what was installed with a strict umask is opened."""
    home = Path("~root").expanduser()
    if folder in {home, *home.parents} or folder.is_relative_to(home) or folder.is_relative_to("/home"):
        return MACHINE_WIDE
    return f"chmod -R go+rX {shlex.quote(str(folder))}"


def machine_minute() -> int:
    """Return a minute of the hour that belongs to this machine, never 0."""
    try:
        identity = MACHINE_ID.read_bytes()
    except OSError:
        identity = os.uname().nodename.encode()
    return 1 + hashlib.sha256(b"speedmon" + identity).digest()[0] % 58


@functools.cache
def try_compiler(name: str) -> bool:
    """Return whether the launcher can be built, or is there and needs no building."""
    path = Path(f"/usr/local/bin/{name}")
    if path.exists() and marker.is_current_launcher(path, name, launcher.source_digest(name)):
        return True
    if launcher.find_compiler() is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            return bool(launcher.build_launcher(name, Path(folder)))
        except NetnsError:
            return False


def is_local_writable() -> bool:
    """Return whether root can write to /usr/local, which is read-only on some systems."""
    return os.access(model.LOCAL_DIRECTORY, os.W_OK)


def is_testing() -> bool:
    """Return whether a test runs on this machine, whoever started it."""
    try:
        return lock.is_held("", model.TEST_LOCK_FILES)
    except UsageError:  # the kernel does not show its locks here
        return False


def find_overrides() -> list[str]:
    """Return the folders with drop-ins for our units, as `systemctl edit` makes them."""
    folders = (Path(model.UNIT_DIRECTORY, f"{unit}.d") for unit in units.ALL_UNITS)
    return [str(folder) for folder in folders if folder.is_dir() and not folder.is_symlink()]


def find_dangling_links() -> Iterator[str]:
    """Yield links that enabled a unit whose file somebody has removed: systemd cannot disable it any more."""
    for folder in Path(model.UNIT_DIRECTORY).glob("*.wants"):
        links = (folder / unit for unit in units.ALL_UNITS)
        yield from (str(link) for link in links if link.is_symlink() and not link.exists())


def _find_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(model.USER)
    except KeyError:
        return None


def _find_group() -> grp.struct_group | None:
    try:
        return grp.getgrnam(model.GROUP)
    except KeyError:
        return None


def _known_files() -> Iterator[str]:
    """Yield the files that an installation may have left, with those that a killed one has not finished."""
    for path in _complete_files():
        yield path
        yield from map(str, files.find_unfinished(Path(path)))


def _complete_files() -> Iterator[str]:
    yield from (f"{model.UNIT_DIRECTORY}/{unit}" for unit in units.ALL_UNITS)
    yield from (model.CRON_FILE, model.CONFIG_FILE, model.RECORD_FILE, model.MANUAL_FILE, model.DATABASE_FILE)
    yield from model.COMPLETION_FILES.values()
    yield from model.LOCK_FILES
    yield from map(str, Path("/var/lib/systemd/timers").glob("stamp-speedmon-*.timer"))
    yield from find_dangling_links()


def _known_directories(paths: Iterable[str]) -> Iterator[str]:
    yield from (model.CONFIG_DIRECTORY, model.STATE_DIRECTORY, f"{model.STATE_DIRECTORY}/www", model.CACHE_DIRECTORY)
    yield from (model.LOG_DIRECTORY, model.RUNTIME_DIRECTORY)
    yield from sorted({str(parent) for path in {*paths, *_known_files()} for parent in Path(path).parents})


def _file_state(path: str) -> FileState | None:
    file = Path(path)
    try:
        state = file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    is_text = stat.S_ISREG(state.st_mode) and path != model.DATABASE_FILE
    content = file.read_text(encoding="utf-8", errors="replace") if is_text else ""
    return FileState(stat.S_IMODE(state.st_mode), _user_name(state.st_uid), _group_name(state.st_gid), content)


def _directory_state(path: str) -> FileState | None:
    try:
        state = Path(path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISDIR(state.st_mode):
        raise InstallError(f"{path} is not a folder: move it away and run the command again")
    return FileState(stat.S_IMODE(state.st_mode), _user_name(state.st_uid), _group_name(state.st_gid))


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _find_strays(user: pwd.struct_passwd | None, group: grp.struct_group | None) -> Iterator[str]:
    """Yield what is below the state directory and does not belong to the service's user, or is closed to the group.

    A member's own files are no strays: the group owns them. Folders of the service's alone, such as the spool, stay.
    """
    for folder, _folders, names in os.walk(model.STATE_DIRECTORY):
        for path in (folder, *(f"{folder}/{name}" for name in names)):
            state = os.lstat(path)
            owned = user is not None and group is not None and state.st_gid == group.gr_gid
            is_database = path.startswith(model.DATABASE_FILE) and stat.S_ISREG(state.st_mode)
            if not owned or (is_database and stat.S_IMODE(state.st_mode) != model.STATE_FILE_MODE):
                yield path


def _is_schema_current(user: pwd.struct_passwd | None) -> bool:
    if user is None or not Path(model.DATABASE_FILE).exists():
        return False
    return connection.is_schema_current(model.DATABASE_URL)


def _namespace_changes(spec: NamespaceSpec) -> tuple[str, ...]:
    """Return what set-up would do; where it cannot even plan, that is for the step itself to report."""
    spec = replace(spec, launcher=spec.launcher and is_local_writable())
    try:
        return tuple(map(str, setup.set_up_namespace(spec, dry_run=True).steps))
    except NetnsError as error:
        return (str(error),)


def _namespace_exists(spec: NamespaceSpec) -> bool:
    try:
        return bool(setup.tear_down_namespace(spec, dry_run=True).steps)
    except NetnsError:
        return True


def _has_namespace_made_group(spec: NamespaceSpec) -> bool:
    try:
        return journal.load_journal(spec.name).made_group
    except NetnsError:  # its own commands report a damaged journal
        return False


def _unit_states() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each of our units that systemd knows with its state."""
    properties = "Id,LoadState,UnitFileState,ActiveState,NeedDaemonReload"
    known = [unit for unit in units.ALL_UNITS if "@" not in unit]
    shown = run_systemctl("show", f"--property={properties}", *known)
    for block in shown.strip().split("\n\n"):
        state = dict(line.split("=", 1) for line in block.splitlines())
        # A unit whose file is gone may still run.
        if state.get("LoadState") == "loaded" or state.get("ActiveState", "inactive") != "inactive":
            yield state["Id"], state


def run_systemctl(*arguments: str, timeout_s: float = SYSTEMCTL_TIMEOUT_S) -> str:
    """Run systemctl and return its output.

    Raises:
        InstallError: it failed; the message is its last line.
    """
    command = ["systemctl", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise InstallError(f"`{' '.join(command)}` failed: {lines[-1]}")
    return done.stdout
