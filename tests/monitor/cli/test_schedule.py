"""`speedmon schedule next`, and tests of one schedule of several."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from monitor.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path

SEVERAL = """
[display]
timezone = "UTC"
[[schedule]]
name = "day"
cron = "*/30 * * * *"
quiet = ["00:00-00:00"]
[[schedule]]
cron = "0 3 * * *"
timezone = "Europe/Berlin"
engine = "librespeed"
path = "host"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a configuration with two schedules; its installation is empty."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    file = tmp_path / "config.toml"
    file.write_text(SEVERAL)
    return file


def speedmon(config: Path, *arguments: str) -> tuple[int, str]:
    """Return exit code and output of a command."""
    result = CliRunner().invoke(cli, ["--config", str(config), *arguments], standalone_mode=False)
    assert result.exception is None or result.return_value is None, result.exception
    return result.return_value or 0, result.output


def test_next_lists_the_slots_of_all_schedules(config: Path):
    """The soonest first, with what each measures and which are left out."""
    slots = json.loads(speedmon(config, "schedule", "next", "-n", "60", "--json")[1])
    assert [slot["at"] for slot in slots] == sorted(slot["at"] for slot in slots)
    assert {slot["schedule"]: (slot["engine"], slot["path"], slot["skipped"], slot["jitter_s"]) for slot in slots} == {
        "day": ("auto", "ip4only", "quiet hours 00:00-00:00", 600),
        "2": ("librespeed", "host", None, 600),
    }
    assert {slot["at"][11:16] for slot in slots if slot["schedule"] == "2"} <= {"01:00", "02:00"}
    lines = speedmon(config, "schedule", "next")[1].splitlines()
    assert len(lines) == 5
    assert lines[0].endswith(" UTC  up to 10 min later  day  auto, ip4only  left out: quiet hours 00:00-00:00")


def test_a_pause_is_shown(config: Path):
    """Slots in it are left out, those after it are not."""
    config.write_text(SEVERAL.replace('quiet = ["00:00-00:00"]', ""))
    speedmon(config, "pause", "1h")
    slots = json.loads(speedmon(config, "schedule", "next", "-n", "5", "--json")[1])
    assert [slot["skipped"] for slot in slots if slot["schedule"] == "day"][:3:2] == ["paused", None]


def test_a_test_of_one_schedule_keeps_its_hours(config: Path):
    """`--schedule` names it; the first one is kept without, and one that is not there is a mistake."""
    code, _ = speedmon(config, "collect", "-q", "--trigger", "schedule", "--path", "host")
    assert code == 4
    result = CliRunner().invoke(
        cli, ["--config", str(config), "collect", "--trigger", "schedule", "--schedule", "night"], standalone_mode=False
    )
    assert str(result.exception) == "--schedule night: there is no [[schedule]] of this name: day, 2"
