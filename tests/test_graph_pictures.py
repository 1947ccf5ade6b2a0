"""Pictures of fixed runs, against stored ones that were looked at by eye."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import REFERENCES, small, stored, worst_block

# Of 255. A glyph that is hinted otherwise stays below both; a line, a mark or a band that moves does not.
MEAN, BLOCK = 1.0, 12.0


@pytest.mark.parametrize("name", REFERENCES)
def test_the_picture_is_the_one_that_was_looked_at(name: str):
    """Neither as a whole nor anywhere is it another."""
    made, wanted = small(name), stored(name)
    assert made.shape == wanted.shape
    assert np.abs(made - wanted).mean() < MEAN
    assert worst_block(made, wanted) < BLOCK


def test_the_comparison_sees_what_is_missing():
    """A band of failure that is painted over is found by its block, though the mean hardly moves."""
    wanted = stored("availability")
    without = wanted.copy()
    row, column = np.unravel_index(wanted[60:].argmin(), wanted[60:].shape)
    top, left = max(0, int(row) + 60 - 8), max(0, int(column) - 8)
    without[top : top + 16, left : left + 16] = 255
    assert worst_block(without, wanted) > BLOCK
