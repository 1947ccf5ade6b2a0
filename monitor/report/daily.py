"""The median of each local day, for the days that have one. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitor import clock

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.columns import Columns


@dataclass(frozen=True, slots=True)
class Daily:
    """Days that have trusted results, as days since 1970 and ascending, each with the median of a number."""

    days: NDArray[np.int64]
    medians: NDArray[np.float64]


def daily(columns: Columns, name: str, zone: ZoneInfo) -> Daily:
    """Return the daily medians of a number."""
    values = columns.values(name)
    used = columns.where(lambda sort: sort.trusted) & ~np.isnan(values)
    days = clock.days(clock.wall(columns.started[used], zone))
    # A clock that goes back over midnight shows the day before again.
    order = np.argsort(days, kind="stable")
    names, begins = np.unique(days[order], return_index=True)
    parts = np.split(values[used][order], begins[1:]) if len(names) else []
    return Daily(names, np.array([np.median(part) for part in parts], np.float64))
