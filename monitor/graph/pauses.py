"""Find the pauses of a series of tests: where the next one came much later than the cadence around it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP_FACTOR = 2.5
NEIGHBOURS = 5


def after_pauses(times: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the places of the moments, ascending, that come much later than the spacings around promise.

    The cadence is the lower median of the ten spacings around: one long pause cannot hide itself, and a schedule that
    changed from minutes to hours within the window is no pause.
    """
    spacings = np.diff(times)
    # A pause is longer than the least spacing around it too, and few spacings are: only they are looked at closely.
    suspects = np.flatnonzero(spacings > GAP_FACTOR * _least_around(spacings))
    pauses = [at for at in suspects if spacings[at] > GAP_FACTOR * _cadence(spacings, at)]
    return np.array(pauses, np.intp) + 1


def _least_around(spacings: NDArray[np.int64]) -> NDArray[np.int64]:
    least = spacings.copy()
    for away in range(1, min(NEIGHBOURS, len(spacings) - 1) + 1):
        np.minimum(least[away:], spacings[:-away], out=least[away:])
        np.minimum(least[:-away], spacings[away:], out=least[:-away])
    return least


def _cadence(spacings: NDArray[np.int64], at: np.intp) -> float:
    around = np.sort(spacings[max(0, at - NEIGHBOURS) : at + NEIGHBOURS + 1])
    return float(around[(len(around) - 1) // 2])
