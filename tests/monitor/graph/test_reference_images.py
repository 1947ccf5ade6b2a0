"""Pictures of fixed runs, against stored ones that were looked at by eye."""

from __future__ import annotations

import numpy as np
import pytest
from reference_images import REFERENCES, draw_small, largest_block_difference, load_reference

# Of 255. A glyph that is hinted otherwise stays below both; a line, a mark or a band that moves does not.
MEAN, BLOCK = 1.0, 12.0


@pytest.mark.parametrize("name", REFERENCES)
def test_the_image_matches_its_reference(name: str):
    """Neither as a whole nor anywhere is it another."""
    made, wanted = draw_small(name), load_reference(name)
    assert made.shape == wanted.shape
    assert np.abs(made - wanted).mean() < MEAN
    assert largest_block_difference(made, wanted) < BLOCK


def test_the_comparison_sees_what_is_missing():
    """A band of failure that is painted over is found by its block, though the mean hardly moves."""
    wanted = load_reference("availability")
    without = wanted.copy()
    row, column = np.unravel_index(wanted[60:].argmin(), wanted[60:].shape)
    top, left = max(0, int(row) + 60 - 8), max(0, int(column) - 8)
    without[top : top + 16, left : left + 16] = 255
    assert largest_block_difference(without, wanted) > BLOCK
