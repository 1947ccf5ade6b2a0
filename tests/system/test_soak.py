"""Faults and kills at random moments lose no test and invent none; `tests/support/soak.py` makes a thousand of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soak import Soak

if TYPE_CHECKING:
    from pathlib import Path


def test_every_test_has_its_row(tmp_path: Path):
    """Each collect that began has one row, with its engine's own numbers or none."""
    soak = Soak(tmp_path, seed=7)
    soak.run(24)
    assert soak.faults() == []
    assert {f"c{number}" for number in soak.started()} <= {run.probe for run in soak.rows()}
