"""The progress bar: rates with units, one line that replaces itself, nothing without a terminal."""

from __future__ import annotations

import io

import pytest

from monitor.collect import progress
from monitor.collect.progress import ProgressBar
from monitor.engines.base import EngineProgress


@pytest.mark.parametrize(
    ("moment", "left_s", "words"),
    [
        (EngineProgress("download", 0.454, 93_400_000), None, "download [#########-----------] 93.4 Mbit/s"),
        (EngineProgress("download", 1.0, 93_400_000), 11.6, "download [####################] 93.4 Mbit/s, 12 s left"),
        (EngineProgress("upload", None, 530_000), 0.0, "upload 0.530 Mbit/s, nearly done"),
        (EngineProgress("latency"), None, "latency"),
    ],
)
def test_line_of_a_moment(moment: EngineProgress, left_s: float | None, words: str) -> None:
    """It shows the phase, and share, rate and remaining time where they are known."""
    assert progress.format_progress(moment, left_s) == words


def test_line_replaces_itself() -> None:
    """Each moment takes the place of the last, and the line is empty in the end."""
    stream = io.StringIO()
    meter = ProgressBar(stream)
    meter.start("ookla")
    meter.show(EngineProgress("upload"))
    meter.clear()
    assert stream.getvalue() == "\r\x1b[Ktesting with ookla…\r\x1b[Kupload\r\x1b[K"


def test_terminal_that_went_away_ends_nothing() -> None:
    """A stream that can no longer be written is not an error."""
    stream = io.StringIO()
    stream.close()
    ProgressBar(stream).start("ookla")
