"""Forwards runs after a test, for a few seconds at most. The run is already stored, so a failure here is not an error.

The work is done in a daemon thread that is abandoned when the time is up, because neither a name lookup nor connecting
can be interrupted. The process may end while the thread runs; forwarding is safe against that.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor.errors import ProbeClashError, SpeedmonError
from monitor.model import Scope, Status

if TYPE_CHECKING:
    from monitor.model import Run
    from monitor.settings import Settings

LIMIT_S = 5.0
# No further batch is started after this time.
BATCHES_S = 2.0

_log = logging.getLogger(__name__)


def forward(settings: Settings, run: Run, limit_s: float = LIMIT_S) -> None:
    """Forward waiting runs, unless there is no fleet, the line is down, or an earlier failure makes it wait."""
    if not settings.fleet.database_url or _line_is_down(run):
        return
    thread = threading.Thread(target=_forward, args=(settings,), name="fleet", daemon=True)
    thread.start()
    thread.join(limit_s)


def _line_is_down(run: Run) -> bool:
    return run.status is Status.FAILED and run.failure is not None and run.failure.scope is Scope.LINE


def _forward(settings: Settings) -> None:
    from monitor.fleet.push import push  # noqa: PLC0415  SQLAlchemy and psycopg: only where there is a fleet

    end = time.monotonic() + BATCHES_S
    try:
        if _is_due(settings):
            push(settings, _now, lambda _done: time.monotonic() < end)
    except ProbeClashError as error:
        _log.warning("%s", error)
    except SpeedmonError as error:
        _log.info("%s", error)


def _is_due(settings: Settings) -> bool:
    from monitor.fleet.backoff import due  # noqa: PLC0415  the same
    from monitor.store import outbox  # noqa: PLC0415  the same
    from monitor.store.open import open_reader  # noqa: PLC0415  the same

    with open_reader(settings.database.url) as connection:
        progress = outbox.progress(connection)
    return due(progress.failures, progress.failed_at, _now()) is None


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
