"""Carry out steps, and undo them in reverse order when one fails.

`netns.kernel` imports pyroute2: nothing that runs before each test may import this module.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from netns.errors import NetnsError, StepError
from netns.execution import execute
from netns.kernel import Kernel, NetlinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netns.steps import Step


def run(planned: Iterable[Step], on_step: Callable[[Step], None] = lambda _step: None) -> None:
    """Carry out steps in order; `on_step` is called with each step before it is carried out.

    Raises:
        StepError: a step failed. The steps before it have been undone; the message names the step.
    """
    done: list[Step] = []
    with Kernel() as kernel:
        for step in planned:
            on_step(step)
            try:
                execute(step, kernel)
            except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
                failures = _roll_back(done, kernel)
                raise _step_error(step, error, failures) from error
            done.append(step)


def take_back(done: Iterable[Step]) -> list[str]:
    """Undo steps, last first; return one message for each step that could not be undone."""
    with Kernel() as kernel:
        return _roll_back(list(done), kernel)


def run_all(planned: Iterable[Step], on_step: Callable[[Step], None] = lambda _step: None) -> None:
    """Carry out every step even if others fail, as a teardown must.

    Raises:
        StepError: naming every step that failed.
    """
    failures: list[str] = []
    with Kernel() as kernel:
        for step in planned:
            on_step(step)
            try:
                execute(step, kernel)
            except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
                failures.append(f"`{step}` failed: {_words(error)}")
    if failures:
        raise StepError("; ".join(failures))


def _roll_back(done: list[Step], kernel: Kernel) -> list[str]:
    failures = []
    for step in reversed(done):
        if step.undo is None:
            continue
        try:
            execute(step.undo, kernel)
        except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
            failures.append(f"`{step.undo}` failed: {_words(error)}")
    return failures


def _step_error(step: Step, error: Exception, failures: list[str]) -> NetnsError:
    aftermath = f"; could not be undone: {'; '.join(failures)}" if failures else "; what was done before it was undone"
    kind = type(error) if isinstance(error, NetnsError) else StepError
    wrapped = kind(f"`{step}` failed: {_words(error)}{aftermath}")
    wrapped.left_behind = bool(failures)
    return wrapped


def _words(error: Exception) -> str:
    if isinstance(error, NetlinkError):
        return os.strerror(error.code)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)
