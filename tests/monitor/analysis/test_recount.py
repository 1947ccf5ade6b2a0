"""What graphs and the report tell of a fleet's random runs over a change of the clocks, counted again by plain SQL."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from example_runs import make_attempt, make_failed_attempt
from matplotlib.text import Text

from monitor.analysis import statistics
from monitor.analysis.calendar import tabulate_hours
from monitor.analysis.metrics import UNITS, Metric
from monitor.analysis.series import to_series
from monitor.graph import distribution
from monitor.graph.figure_canvas import FigureCanvas
from monitor.graph.render import KINDS, GraphContext
from monitor.localtime import Window
from monitor.model import NetworkPath, Plan, Remark, Status
from monitor.output import units
from monitor.output.units import format_number, format_percent
from monitor.report import wording
from monitor.store.columnar import read_columns
from monitor.store.connection import open_reader, open_writer
from monitor.store.lookups import probe_pks
from monitor.store.read import RunFilter
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from monitor.analysis.series import RunSeries
    from monitor.model import Attempt

BERLIN = ZoneInfo("Europe/Berlin")

# Within a day of UTC on both sides; summer time ends on 25 October at 01:00 UTC.
WINDOW = Window(datetime(2026, 10, 21, 7, 30, tzinfo=UTC), datetime(2026, 10, 29, 16, 45, tzinfo=UTC))

OLD, NEW, CABIN = Plan(100_000_000, 20_000_000, 30.0), Plan(50_000_000, 10_000_000), Plan(16_000_000, 1_000_000)

CHANGED = datetime(2026, 10, 26, tzinfo=UTC)

BUSY = {"healthy": False, "remarks": (Remark("cross_traffic", "3 Mbit/s"),)}

RATES = ("download_bps", "upload_bps")

INSIDE = f"started_at >= {WINDOW.span[0]:.0f} AND started_at < {WINDOW.span[1]:.0f}"

HOME, ALL = f"{INSIDE} AND name = 'home'", INSIDE

TRUSTED = "status = 'ok' AND coalesce(healthy, 1)"

LOCAL = "(started_at + CASE WHEN started_at < 1792890000 THEN 7200 ELSE 3600 END)"

HOUR, WEEKDAY = f"{LOCAL} % 86400 / 3600", f"({LOCAL} / 86400 + 3) % 7"


def _attempts(probe: str, every: float, chance: np.random.Generator) -> Iterator[Attempt]:
    """Yield runs from a day before the window to a day after it, with every combination of attributes."""
    at, sold = WINDOW.since - timedelta(days=1), {"home": OLD, "cabin": CABIN}[probe]
    while at < WINDOW.until + timedelta(days=1):
        plan = NEW if probe == "home" and at >= CHANGED else sold
        what = chance.choice(["ok", "ok", "ok", "ok", "ok", "busy", "failed", "skipped"])
        when = {
            "probe": probe,
            "started_at": at,
            "finished_at": at + timedelta(seconds=30),
            "path": NetworkPath.IP4ONLY,
        }
        made = (
            make_failed_attempt(0)
            if what == "failed"
            else make_attempt(0, **_measured(plan, chance), **(BUSY if what == "busy" else {}))
        )
        if what == "skipped":
            made = make_attempt(0, status=Status.SKIPPED, latency_ms=None)
        yield dataclasses.replace(made, run=dataclasses.replace(made.run, **when), plan=plan)
        at += timedelta(seconds=int(every * chance.uniform(0.6, 1.4)))


def _measured(plan: Plan, chance: np.random.Generator) -> dict[str, Any]:
    """Return numbers, now and then exactly 50, 80, 90 or 100 % of the plan, or none."""
    share = float(chance.choice([0.5, 0.8, 0.9, 1.0, chance.uniform(0.3, 1.2)]))
    rates = {name: round(getattr(plan, name) * share) for name in RATES}
    latency = float(chance.choice([30.0, round(chance.uniform(5, 60), 3)]))
    return rates | {"latency_ms": latency} | ({"upload_bps": None} if chance.random() < 0.05 else {})


@pytest.fixture(scope="module", name="file")
def _file(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a database with the runs of two probes, of which one measures twice as often."""
    chance, file = np.random.default_rng(17), tmp_path_factory.mktemp("again") / "s.db"
    both = [*_attempts("home", 1800, chance), *_attempts("cabin", 3600, chance)]
    with open_writer(f"sqlite:///{file}") as connection:
        add_attempts(connection, both)
    return file


