"""The median rates of recent results, with which a new result is compared."""

from __future__ import annotations

from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import select

from monitor.model import ExpectedRates, Status
from monitor.store.names import of_probe
from monitor.store.open import open_reader
from monitor.store.tables import runs

if TYPE_CHECKING:
    from monitor.model import Run
    from monitor.settings import Settings

NEWEST = 50
DAYS = 30
# With fewer results, a single bad evening would set the median.
FEWEST = 5


def of_late(settings: Settings, run: Run) -> ExpectedRates:
    """Return the median rates of this probe's newest results over the same path before `run`; None with too few.

    Raises:
        StoreError: the store cannot be read.
    """
    since = int((run.started_at - timedelta(days=DAYS)).timestamp())
    query = (
        select(runs.c.download_bps, runs.c.upload_bps)
        .where(runs.c.started_at >= since, runs.c.status == Status.OK, runs.c.id != run.id)
        .where(of_probe(run.probe), runs.c.path == run.path)
        .order_by(runs.c.started_at.desc())
        .limit(NEWEST)
    )
    with open_reader(settings.database.url) as connection:
        rows = connection.execute(query).all()
    return ExpectedRates(_median([row.download_bps for row in rows]), _median([row.upload_bps for row in rows]))


def _median(rates: list[int | None]) -> int | None:
    known = [rate for rate in rates if rate is not None]
    return round(median(known)) if len(known) >= FEWEST else None
