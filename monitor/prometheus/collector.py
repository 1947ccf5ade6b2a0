"""The metrics, by their names. The only home of prometheus_client.

What was measured is that of the newest attempt: after one that failed, a rate is absent, neither 0 nor the old one. A
slot in which no test ran changes nothing. Runs are counted once and then added to, so that a scrape of a large store
reads only what is new.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from monitor.analysis.outages import LineState, run_state
from monitor.localtime import months_back, resolve_zone
from monitor.model import Scope, Status
from monitor.store.connection import open_reader
from monitor.store.lookups import probe_names, probe_pks
from monitor.store.read import newest_runs
from monitor.store.statistics import RunCount, bytes_used_by_source, count_by_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

    from monitor.config.settings import Settings
    from monitor.model import Run
    from monitor.store.connection import Connection


CONTENT_TYPE = CONTENT_TYPE_LATEST

SOURCE_LABELS = ("probe", "path")

ATTEMPTS = tuple(status for status in Status if status is not Status.SKIPPED)

# Name, meaning and value of what the newest attempt measured.
_MEASURED: tuple[tuple[str, str, Callable[[Run], float | None]], ...] = (
    (
        "speedmon_download_bits_per_second",
        "Download of the newest attempt, if it succeeded.",
        lambda run: run.download_bps,
    ),
    ("speedmon_upload_bits_per_second", "Upload of the newest attempt, if it succeeded.", lambda run: run.upload_bps),
    (
        "speedmon_latency_seconds",
        "Idle latency of the newest attempt, if it succeeded.",
        lambda run: _scaled(run.latency_ms, 1000),
    ),
    (
        "speedmon_jitter_seconds",
        "Jitter of the newest attempt, if it succeeded.",
        lambda run: _scaled(run.jitter_ms, 1000),
    ),
    (
        "speedmon_packet_loss_ratio",
        "Packet loss of the newest attempt from 0 to 1, if it succeeded.",
        lambda run: _scaled(run.packet_loss_pct, 100),
    ),
)

_LAST_ATTEMPT = "speedmon_last_attempt_timestamp_seconds", "When the newest attempt began, whatever came of it."

_LAST_SUCCESS = "speedmon_last_success_timestamp_seconds", "When the newest successful test began."

_LINE_UP = (
    "speedmon_line_up",
    "1 if the newest test that says something of the line succeeded, 0 if the line failed it.",
)

_RUNS = "speedmon_runs", "Runs by status, and by kind and scope of their failure."

_DATA_USED = "speedmon_data_used_bytes", "What the tests of this month transferred, both directions."


def _scaled(value: float | None, divisor: float) -> float | None:
    return None if value is None else value / divisor


class StoreCollector:
    """Reads the store at each scrape; any thread may scrape.

    Args:
        settings: the database, and the zone in which months are.
        clock: returns the current time.
        probes: the names of the probes to show; none for all.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime], probes: Sequence[str] = ()) -> None:
        self._settings = settings
        self._clock = clock
        self._probes = tuple(probes)
        self._lock = threading.Lock()
        self._counted_to = 0
        self._counts: Counter[RunCount] = Counter()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._lock, open_reader(self._settings.database.url) as connection:
            names = [name for name in probe_names(connection) if not self._probes or name in self._probes]
            pks = probe_pks(connection, names)
            attempts = newest_runs(connection, ATTEMPTS, probes=pks)
            successes = newest_runs(connection, (Status.OK,), probes=pks)
            failures = [
                run
                for scope in (Scope.LINE, Scope.PROVIDER, Scope.UNKNOWN)
                for run in newest_runs(connection, (Status.FAILED,), scope=scope, probes=pks)
            ]
            self._count_runs(connection)
            counts = [(count, number) for count, number in sorted(self._counts.items()) if count.probe in names]
            month = next(
                months_back(self._clock(), resolve_zone(self._settings.display.timezone, "display.timezone"), 1)
            )
            used = bytes_used_by_source(connection, month, names)
        yield from _measured_metrics(attempts)
        yield _timestamps(_LAST_ATTEMPT, attempts)
        yield _timestamps(_LAST_SUCCESS, successes)
        yield _line_metric((*successes, *failures))
        yield _count_metric(counts)
        yield _gauge(_DATA_USED, used.items())

    def _count_runs(self, connection: Connection) -> None:
        counts, newest = count_by_outcome(connection, self._counted_to)
        if newest < self._counted_to:  # another database, or a copy of an older day
            self._counted_to = 0
            counts, newest = count_by_outcome(connection, 0)
        if not self._counted_to:
            self._counts.clear()
        self._counts.update(counts)
        self._counted_to = newest


def _gauge(metric: tuple[str, str], values: Iterable[tuple[tuple[str, str], float | None]]) -> Metric:
    """Return a gauge with a value for each probe and path; None is absent."""
    family = GaugeMetricFamily(*metric, labels=SOURCE_LABELS)
    for source, value in values:
        if value is not None:
            family.add_metric(source, value)
    return family


def _source(run: Run) -> tuple[str, str]:
    return run.probe, run.path.value


def _measured_metrics(attempts: Sequence[Run]) -> Iterator[Metric]:
    measured = [run for run in attempts if run.status is Status.OK and run.excluded is None]
    for name, meaning, value in _MEASURED:
        yield _gauge((name, meaning), ((_source(run), value(run)) for run in measured))


def _timestamps(metric: tuple[str, str], runs: Sequence[Run]) -> Metric:
    return _gauge(metric, ((_source(run), run.started_at.timestamp()) for run in runs))


def _line_metric(newest: Sequence[Run]) -> Metric:
    """Return whether the line works, by the newest run that proves it or the contrary."""
    states = ((_source(run), run_state(run)) for run in sorted(newest, key=lambda run: run.started_at))
    latest = {source: state for source, state in states if state is not LineState.SILENT}
    return _gauge(_LINE_UP, ((source, float(state is LineState.UP)) for source, state in latest.items()))


def _count_metric(counts: Iterable[tuple[RunCount, int]]) -> Metric:
    family = CounterMetricFamily(*_RUNS, labels=(*SOURCE_LABELS, "status", "kind", "scope"))
    for count, number in counts:
        family.add_metric((count.probe, count.path, count.status, count.kind, count.scope), number)
    return family


def render_metrics(collector: StoreCollector) -> bytes:
    """Return the metrics in Prometheus' text format.

    Raises:
        StoreError: the store cannot be read.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)
