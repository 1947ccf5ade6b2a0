"""Failures in a row: from the start of the first to the next success, else to the end of the last. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from monitor.model import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from monitor.columns import Columns


class Bands(NamedTuple):
    """Where bands begin and end, epoch seconds, oldest first; none touches the inside of another."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def lasting(self, least: float) -> list[tuple[float, float]]:
        """Return the beginnings and ends of those that last so many seconds."""
        chosen = self.ends - self.starts >= least
        return list(zip(self.starts[chosen].tolist(), self.ends[chosen].tolist(), strict=True))


def bands_of(columns: Columns, pauses: NDArray[np.intp]) -> Bands:
    """Return the bands; `pauses` are the places of the runs that come after one.

    A pause ends a band with the last failure before it: nobody looked, so nothing is claimed.
    """
    good, broken = columns.where(lambda sort: sort.status is Status.OK), columns.where(lambda sort: sort.broken)
    places = np.flatnonzero(broken)
    row = np.cumsum(good, dtype=np.int32)[places] + np.searchsorted(pauses, places, side="right")
    first = places[np.flatnonzero(np.diff(row, prepend=-1))]
    last = places[np.flatnonzero(np.diff(row, append=-1))]
    return Bands(columns.seconds[first].astype(np.int64), _ends(columns, last, np.flatnonzero(good), pauses))


def _ends(
    columns: Columns, last: NDArray[np.intp], good: NDArray[np.intp], pauses: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Return when the next success began, or where a pause or nothing came before it, when the last failure ended."""
    following = np.searchsorted(good, last)
    beyond = following == len(good)
    at = last.copy()
    at[~beyond] = good[following[~beyond]]
    undisturbed = np.searchsorted(pauses, at, side="right") == np.searchsorted(pauses, last, side="right")
    recovered, failed = columns.select(at), columns.select(last)
    return np.where(~beyond & undisturbed, recovered.started, failed.finished)
