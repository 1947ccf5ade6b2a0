"""What an engine is: where to find it, its command line, a pure parser and the signs of its failures.

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

    `configured` says that the settings name it outright, so that nothing else may stand in for it.
    """

    command: tuple[str, ...] = ()
    version: str | None = None
    failure: Failure | None = None
    configured: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of a running test: phase (latency, download, upload), share of the phase (0 to 1), rate in bit/s."""

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
    """What an engine said: the result if there is a whole one, and every complaint, oldest first, without decoration.

    `stage` is the last phase it reported; `noise` the first line of its output that is not what it should print;
    `server` the one that it chose, told before there was a result; `local` its near end.
    """

    measurement: Measurement | None = None
    complaints: tuple[str, ...] = ()
    stage: str | None = None
    noise: str | None = None
    server: Server | None = None
    local: Local | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """A regular expression that, found in a complaint, tells what failed and whose fault it is."""

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
        name: what the table and the rows call it.
        locate: edge; (settings, environment, ask) to where it is.
        command: pure; (located, settings, server id or "") to the argument list of a test.
        parse: pure; (stdout, stderr) to what it said; never raises.
        signs: tried in this order on every complaint; the first that fits names the failure.
        exit_signs: what single exit codes mean.
        barred: pure; the failure when the settings do not allow it to be started, else None, as for most.
        progress: pure; a line of stdout to a moment of the test, None for any other line; most tell none.
        version: edge; called after the test, so that it may cost something; most are told where they are located.
        servers_command: pure; (located, settings) to the argument list that lists servers; None: it lists none.
        parse_servers: pure; (stdout, stderr) of that command to the servers, in its order; never raises.
        exclude: pure; server ids to the arguments that keep a test away from them; None: it cannot.
        home: NAME:PORT of whom it asks first, to tell the provider's trouble from the line's; may be empty.
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
