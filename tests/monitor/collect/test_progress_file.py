"""Progress is what the engine reports, else what the counters show; on a terminal and in a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from monitor.collect import progress
from monitor.collect.counters import Reading, Traffic
from monitor.collect.progress import (
    NoProgress,
    ProgressWriter,
    RunningTest,
    progress_from_readings,
    read_progress_file,
    write_progress_file,
)
from monitor.engines.base import EngineProgress

if TYPE_CHECKING:
    from pathlib import Path

NOW = RunningTest("speedtest-cli", "ip4only", 1_700_000_000.0)

MBYTE = 1_000_000


class Listener(NoProgress):
    """A meter that remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[EngineProgress, float | None]] = []

    def show(self, progress: EngineProgress, remaining_s: float | None = None) -> None:
        """Remember."""
        self.shown.append((progress, remaining_s))


def readings(*levels: tuple[float, int, int]) -> list[Reading]:
    """Return readings of second, received and sent by the test."""
    return [Reading(at, Traffic(rx, tx), None) for at, rx, tx in levels]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([(0, 0, 0)], EngineProgress("start")),
        ([(0, 0, 0), (1, 500, 500)], EngineProgress("latency")),
        ([(0, 0, 0), (1, 10 * MBYTE, 1000)], EngineProgress("download", None, 80_000_000)),
        ([(0, 0, 0), (1, 50_000, 2 * MBYTE)], EngineProgress("upload", None, 16_000_000)),
        # Only the last second counts.
        ([(0, 0, 0), (1, 9 * MBYTE, 0), *((1 + n / 4, 9 * MBYTE, n * MBYTE) for n in range(1, 5))], 32_000_000),
    ],
)
def test_counters_show_phase_and_rate(levels: list[tuple[float, int, int]], expected: EngineProgress | int):
    """The busier direction is the phase, its mean of a second the rate."""
    progress = progress_from_readings(readings(*levels))
    assert (progress if isinstance(expected, EngineProgress) else progress.rate_bps) == expected


def test_a_link_without_counters_shows_nothing():
    """Without counters there is neither phase nor rate."""
    assert progress_from_readings([Reading(0, None, None), Reading(1, None, None)]) == EngineProgress("start")


def test_the_uplink_shows_a_test_on_the_host():
    """Where a test has no link of its own, the uplink's counters are the next best."""
    both = [Reading(0, None, Traffic()), Reading(1, None, Traffic(MBYTE, 0))]
    assert progress_from_readings(both).rate_bps == 8_000_000


def test_the_engines_words_come_first(tmp_path: Path):
    """Once an engine reports its own progress, the counters are no longer shown."""
    meter = Listener()
    shown = ProgressWriter(meter, tmp_path / "progress.json", NOW)
    shown.add_readings(readings((0, 0, 0), (1, MBYTE, 0)))
    shown.line_handler(lambda text: EngineProgress(text) if text == "upload" else None)("upload")
    shown.add_readings(readings((0, 0, 0), (1, MBYTE, 0), (2, MBYTE, 0)))
    assert [progress.phase for progress, _ in meter.shown] == ["download", "upload"]


def test_the_file_has_the_progress_and_then_how_long_it_took(tmp_path: Path):
    """While it runs the file holds phase and rate; afterwards its length, from which the next test knows its own."""
    file = tmp_path / "progress.json"
    first = ProgressWriter(Listener(), file, NOW)
    first.add_readings(readings((0, 0, 0), (20, MBYTE, 0)))
    running = read_progress_file(file)
    assert (running.running, running.phase, running.elapsed_s) == (True, "download", 20)
    first.end()
    assert read_progress_file(file).running is False
    meter = Listener()
    ProgressWriter(meter, file, NOW).add_readings(readings((0, 0, 0), (5, MBYTE, 0)))
    assert meter.shown[0][1] == 15


def test_only_a_test_that_runs_is_current(tmp_path: Path):
    """A test that ended, none at all, and a file that a crash left are no running test."""
    file = tmp_path / "progress.json"
    assert progress.read_running_test(file, 0) is None
    write_progress_file(file, NOW)
    written = file.stat().st_mtime
    assert progress.read_running_test(file, written + 1) == NOW
    assert progress.read_running_test(file, written + progress.STALE_S + 1) is None
    write_progress_file(file, replace(NOW, running=False))
    assert progress.read_running_test(file, written) is None


def test_another_engine_takes_another_time(tmp_path: Path):
    """How long one engine took says nothing of another, and a test that was cut off says nothing at all."""
    file = tmp_path / "progress.json"
    for last in (replace(NOW, running=False, elapsed_s=20, engine="ookla"), replace(NOW, elapsed_s=20)):
        write_progress_file(file, last)
        meter = Listener()
        ProgressWriter(meter, file, NOW).add_readings(readings((0, 0, 0), (5, MBYTE, 0)))
        assert meter.shown[0][1] is None


def test_the_file_is_written_once_a_second(tmp_path: Path):
    """Four beats a second are one write: cards wear out."""
    file = tmp_path / "progress.json"
    shown = ProgressWriter(Listener(), file, NOW)
    levels = [(beat / 4, beat * MBYTE, 0) for beat in range(4)]
    shown.add_readings(readings(*levels[:1]))
    written = file.stat().st_mtime_ns
    shown.add_readings(readings(*levels))
    assert file.stat().st_mtime_ns == written


@pytest.mark.parametrize("content", [b"", b"{", b'{"engine": 1}', b"\xff"])
def test_a_file_that_is_garbage_is_none(tmp_path: Path, content: bytes):
    """Half a file, or another program's, is not a running test."""
    file = tmp_path / "progress.json"
    file.write_bytes(content)
    assert read_progress_file(file) is None


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path):
    """Progress is a convenience: a test goes on without it."""
    write_progress_file(tmp_path / "nowhere" / "progress.json", NOW)
    assert read_progress_file(tmp_path / "nowhere" / "progress.json") is None
