"""What one test leaves for the next, in a file that may be broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from monitor.collect import state
from monitor.collect.state import Backoff, CollectState
from monitor.model import DataUsed, FailureKind

if TYPE_CHECKING:
    from pathlib import Path

FULL = CollectState({"ookla": Backoff(1, 2, FailureKind.RATE_LIMITED, 3)}, "42", DataUsed(10**9, 5))


def test_what_is_saved_is_loaded(tmp_path: Path):
    """A file gives back what was written, and its directory is made."""
    state.save_state(tmp_path / "deep" / "memory.json", FULL)
    assert state.load_state(tmp_path / "deep" / "memory.json") == FULL


def test_no_file_is_no_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The first test of all has nothing to remember, and nothing to say about it."""
    assert state.load_state(tmp_path / "memory.json") == CollectState()
    assert caplog.text == ""


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1]", b'{"rests": 3}', b'{"rests": {"a": {"since": "x"}}}']
)
def test_garbage_is_reported_and_forgotten(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes):
    """A file that nobody of us wrote is named in one line, and the test begins without it."""
    file = tmp_path / "memory.json"
    file.write_bytes(content)
    assert state.load_state(file) == CollectState()
    assert f"{file}: was not written by speedmon" in caplog.text


def test_a_directory_in_place_of_the_file_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """A path that cannot be read or written does not make a test fail."""
    (tmp_path / "memory.json").mkdir()
    state.save_state(tmp_path / "memory.json", FULL)
    assert state.load_state(tmp_path / "memory.json") == CollectState()
    assert "cannot be written" in caplog.text
    assert "cannot be read" in caplog.text


def test_half_a_file_is_never_read(tmp_path: Path):
    """A new memory takes the place of the old one in one step, and leaves nothing beside it."""
    for _ in range(2):
        state.save_state(tmp_path / "memory.json", FULL)
    assert [file.name for file in tmp_path.iterdir()] == ["memory.json"]
