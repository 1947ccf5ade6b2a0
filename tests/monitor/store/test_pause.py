"""The pause of the schedule: its lengths, its file, and who may set it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from monitor.errors import OutputError, UsageError
from monitor.store import pause

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

GROUP, OWNER, MEMBER = 4000, 4001, 4002

COMMAND = [sys.executable, "-W", "error", "-m", "monitor"]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("30m", 30), ("2h", 120), ("1h30m", 90), ("3d", 3 * 1440), (" 1 H 5 min ", 65), ("90m", 90), ("366d", 366 * 1440)],
)
def test_lengths(text: str, minutes: int):
    """Days, hours and minutes, in this order, any of them."""
    assert pause.parse_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "0", "2", "0h", "-2h", "2w", "h", "m30", "367d", "9999h", "2h2h", "\uff12h"])
def test_what_is_no_length(text: str):
    """One line says what one looks like."""
    with pytest.raises(UsageError, match=r"is no length of a pause: write one such as 30m, 2h or 3d"):
        pause.parse_duration(text)


def test_a_pause_ends_by_itself(tmp_path: Path):
    """It holds from its start to before its end; a clock set back by hours ends it, as it could last for years."""
    file = tmp_path / "state" / "pause.json"
    pause.save_pause(file, made := pause.make_pause(NOW, timedelta(hours=2), "two\nlines"))
    assert made.reason == "two lines"
    held = {minutes: pause.read_pause(file, NOW + timedelta(minutes=minutes)) for minutes in (-61, -59, 0, 119, 120)}
    assert held == {-61: None, -59: made, 0: made, 119: made, 120: None}


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b'{"since": 1}', b"{" * 3000, b'{"since": 0, "until": 99999999999}', b" " * 5000],
)
def test_a_file_of_something_else_is_no_pause(tmp_path: Path, content: bytes):
    """It stops no test."""
    file = tmp_path / "pause.json"
    file.write_bytes(content)
    assert pause.read_pause(file, NOW) is None


def test_no_file_is_no_pause(tmp_path: Path):
    """Ending what is not there is no error."""
    assert pause.read_pause(tmp_path / "no" / "pause.json", NOW) is None
    pause.end_pause(tmp_path / "no" / "pause.json")


@pytest.mark.root
@pytest.mark.parametrize(
    ("mode", "group", "is_kept"), [(0o2771, GROUP, True), (0o2771, MEMBER, False), (0o755, GROUP, False)]
)
def test_a_member_of_the_group_may_pause(tmp_path: Path, mode: int, group: int, is_kept: bool):
    """The service keeps the pause of a member of its group, and that of no stranger."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, OWNER, GROUP)
    folder.chmod(mode)
    pause.save_pause(folder / "pause.json", pause.make_pause(NOW, timedelta(hours=2)))
    os.chown(folder / "pause.json", MEMBER, group)
    assert (pause.read_pause(folder / "pause.json", NOW) is not None) is is_kept


def test_a_pause_that_cannot_be_stored_names_the_file(tmp_path: Path):
    """One line, with the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/pause\.json: the pause cannot be changed: "):
        pause.save_pause(tmp_path / "file" / "pause.json", pause.make_pause(NOW, timedelta(hours=2)))


def test_the_commands(tmp_path: Path):
    """Both say what they did; a wrong length is exit code 2."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path / "state")}

    def speedmon(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*COMMAND, *arguments], env=environ, capture_output=True, text=True, check=False)

    assert speedmon("resume").stdout == "there is no pause: nothing to end\n"
    done = speedmon("pause", "2h", "--reason", "backup")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("paused until ")
    stored = json.loads((tmp_path / "state" / "pause.json").read_text())
    assert (stored["until"] - stored["since"], stored["reason"]) == (7200, "backup")
    assert speedmon("resume").stdout == "resumed: the next scheduled test runs at its time\n"
    assert not (tmp_path / "state" / "pause.json").exists()
    wrong = speedmon("pause", "2 weeks")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("speedmon: '2 weeks' is no length of a pause")
