"""A digest with its picture: reads the runs, counts and draws them. Loads matplotlib."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from monitor.graph import render
from monitor.graph.render import GraphContext
from monitor.localtime import Month, Window
from monitor.model import NetworkPath, Plan
from monitor.notify.digest import Digest, make_digest, period_before
from monitor.notify.queueing import watched_probes
from monitor.notify.texts import RenderedMessage, TextContext, render_digest
from monitor.output.units import format_percent, format_trimmed
from monitor.store.connection import open_reader
from monitor.store.lookups import find_probe_pk, probe_pks
from monitor.store.read import RunFilter, read_runs
from monitor.store.statistics import monthly_usage, plan_met, plan_periods

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from monitor.config.settings import Settings
    from monitor.model import Run
    from monitor.store.connection import Connection

PICTURE = "speed.png"


@dataclass(frozen=True, slots=True)
class DigestPeriod:
    """What a digest is about: weekly or daily, and from when to when in epoch seconds."""

    period: str
    since: int
    until: int

    @property
    def window(self) -> Window:
        """The period."""
        return Window(datetime.fromtimestamp(self.since, UTC), datetime.fromtimestamp(self.until, UTC))


def compose_digest(
    settings: Settings, document: str, context: TextContext, folder: Path
) -> tuple[RenderedMessage, str]:
    """Return the digest of a queued message in words, and the path of its picture; empty if there were no tests."""
    about = msgspec.json.decode(document, type=DigestPeriod)
    return compose_window(settings, about.period, about.window, context, folder)


def compose_window(
    settings: Settings, period: str, window: Window, context: TextContext, folder: Path
) -> tuple[RenderedMessage, str]:
    """Return the digest of a period in words, and the path of its picture."""
    digest, runs = load_digest(settings, period, window, context.zone)
    picture = draw_picture(settings, runs, window, context.zone, folder / PICTURE) if runs else ""
    return render_digest(digest, context), picture


def load_digest(settings: Settings, period: str, window: Window, zone: ZoneInfo) -> tuple[Digest, list[Run]]:
    """Return the digest of a period, and its runs.

    Raises:
        StoreError: the database cannot be read.
    """
    before = period_before(period, window, zone)
    with open_reader(settings.database.url) as connection:
        probes = [name for name in watched_probes(connection, settings) if _is_stored(connection, name)]
        if not probes:
            return make_digest(period, window, ([], []), {}, {}), []
        selection = RunFilter(window.since, window.until, None, probe_pks(connection, probes))
        runs = list(read_runs(connection, selection))
        earlier = list(read_runs(connection, replace(selection, since=before.since, until=before.until)))
        plans = {name: _newest_plan(connection, selection, name) for name in probes}
        met_pct = settings.display.plan_met_pct
        met = {
            (name, path.value): _describe_plan_met(connection, replace(selection, path=path), name, met_pct)
            for name in probes
            for path in NetworkPath
        }
    return make_digest(period, window, (runs, earlier), plans, _data_used(settings, window, probes), met), runs


def _is_stored(connection: Connection, probe: str) -> bool:
    return find_probe_pk(connection, probe) is not None


def _describe_plan_met(connection: Connection, selection: RunFilter, probe: str, met_pct: float) -> dict[str, str]:
    """Return by rate how many results of a probe met the plan that they were stored with, in words."""
    counts = plan_met(connection, replace(selection, probes=probe_pks(connection, [probe])), met_pct)
    shares = {rate: format_percent(100 * one.met / one.tests) for rate, one in counts.items()}
    reached = f"at least {format_trimmed(met_pct)} % of the plan"
    return {rate: f"{reached} in {share} of the tests" for rate, share in shares.items()}


def _newest_plan(connection: Connection, selection: RunFilter, probe: str) -> Plan:
    plans = list(plan_periods(connection, replace(selection, probes=probe_pks(connection, [probe]))))
    return plans[-1][1] if plans else Plan()


def _data_used(settings: Settings, window: Window, probes: Sequence[str]) -> dict[str, int]:
    span = Month(window.since, window.until)
    of_probe = (structs.replace(settings, probe=structs.replace(settings.probe, name=name)) for name in probes)
    return {each.probe.name: monthly_usage(each, [span])[0].total_bytes for each in of_probe}


def draw_picture(settings: Settings, runs: Sequence[Run], window: Window, zone: ZoneInfo, file: Path) -> str:
    """Draw the runs of a period as a PNG; return its path."""
    render.prepare_matplotlib(os.environ, os.geteuid())
    names = ", ".join(sorted({run.probe for run in runs}))
    context = GraphContext(
        zone, Plan(**settings.plan.promised), f"Internet speed at {names}", settings.display.plan_met_pct
    )
    file.write_bytes(render.render(render.DEFAULT_KIND, runs, window, context))
    return str(file)
