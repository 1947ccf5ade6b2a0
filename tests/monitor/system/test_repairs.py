"""The log of repairs: appended whole, bounded, and read by anybody."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  a fixture's annotation

import pytest  # noqa: TC002  a fixture's annotation

from monitor.system import repairs


def test_the_first_change_of_a_boot_is_no_repair(tmp_path: Path):
    """After a reboot the namespace is made; what comes later is mended."""
    file = tmp_path / "log" / "repairs.jsonl"
    repairs.append_repair(file, ["ip netns add ip4only"])
    repairs.append_repair(file, ["nft -j -f -"])
    read = repairs.read_repairs(file)
    assert [(entry.kind, entry.steps) for entry in read] == [
        ("boot", ("ip netns add ip4only",)),
        ("repair", ("nft -j -f -",)),
    ]
    assert file.stat().st_mode & 0o777 == 0o644


def test_damaged_lines_are_left_out(tmp_path: Path):
    """A half-written file never prevents a repair."""
    file = tmp_path / "repairs.jsonl"
    file.write_text('{"at": "2026-\n\n[]\n')
    repairs.append_repair(file, ["x"])
    assert [entry.steps for entry in repairs.read_repairs(file)] == [("x",)]
    assert repairs.read_repairs(tmp_path / "none") == []


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A flapping uplink does not fill the disk."""
    monkeypatch.setattr(repairs, "MAX_ENTRIES", 3)
    file = tmp_path / "repairs.jsonl"
    for number in range(5):
        repairs.append_repair(file, [str(number)])
    assert [entry.steps for entry in repairs.read_repairs(file)] == [("2",), ("3",), ("4",)]
