"""Spans of consecutive failures: from the start of the first to the next success, else to the end of the last. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from monitor.model import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from monitor.columns import Columns


class Bands(NamedTuple):
    """Starts and ends of the spans in epoch seconds, oldest first; no two overlap."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def at_least(self, seconds: float) -> list[tuple[float, float]]:
        """Return (start, end) of the spans that last at least `seconds`."""
        chosen = self.ends - self.starts >= seconds
        return list(zip(self.starts[chosen].tolist(), self.ends[chosen].tolist(), strict=True))


def bands_of(columns: Columns, pauses: NDArray[np.intp]) -> Bands:
    """Return the spans of consecutive failures; `pauses` are the indexes of the runs that follow a pause.

    A pause ends a span at the last failure before it: what happened without tests is unknown.
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
    """Return the start of the next success; if a pause comes first or there is none, the end of the last failure."""
    following = np.searchsorted(good, last)
    beyond = following == len(good)
    at = last.copy()
    at[~beyond] = good[following[~beyond]]
    undisturbed = np.searchsorted(pauses, at, side="right") == np.searchsorted(pauses, last, side="right")
    recovered, failed = columns.select(at), columns.select(last)
    return np.where(~beyond & undisturbed, recovered.started, failed.finished)
