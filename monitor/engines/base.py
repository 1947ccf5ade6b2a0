"""What an engine is, how its program is found, and the environment that it runs in.

To add an engine, write a module with an `ENGINE` of the type `Engine`, and a row in `registry.BUILT_IN`. One that is a
program of its own describes it as a `Program`: it is looked up on PATH, and its --version shows whether it is the right
one. The environment is small and fixed; nothing else of the caller's is passed on.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.engines import parsing
from monitor.model import Failure, FailureKind, Scope
from monitor.system import files
from monitor.system.process import ProcessResult

if TYPE_CHECKING:
    import re

    from monitor.config.settings import Settings
    from monitor.model import Measurement, Server
    from netns.entry.enter import SudoCaller


# Runs a short command that needs no network, such as `speedtest --version`.
CommandRunner = Callable[[list[str]], ProcessResult]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class EngineLocation:
    """Where an engine was found: the start of its command line, or why it cannot be used.

    `configured` is True where the settings name it, so that no other engine may replace it. `passed_over` says why
    `auto` did not use an engine that it prefers, although that is installed.
    """

    command: tuple[str, ...] = ()
    version: str | None = None
    failure: Failure | None = None
    configured: bool = False
    passed_over: Failure | None = None


@dataclass(frozen=True, slots=True)
class EngineProgress:
    """The progress of a running test: phase (latency, download, upload), share of the phase (0 to 1), rate in bit/s."""

    phase: str
    share: float | None = None
    rate_bps: int | None = None


@dataclass(frozen=True, slots=True)
class LocalEnd:
    """The near end of a test as the engine saw it: interface and address."""

    link: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedOutput:
    """An engine's output, parsed: the result if there is a complete one, and every complaint, oldest first.

    `stage` is the last phase that it reported; `noise` the first line of its output that is not of its format; `server`
    the one that it chose, reported before the result; `local` the near end.
    """

    measurement: Measurement | None = None
    complaints: tuple[str, ...] = ()
    stage: str | None = None
    noise: str | None = None
    server: Server | None = None
    local: LocalEnd | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """A regular expression for complaints: where it matches, it shows what failed and whose fault it is."""

    pattern: str
    kind: FailureKind
    scope: Scope
    stage: str | None = None


def _always_allowed(_settings: Settings) -> Failure | None:
    return None


def _no_progress(_line: str) -> EngineProgress | None:
    return None


def _located_version(located: EngineLocation) -> str | None:
    return located.version


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that measures.

    Attributes:
        name: its name in the table and in stored rows.
        locate: has effects; (settings, environment, ask) to where it is.
        command: pure; (located, settings, server id or "") to the argument list of a test.
        parse: pure; (stdout, stderr) to the parsed output; never raises.
        signs: tried in this order on every complaint; the first that matches classifies the failure.
        exit_signs: the meaning of exit codes.
        barred: pure; the failure when the settings do not allow it to be started, else None, as for most.
        progress: pure; a line of stdout to the progress of the test, None for any other line.
        version: has effects; called after the test, so it may be slow; by default the one that `locate` found.
        servers_command: pure; (located, settings) to the argument list that lists servers; None: it has no list.
        parse_servers: pure; (stdout, stderr) of that command to the servers, in its order; never raises.
        exclude: pure; server ids to the arguments that keep a test away from them; None: it has no such option.
        home: NAME:PORT of the host that it contacts first, for the diagnosis of a failure; may be empty.
    """

    name: str
    locate: Callable[[Settings, Mapping[str, str], CommandRunner], EngineLocation]
    command: Callable[[EngineLocation, Settings, str], list[str]]
    parse: Callable[[bytes, bytes], ParsedOutput]
    signs: tuple[Sign, ...]
    exit_signs: Mapping[int, tuple[FailureKind, Scope]] = field(default_factory=dict)
    barred: Callable[[Settings], Failure | None] = _always_allowed
    progress: Callable[[str], EngineProgress | None] = _no_progress
    version: Callable[[EngineLocation], str | None] = _located_version
    servers_command: Callable[[EngineLocation, Settings], list[str]] | None = None
    parse_servers: Callable[[bytes, bytes], tuple[Server, ...]] | None = None
    exclude: Callable[[Sequence[str]], list[str]] | None = None
    home: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A program: its name on PATH, the setting for its path, its title in messages, and the pattern of its version.

    The first group of `version` is the version; where --version prints nothing that matches, it is another program.
    """

    name: str
    setting: str
    title: str
    version: re.Pattern[str]


def locate_program(program: Program, configured: str, environ: Mapping[str, str], ask: CommandRunner) -> EngineLocation:
    """Return where the program is, and its version; or why it cannot be used."""
    return identify_program(program, find_program(program, configured, environ), ask)


def find_program(program: Program, configured: str, environ: Mapping[str, str]) -> EngineLocation:
    """Return where the program is, by the configured path or on PATH, or why it cannot be found."""
    # Path.expanduser would raise for a user who does not exist.
    requested = os.path.expanduser(configured) or program.name  # noqa: PTH111
    binary = shutil.which(requested, path=environ.get("PATH") or DEFAULT_PATH)
    if binary is None:
        return EngineLocation(failure=_not_installed_failure(program, requested), configured=bool(configured))
    return EngineLocation((str(Path(binary).absolute()),), configured=bool(configured))


def identify_program(program: Program, located: EngineLocation, ask: CommandRunner) -> EngineLocation:
    """Return `located` with the program's version, or with the failure if it is another program."""
    if located.failure is not None:
        return located
    binary = located.command[0]
    ended = ask([binary, "--version"])
    if ended.exec_errno is not None:
        failure = _not_executable_failure(binary, ended.exec_errno)
        return EngineLocation(located.command, None, failure, located.configured)
    printed = b"\n".join((ended.stdout, ended.stderr)).decode("utf-8", "replace").strip()
    if match := program.version.search(printed):
        return EngineLocation(located.command, match[1], None, located.configured)
    failure = wrong_program_failure(program, binary, _describe_other_program(ended, printed))
    return EngineLocation(located.command, None, failure, located.configured)


