"""What one test leaves for the next, in a file that may be broken."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize("kind", ["folder", "FIFO", "link", "large"])
def test_what_is_no_state_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str):
    """It is named and kept, nothing waits for it or follows it, and the next test has a file of its own."""
    file, victim = tmp_path / "memory.json", tmp_path / "victim"
    victim.write_text("{}")
    match kind:
        case "folder":
            file.mkdir()
        case "FIFO":
            os.mkfifo(file)
        case "link":
            file.symlink_to(victim)
        case _:
            with file.open("wb") as large:
                large.truncate(state.LIMIT_BYTES + 1)
    assert state.load_state(file) == CollectState()
    assert f"{file}: is " in caplog.text
    assert f"{tmp_path}/memory.broken" in caplog.text
    state.save_state(file, FULL)
    assert state.load_state(file) == FULL
    assert victim.read_text() == "{}"


def test_each_probe_and_database_has_its_own(tmp_path: Path):
    """Two lines do not rest for each other; only the default database inherits the file of earlier releases."""
    urls = [f"sqlite:///{tmp_path}/speedmon.db", f"sqlite:///{tmp_path}/office.db", "postgresql://ann:secret@db/line"]
    own = [state.state_file(tmp_path, url, probe) for url in urls for probe in ("home", "office")]
    assert len(set(own)) == len(own)
    assert own[4] == state.state_file(tmp_path, "postgresql+psycopg://ann:other@db/line", "home")
    state.save_state(tmp_path / state.EARLIER_FILE, FULL)
    assert [state.load_own_state(tmp_path, url, "home") for url in urls] == [FULL, CollectState(), CollectState()]


def test_half_a_file_is_never_read(tmp_path: Path):
    """A new memory takes the place of the old one in one step, and leaves nothing beside it."""
    for _ in range(2):
        state.save_state(tmp_path / "memory.json", FULL)
    assert [file.name for file in tmp_path.iterdir()] == ["memory.json"]