def sql(file: pathlib.Path, what: str, where: str, by: str = "NULL") -> list[tuple[Any, ...]]:
    """Return rows of a plain query."""
    joined = "runs JOIN probes ON probes.pk = probe_pk"
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"SELECT {what} FROM {joined} WHERE {where} GROUP BY {by} ORDER BY 1").fetchall()  # noqa: S608  our own words


def column(file: pathlib.Path, what: str, where: str) -> np.ndarray:
    """Return a number of each trusted run that has it."""
    rows = sql(file, what, f"{where} AND {TRUSTED} AND {what} NOT NULL", "runs.pk")
    return np.array([value for (value,) in rows], float)


def read_tracks(file: pathlib.Path, *probes: str) -> tuple[RunSeries, ...]:
    """Return the tracks of probes, read as the commands do."""
    with open_reader(f"sqlite:///{file}") as connection:
        chosen = RunFilter(WINDOW.since, WINDOW.until, probes=probe_pks(connection, probes))
        runs = read_columns(connection, chosen, UNITS)
    return to_series(runs, WINDOW)


@pytest.mark.parametrize(("probes", "where"), [((), ALL), (("home",), HOME)])
@pytest.mark.parametrize("metric", [Metric.DOWNLOAD, Metric.UPLOAD])
def test_the_heat_map(file: pathlib.Path, metric: Metric, probes: tuple[str, ...], where: str):
    """Each cell is the median share of the plan that is in the run's own row."""
    wanted: dict[tuple[int, int], list[float]] = {}
    share = f"1.0 * {metric} / plan_{metric}"
    rows = sql(file, f"{WEEKDAY}, {HOUR}, {share}", f"{where} AND {TRUSTED} AND {metric} NOT NULL", "runs.pk")
    for weekday, hour, value in rows:
        wanted.setdefault((weekday, hour), []).append(value)
    table = tabulate_hours(read_tracks(file, *probes), BERLIN, metric)
    assert table.of_plan
    assert {place: cell.count for place, cell in table.cells.items()} == {at: len(each) for at, each in wanted.items()}
    for place, each in wanted.items():
        assert table.cells[place].median == pytest.approx(np.median(each))


def written(kind: str, file: pathlib.Path, *probes: str) -> set[str]:
    """Return all that a kind of graph writes."""
    sheet = FigureCanvas(1200, 860, 1.0)
    KINDS[kind].load()(sheet, read_tracks(file, *probes), WINDOW, GraphContext(BERLIN, OLD, "Title"))
    return {text.get_text() for text in sheet.figure.findobj(Text)}


def test_the_tiles_of_throughput(file: pathlib.Path):
    """Medians, percentiles and the share that met the plan in force, which changed within the window."""
    texts = written("throughput", file, "home")
    for name in RATES:
        rates = column(file, name, HOME)
        p5, median, p95 = (format_number(value / 1e6) for value in np.quantile(rates, [0.05, 0.5, 0.95]))
        shares = column(file, f"1.0 * {name} / plan_{name}", HOME)
        met = format_percent(100 * column(file, f"100 * {name} >= 90 * plan_{name}", HOME).mean())
        assert {median, f"5th percentile {p5}, 95th {p95}", f"at least 90 % of the plan in {met} of the tests"} <= texts
        assert f"{round(100 * np.median(shares))} % of the plan in force at the time" in texts
    late = column(file, "latency_ms <= plan_latency_ms", f"{HOME} AND plan_latency_ms NOT NULL")
    assert f"within the plan in {format_percent(100 * late.mean())} of the tests" in texts
    assert f"{sql(file, 'count(*)', HOME)[0][0]:,}" in texts


def test_the_distribution(file: pathlib.Path):
    """Each curve is the share of the results at or below, and the shares beside it are those of the rows."""
    texts = written("distribution", file, "home")
    (series,) = read_tracks(file, "home")
    for metric in (Metric.DOWNLOAD, Metric.UPLOAD):
        rates = column(file, metric, HOME)
        line = dict(distribution.to_step_line(statistics.measured_values([series], metric), 1e9))
        assert set(line) == {0.0, *rates, 1e9}
        assert all(line[rate] == pytest.approx(100 * np.mean(rates <= rate)) for rate in rates)
        for level in (90, 80, 50):
            share = column(file, f"100 * {metric} >= {level} * plan_{metric}", HOME).mean()
            assert f"{format_percent(100 * share)} reached {level} % of the plan" in texts


