"""A short piece of `make chaos`: two lines on one state directory, whose collects are killed at random moments."""

from __future__ import annotations

import subprocess
import sys

import pytest
from places import SUPPORT

pytestmark = pytest.mark.root


def test_no_run_is_lost_doubled_invented_or_misplaced():
    """The command prints the figures, and each fault on a line of its own."""
    argv = [sys.executable, SUPPORT / "chaos.py", "--collects", "10", "--seed", "3", "kill"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "none lost, doubled, invented or misplaced" in done.stdout