def wrong_program_failure(program: Program, binary: str, actual: str) -> Failure:
    """Return the failure for another program of the right name."""
    fix = f"set {program.setting} to the path of {program.title}"
    return _start_failure(FailureKind.WRONG_BINARY, f"{binary} is not {program.title} but {actual}: {fix}")


def _not_installed_failure(program: Program, requested: str) -> Failure:
    if requested != program.name and Path(requested).is_file():
        return _start_failure(
            FailureKind.NOT_INSTALLED, f"{requested} is not executable: chmod +x it, or fix {program.setting}"
        )
    problem = f"{requested} does not exist" if requested != program.name else f"no program called {requested} on PATH"
    return _start_failure(
        FailureKind.NOT_INSTALLED, f"{problem}: install {program.title}, or set {program.setting} to its path"
    )


def _not_executable_failure(binary: str, number: int) -> Failure:
    hint = " (built for another processor?)" if number == errno.ENOEXEC else ""
    return _start_failure(FailureKind.NOT_INSTALLED, f"{binary} cannot be executed: {os.strerror(number)}{hint}")


def _describe_other_program(ended: ProcessResult, printed: str) -> str:
    if ended.timed_out:
        return "a program that does not answer --version"
    return (
        f"{first!r}"
        if (first := parsing.clean_text(printed.partition("\n")[0], 80))
        else "a program that prints nothing"
    )


def _start_failure(kind: FailureKind, message: str) -> Failure:
    return Failure(kind, Scope.CONFIG, "start", message)


def engine_environment(state_dir: Path, database_dir: Path | None, user: SudoCaller | None = None) -> dict[str, str]:
    """Return the complete environment of an engine, with a HOME of its own.

    Ookla's CLI aborts without HOME, and stores there that its licence is accepted. It is `home` in the state directory,
    else in the folder of a SQLite database, else `/`: then nothing lasts, but no engine aborts. For another user, as
    whom root runs the engine, it is `home-UID` in a folder of root's, and in none of a third user's.

    Args:
        state_dir: the state directory.
        database_dir: the folder of a SQLite database; None where there is none.
        user: as whom the engine runs, None for the user of this process.
    """
    usable = (home for folder in (state_dir, database_dir) if folder and (home := _prepare_home(folder, user)))
    return {"PATH": DEFAULT_PATH, "HOME": str(next(usable, Path("/"))), "LANG": "C.UTF-8"}


def _prepare_home(folder: Path, user: SudoCaller | None) -> Path | None:
    """Return the HOME in a folder, made where there is none; None where it cannot be used."""
    try:
        if user is None:
            home = folder / "home"
            files.make_folder(home, 0o700)
            return home if os.access(home, os.R_OK | os.W_OK | os.X_OK, effective_ids=True) and home.is_dir() else None
        files.make_folder(folder, 0o755)
        home = _make_home_of(user, folder)
        status = home.lstat()
    except OSError:
        return None
    is_theirs = stat.S_ISDIR(status.st_mode) and status.st_uid == user.uid
    return home if is_theirs and all(_may_pass(user, parent) for parent in home.absolute().parents) else None


def _make_home_of(user: SudoCaller, folder: Path) -> Path:
    """Make the HOME of another user; root gives away only what it has made in a folder that nobody else can change.

    Raises:
        OSError: it cannot be made.
    """
    status = folder.stat()
    if status.st_uid == user.uid:
        files.make_folder(folder / "home", 0o700)
        return folder / "home"
    home = folder / f"home-{user.uid}"
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or home.exists():
        return home
    home.mkdir(0o700)
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, *user)
    finally:
        os.close(descriptor)
    return home


def _may_pass(user: SudoCaller, folder: Path) -> bool:
    """Whether the mode of a folder lets a user pass through, as owner, by the main group or as anybody."""
    status = folder.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    return bool(status.st_mode & (stat.S_IXGRP if status.st_gid == user.gid else stat.S_IXOTH))
