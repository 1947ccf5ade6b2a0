"""The live line: rates as people write them, one line that replaces itself, nothing when nobody looks."""

from __future__ import annotations

import io

import pytest

from monitor import progress
from monitor.engines import ookla
from monitor.engines.model import Progress
from monitor.progress import Meter, Silence, watcher


@pytest.mark.parametrize(
    ("bps", "text"),
    [(941_000_000, "941 Mbit/s"), (99_960_000, "100 Mbit/s"), (95_656_417, "95.7 Mbit/s"), (530_000, "0.53 Mbit/s")],
)
def test_rates(bps: int, text: str) -> None:
    """A rate has three digits or so."""
    assert progress.rate(bps) == text


def test_line_of_a_moment() -> None:
    """A moment tells its phase, and rate and share where they are known."""
    assert progress.line(Progress("download", 0.454, 93_400_000)) == "download 93.4 Mbit/s 45 %"
    assert progress.line(Progress("latency")) == "latency"


def test_line_replaces_itself() -> None:
    """Each moment takes the place of the last, and the line is empty in the end."""
    stream = io.StringIO()
    meter = Meter(stream)
    meter.start("ookla")
    meter.show(Progress("upload"))
    meter.clear()
    assert stream.getvalue() == "\r\x1b[Ktesting with ookla…\r\x1b[Kupload\r\x1b[K"


def test_terminal_that_went_away_ends_nothing() -> None:
    """A stream that can no longer be written is no error."""
    stream = io.StringIO()
    stream.close()
    Meter(stream).start("ookla")


def test_nobody_looks() -> None:
    """Without a terminal no line of output is looked at."""
    assert watcher(ookla.ENGINE.progress, Silence()) is None
