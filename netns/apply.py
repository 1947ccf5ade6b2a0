"""Carry out steps, and undo them in reverse when one fails.

Its `netns.kernel` imports pyroute2: nothing that runs before each measurement may import this module.
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


def run(ordered: Iterable[Step], on_step: Callable[[Step], None] = lambda _step: None) -> None:
    """Carry out steps in order; `on_step` hears each before it is done.

    Raises:
        StepError: a step failed; what was done before it has been undone, and the message names the step.
    """
    done: list[Step] = []
    with Kernel() as kernel:
        for step in ordered:
            on_step(step)
            try:
                execute(step, kernel)
            except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
                left = _roll_back(done, kernel)
                raise _step_error(step, error, left) from error
            done.append(step)


def take_back(done: Iterable[Step]) -> list[str]:
    """Undo steps that were done, last first; return what could not be undone."""
    with Kernel() as kernel:
        return _roll_back(list(done), kernel)


def run_all(ordered: Iterable[Step], on_step: Callable[[Step], None] = lambda _step: None) -> None:
    """Carry out every step whatever becomes of the others, as a removal must.

    Raises:
        StepError: naming every step that failed.
    """
    failed: list[str] = []
    with Kernel() as kernel:
        for step in ordered:
            on_step(step)
            try:
                execute(step, kernel)
            except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
                failed.append(f"`{step}` failed: {_words(error)}")
    if failed:
        raise StepError("; ".join(failed))


def _roll_back(done: list[Step], kernel: Kernel) -> list[str]:
    left = []
    for step in reversed(done):
        if step.undo is None:
            continue
        try:
            execute(step.undo, kernel)
        except (NetlinkError, OSError, subprocess.SubprocessError, NetnsError) as error:
            left.append(f"`{step.undo}` failed: {_words(error)}")
    return left


def _step_error(step: Step, error: Exception, left: list[str]) -> NetnsError:
    aftermath = f"; could not be undone: {'; '.join(left)}" if left else "; what was done before it was undone"
    kind = type(error) if isinstance(error, NetnsError) else StepError
    told = kind(f"`{step}` failed: {_words(error)}{aftermath}")
    told.left_behind = bool(left)
    return told


def _words(error: Exception) -> str:
    if isinstance(error, NetlinkError):
        return os.strerror(error.code)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)