def test_latency_reached_the_plan_by_staying_below(file: pathlib.Path):
    """Of the results whose plan promises one."""
    met = column(file, "latency_ms <= plan_latency_ms", f"{HOME} AND plan_latency_ms NOT NULL").mean()
    assert 0.3 < met < 0.9
    assert met != 0.5
    assert f"{format_percent(100 * met)} stayed within the plan" in written("distribution", file, "home")


class _Tables(HTMLParser):
    """The cells of the rows of all tables of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  as the parser calls it
        self._inside = tag in {"td", "th"}
        if tag == "tr":
            self.rows.append([])
        if self._inside:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  as the parser calls it
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data.strip()


@pytest.fixture(scope="module", params=[("home", HOME), ("", ALL)], ids=["home", "all"])
def report_tables(request: pytest.FixtureRequest, file: pathlib.Path) -> tuple[list[list[str]], str]:
    """Return the rows of all tables of the report of one probe or of all, as the command writes it, and which runs."""
    probe, where = request.param
    ends = ("--since", f"{WINDOW.since:%Y-%m-%dT%H:%MZ}", "--until", f"{WINDOW.until:%Y-%m-%dT%H:%MZ}")
    command = [sys.executable, "-m", "monitor", "report", *ends, "--path", "all", "--output", "a.html", "-q"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(file.parent), "SPEEDMON_DATABASE_URL": f"sqlite:///{file}"}
    environ |= {"SPEEDMON_DISPLAY__TIMEZONE": "Europe/Berlin"}
    subprocess.run([*command, *(["--probe", probe] if probe else [])], cwd=file.parent, env=environ, check=True)
    return _Tables((file.parent / "a.html").read_text()).rows, where


@pytest.mark.parametrize("name", [*RATES, "latency_ms"])
def test_the_spreads_of_the_report(report_tables: tuple[list[list[str]], str], file: pathlib.Path, name: str):
    """Results, 5th percentile, median and 95th are in one row."""
    rows, where = report_tables
    values = column(file, name, where)
    numbers = [units.format_metric(name, value) for value in np.quantile(values, [0.05, 0.5, 0.95])]
    assert [wording.METRIC_NAMES[name], f"{len(values):,}", *numbers] in rows


@pytest.mark.parametrize("name", RATES)
def test_the_shares_of_the_report(report_tables: tuple[list[list[str]], str], file: pathlib.Path, name: str):
    """Each run is compared with the plan of its own row; exactly 90 % is not below 90 %."""
    rows, where = report_tables
    short = [column(file, f"100 * {name} < {limit} * plan_{name}", where) for limit in (50, 80, 90)]
    cells = [f"{int(each.sum()):,} ({units.format_percent(100 * each.mean())})" for each in short]
    assert [wording.METRIC_NAMES[name], f"{len(short[0]):,}", *cells] in rows


@pytest.mark.parametrize(
    ("place", "names"),
    [(HOUR, [f"{hour:02}:00 to {hour:02}:59" for hour in range(24)]), (WEEKDAY, units.WEEKDAY_NAMES)],
)
def test_the_hours_and_weekdays_of_the_report(
    report_tables: tuple[list[list[str]], str], file: pathlib.Path, place: str, names: list[str]
):
    """Results, medians, shares below 90 % of the plan and failed tests of each."""
    rows, where = report_tables
    for at, name in enumerate(names):
        here = f"{where} AND {place} = {at}"
        medians = [
            units.format_metric_number(each, float(np.median(column(file, each, here))))
            for each in (*RATES, "latency_ms")
        ]
        short = [column(file, f"100 * {each} < 90 * plan_{each}", here).mean() * 100 for each in RATES]
        broken = len(sql(file, "runs.pk", f"{here} AND status = 'failed'", "runs.pk"))
        results = len(column(file, "runs.pk", here))
        assert [name, f"{results:,}", *medians, *map(units.format_percent, short), f"{broken:,}"] in rows


def test_the_plans_of_the_report(report_tables: tuple[list[list[str]], str], file: pathlib.Path):
    """The report of one probe has the changes of its own plan, not the other's."""
    rows, where = report_tables
    assert "16 Mbit/s" not in str(rows)
    if where == HOME:
        ((first,),) = sql(file, "min(started_at)", f"{HOME} AND started_at >= {CHANGED.timestamp():.0f}")
        moment = units.format_time_with_offset(datetime.fromtimestamp(first, UTC), BERLIN)
        at = rows.index(["before the window", "100 Mbit/s", "20 Mbit/s", "30 ms"])
        assert rows[at + 1] == [moment, "50 Mbit/s", "10 Mbit/s", units.NO_VALUE]
