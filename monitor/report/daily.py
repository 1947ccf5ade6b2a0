"""The median of each local day that has trusted results. Pure."""

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
    """Days with trusted results, ascending, as days since 1970-01-01, and the median of a metric on each."""

    days: NDArray[np.int64]
    medians: NDArray[np.float64]


def daily(columns: Columns, name: str, zone: ZoneInfo) -> Daily:
    """Return the daily medians of a metric (the name of a field of `Run`), in its unit."""
    values = columns.values(name)
    used = columns.where(lambda attributes: attributes.trusted) & ~np.isnan(values)
    days = clock.days(clock.wall(columns.started[used], zone))
    # Days need not ascend: clocks that are set back over midnight show the previous day again.
    order = np.argsort(days, kind="stable")
    unique_days, starts = np.unique(days[order], return_index=True)
    groups = np.split(values[used][order], starts[1:]) if len(unique_days) else []
    return Daily(unique_days, np.array([np.median(group) for group in groups], np.float64))
