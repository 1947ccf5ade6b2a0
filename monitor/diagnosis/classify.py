"""What failed and whose fault it is, from how the engine ended and what it printed. Pure.

Used only when there is no complete result: with one, neither stderr nor the exit code makes a test a failure.
The signs of an engine are in its own module; those that all engines share are here.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from signal import Signals
from typing import TYPE_CHECKING

from monitor.engines import parsing
from monitor.engines.base import Sign
from monitor.model import Failure, FailureKind, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.engines.base import Engine, ParsedOutput
    from monitor.system.process import ProcessResult


MAX_MESSAGE = 300

# More complaints, or longer ones, would cost time and explain nothing.
MAX_COMPLAINTS = 500

MAX_COMPLAINT_LENGTH = 2_000

LAUNCHER_EXIT_CODE = 125

# Of all engines: the complaints of `monitor.engines.parsing.to_rates` about a result that cannot be used, and others.
_COMMON_SIGNS = (
    Sign(r"^result with an impossible ", FailureKind.BAD_OUTPUT, Scope.UNKNOWN),
    Sign(r"^result without a (download|upload) rate$", FailureKind.STAGE_FAILED, Scope.UNKNOWN),
    # This machine lacks memory, processes, files or space.
    Sign(
        r"(?i)cannot allocate memory|cannot fork|no space left on device|too many open files|disk quota exceeded"
        r"|read-only file system|^MemoryError",
        FailureKind.CRASHED,
        Scope.LOCAL,
    ),
    # The message of `monitor.engines.registry.guard_engine` about a broken engine of another package.
    Sign(r"^the engine \S+ is broken: ", FailureKind.CRASHED, Scope.CONFIG),
)

# A shell or a launcher in between reports a signal as exit code 128 + its number.
_SIGNALS_AS_CODES = {128 + number: number for number in (4, 6, 7, 8, 9, 11)}

_STAGES = (
    ("server_list", r"server list"),
    ("server_selection", r"server selection|best server|servers to test latency|no matched servers|noservers"),
    ("configuration", r"configuration"),
    ("latency", r"latency"),
    ("download", r"download"),
    ("upload", r"upload"),
)

_WEB_PAGE = re.compile(r"\s*<(!doctype html|html)\b", re.IGNORECASE)

_DECORATION = re.compile(r"^(?:ERROR:|Error: \[\d+\])\s*|^\w+: error:\s*")

_URLOPEN = re.compile(r"<urlopen error (.*)>")


def classify(
    engine: Engine, ended: ProcessResult, parsed: ParsedOutput, launcher: str | None, timeout_s: float
) -> Failure:
    """Return why a run has no result.

    Args:
        engine: whose signs are looked for.
        ended: how its process ended.
        parsed: what it printed.
        launcher: name of the namespace that it had to be started in; None: it was started on the host.
        timeout_s: the deadline, for the message.
    """
    return (
        _from_interruption(ended, parsed, timeout_s)
        or _from_launcher(ended, launcher)
        or _from_signal(engine, ended, parsed)
        or _from_exit_code(engine, ended, parsed)
        or _from_signs(_COMMON_SIGNS + engine.signs, ended, parsed)
        or _from_missing_result(ended, parsed)
    )


def _from_interruption(ended: ProcessResult, parsed: ParsedOutput, timeout_s: float) -> Failure | None:
    if ended.interrupted is not None:
        return _to_failure(
            FailureKind.INTERRUPTED, Scope.LOCAL, f"ended by {_signal_name(ended.interrupted)}", ended, parsed
        )
    if ended.timed_out:
        last = f"; last output: {_strip_decoration(parsed.complaints[-1])}" if parsed.complaints else ""
        return _to_failure(FailureKind.TIMEOUT, Scope.UNKNOWN, f"no result after {timeout_s:g} s{last}", ended, parsed)
    return None


def _from_launcher(ended: ProcessResult, launcher: str | None) -> Failure | None:
    prefix = f"{launcher}: ".encode()
    if ended.exec_errno is not None:
        text = "the launcher of the namespace" if launcher else "the engine"
        kind, scope = (FailureKind.NAMESPACE, Scope.LOCAL) if launcher else (FailureKind.NOT_INSTALLED, Scope.CONFIG)
        return Failure(kind, scope, "start", f"{text} cannot be executed: {os.strerror(ended.exec_errno)}")
    if launcher is None or ended.exit_code != LAUNCHER_EXIT_CODE:
        return None
    line = next((line for line in ended.stderr.splitlines() if line.startswith(prefix)), None)
    if line is None:
        return None
    return Failure(
        FailureKind.NAMESPACE, Scope.LOCAL, "start", _clean_message(line.decode("utf-8", "replace")), LAUNCHER_EXIT_CODE
    )


def _from_signal(engine: Engine, ended: ProcessResult, parsed: ParsedOutput) -> Failure | None:
    number = ended.signal or _SIGNALS_AS_CODES.get(ended.exit_code or 0)
    if number is None:
        return None
    known = _from_signs([sign for sign in engine.signs if sign.kind is FailureKind.CRASHED], ended, parsed)
    scope, details = _signal_meaning(number)
    return known or _to_failure(
        FailureKind.CRASHED, scope, f"{engine.name} was ended by {_signal_name(number)}{details}", ended, parsed
    )


def _signal_meaning(number: int) -> tuple[Scope, str]:
    if number == Signals.SIGKILL:
        return Scope.LOCAL, ", not by speedmon: out of memory, or by somebody"
    if number == Signals.SIGILL:
        return Scope.CONFIG, ": built for another processor"
    if number in {Signals.SIGSEGV, Signals.SIGABRT, Signals.SIGBUS, Signals.SIGFPE}:
        return Scope.PROVIDER, ""
    return Scope.LOCAL, ", not by speedmon"


def _from_exit_code(engine: Engine, ended: ProcessResult, parsed: ParsedOutput) -> Failure | None:
    meaning = engine.exit_signs.get(ended.exit_code or 0)
    if meaning is None:
        return None
    named = _from_signs([sign for sign in engine.signs if sign.kind is meaning[0]], ended, parsed)
    return named or _to_failure(*meaning, _last_complaint(engine, ended, parsed), ended, parsed)


def _from_signs(signs: tuple[Sign, ...] | list[Sign], ended: ProcessResult, parsed: ParsedOutput) -> Failure | None:
    """Return the failure of the first sign that matches any complaint; signs go from specific to general."""
    lines = [*_recent_complaints(parsed)]
    for sign in signs:
        for line in lines:
            if re.search(sign.pattern, line):
                failure = _to_failure(sign.kind, sign.scope, line, ended, parsed)
                return replace(failure, stage=sign.stage) if sign.stage else failure
    return None


def _from_missing_result(ended: ProcessResult, parsed: ParsedOutput) -> Failure:
    if parsed.noise is not None:
        text = "a web page, perhaps a login page" if _WEB_PAGE.match(parsed.noise) else "output that is not a result"
        message = f"{text}: {_strip_decoration(parsed.noise)}"
        return _to_failure(FailureKind.BAD_OUTPUT, Scope.UNKNOWN, message, ended, parsed)
    if ended.exit_code == 0:
        last_line = f": {_strip_decoration(parsed.complaints[-1])}" if parsed.complaints else ""
        return _to_failure(
            FailureKind.BAD_OUTPUT,
            Scope.UNKNOWN,
            f"ended without a result and without an error{last_line}",
            ended,
            parsed,
        )
    message = (
        parsed.complaints[-1] if parsed.complaints else f"ended with exit code {ended.exit_code} and printed nothing"
    )
    return _to_failure(FailureKind.UNKNOWN, Scope.UNKNOWN, message, ended, parsed)


def _to_failure(kind: FailureKind, scope: Scope, message: str, ended: ProcessResult, parsed: ParsedOutput) -> Failure:
    stage = _find_stage([message]) or parsed.stage or _find_stage(_recent_complaints(parsed))
    return Failure(kind, scope, stage, _clean_message(message), ended.exit_code, ended.signal)


def _recent_complaints(parsed: ParsedOutput) -> Iterator[str]:
    for complaint in parsed.complaints[-MAX_COMPLAINTS:]:
        yield complaint[:MAX_COMPLAINT_LENGTH]


def _find_stage(lines: list[str] | Iterator[str]) -> str | None:
    """Return the stage that the first matching line names."""
    for line in lines:
        for stage, pattern in _STAGES:
            if re.search(pattern, line, re.IGNORECASE):
                return stage
    return None


def _last_complaint(engine: Engine, ended: ProcessResult, parsed: ParsedOutput) -> str:
    return parsed.complaints[-1] if parsed.complaints else f"{engine.name} ended with exit code {ended.exit_code}"


def _clean_message(message: str) -> str:
    return parsing.clean_text(_strip_decoration(message), MAX_MESSAGE) or "no message"


def _strip_decoration(line: str) -> str:
    """Return a line without the prefix that its program puts before every error."""
    return _URLOPEN.sub(r"\1", _DECORATION.sub("", line[:MAX_COMPLAINT_LENGTH])).strip() or line.strip()


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
