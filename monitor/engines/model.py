"""What an engine is: where it is installed, its command line, a pure parser and the signs of its failures.

The types only. To add an engine, write one module with an `ENGINE` of this type and a row in `monitor.engines.TABLE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.process import Ended

if TYPE_CHECKING:
    from monitor.model import Failure, Kind, Measurement, Scope, Server
    from monitor.settings import Settings

# Runs a short command that needs no network, such as `speedtest --version`.
Ask = Callable[[list[str]], Ended]


@dataclass(frozen=True, slots=True)
class Located:
    """Where an engine was found: the start of its command line, or why it cannot be used.

    `configured` is True where the settings name it, so that no other engine may replace it.
    """

    command: tuple[str, ...] = ()
    version: str | None = None
    failure: Failure | None = None
    configured: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a running test: phase (latency, download, upload), share of the phase (0 to 1), rate in bit/s."""

    phase: str
    share: float | None = None
    rate_bps: int | None = None


@dataclass(frozen=True, slots=True)
class Local:
    """The near end of a test as the engine saw it: interface and address."""

    link: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """An engine's output, parsed: the result if there is a complete one, and every complaint, oldest first.

    `stage` is the last phase that it reported; `noise` the first line of its output that is not of its format; `server`
    the one that it chose, reported before the result; `local` the near end.
    """

    measurement: Measurement | None = None
    complaints: tuple[str, ...] = ()
    stage: str | None = None
    noise: str | None = None
    server: Server | None = None
    local: Local | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """A regular expression for complaints: where it matches, it says what failed and whose fault it is."""

    pattern: str
    kind: Kind
    scope: Scope
    stage: str | None = None


def _always_allowed(_settings: Settings) -> Failure | None:
    return None


def _silent(_line: str) -> Progress | None:
    return None


def _as_located(located: Located) -> str | None:
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
    locate: Callable[[Settings, Mapping[str, str], Ask], Located]
    command: Callable[[Located, Settings, str], list[str]]
    parse: Callable[[bytes, bytes], Parsed]
    signs: tuple[Sign, ...]
    exit_signs: Mapping[int, tuple[Kind, Scope]] = field(default_factory=dict)
    barred: Callable[[Settings], Failure | None] = _always_allowed
    progress: Callable[[str], Progress | None] = _silent
    version: Callable[[Located], str | None] = _as_located
    servers_command: Callable[[Located, Settings], list[str]] | None = None
    parse_servers: Callable[[bytes, bytes], tuple[Server, ...]] | None = None
    exclude: Callable[[Sequence[str]], list[str]] | None = None
    home: str = ""
