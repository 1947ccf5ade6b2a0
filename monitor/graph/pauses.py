"""Pauses in monitoring: where a test came much later than the cadence around it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP_FACTOR = 2.5
NEIGHBOURS = 5
BLOCK = 65_536


def after_pauses(times: NDArray[Any]) -> NDArray[np.intp]:
    """Return the indexes of the ascending times that follow a pause.

    A pause is a spacing longer than `GAP_FACTOR` times the cadence, the lower median of the ten spacings around it: a
    schedule that changes from minutes to hours within the window is not a pause.
    """
    spacings = np.diff(times)
    pauses = [at for at in _suspects(spacings).tolist() if spacings[at] > GAP_FACTOR * _cadence(spacings, at)]
    return np.array(pauses, np.intp) + 1


def _suspects(spacings: NDArray[Any]) -> NDArray[np.intp]:
    """Return the indexes of spacings much longer than the shortest one nearby: every pause is among them, little else.

    Works in blocks to limit the memory for intermediate arrays.
    """
    blocks = []
    for begin in range(0, len(spacings), BLOCK):
        first = max(0, begin - NEIGHBOURS)
        block = spacings[first : begin + BLOCK + NEIGHBOURS]
        candidates = np.flatnonzero(block > GAP_FACTOR * _least_around(block)) + first
        blocks.append(candidates[(candidates >= begin) & (candidates < begin + BLOCK)])
    return np.concatenate([np.array([], np.intp), *blocks])


def _least_around(spacings: NDArray[Any]) -> NDArray[Any]:
    least = spacings.copy()
    for away in range(1, min(NEIGHBOURS, len(spacings) - 1) + 1):
        np.minimum(least[away:], spacings[:-away], out=least[away:])
        np.minimum(least[:-away], spacings[away:], out=least[:-away])
    return least


def _cadence(spacings: NDArray[Any], at: int) -> float:
    nearby = np.sort(spacings[max(0, at - NEIGHBOURS) : at + NEIGHBOURS + 1])
    return float(nearby[(len(nearby) - 1) // 2])
