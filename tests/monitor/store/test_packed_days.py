"""Packed days contain exactly their runs, in whatever order these were stored, and outlive them."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import uuid
from datetime import timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from example_runs import START, any_attempt, make_attempt, make_failed_attempt
from hypothesis import example, given, settings
from hypothesis import strategies as st
from places import SUPPORT
from sqlalchemy import delete, event, insert, select, update

from monitor.analysis.columns import Columns, join_columns
from monitor.analysis.metrics import UNITS, to_stored
from monitor.config.settings import RetentionSettings
from monitor.errors import StoreError
from monitor.model import Doubt, NetworkPath, Plan, Remark
from monitor.store import maintenance, packed_days, read, tables
from monitor.store.columnar import read_columns
from monitor.store.connection import open_reader, open_writer
from monitor.store.packed_days import DAY_S, pack_integers
from monitor.store.read import RunFilter
from monitor.store.write import add_attempt, add_attempts

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from monitor.model import Attempt

DAY = timedelta(days=1)

MIDNIGHT = START.replace(hour=0, minute=0, second=0)

PACKED = tables.packed_days

ALL = RunFilter(START - 5000 * DAY, START + 5000 * DAY)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of a database that the tests of this file share, of each kind; each test fills it again."""
    if request.param == "postgresql":
        made: str = request.getfixturevalue("cluster").store()
        return made
    return f"sqlite:///{tmp_path_factory.mktemp('packed')}/speedmon.db"


def fill(url: str, *batches: Iterable[Attempt]) -> None:
    """Store attempts, a batch in a transaction, in place of those that were there."""
    with open_writer(url) as connection:
        for table in (tables.runs, tables.rollups, PACKED):
            connection.execute(delete(table))
    for batch in batches:
        with open_writer(url) as connection:
            add_attempts(connection, batch)


def comparable(columns: Columns) -> list[tuple[Any, ...]]:
    """Return what columns say of each run, whatever the order of those that started at the same second."""
    numbers = [columns.numbers[name].tolist() for name in sorted(columns.numbers)]
    sorts = [columns.attributes[place] for place in columns.codes.tolist()]
    runs = zip(columns.started.tolist(), columns.durations.tolist(), sorts, *numbers, strict=True)
    return sorted(runs, key=repr)


def read_both(connection: Connection, window: RunFilter) -> tuple[Columns, Columns]:
    """Return the columns of a window, and what the runs of it and their plans come to one by one."""
    columns = read_columns(connection, window, UNITS)
    query = select(tables.runs.c.id, *(tables.runs.c[name] for name in tables.PLAN_COLUMNS))
    plans = {name: Plan(*plan) for name, *plan in connection.execute(query)}
    by_run = [(Columns.from_runs([run]), plans[run.id]) for run in read.read_runs(connection, window)]
    parts = [
        dataclasses.replace(one, attributes=(dataclasses.replace(one.attributes[0], plan=plan),))
        for one, plan in by_run
    ]
    return columns, join_columns(parts, UNITS)


def days_packed(url: str) -> list[tuple[int, bool]]:
    """Return how many days after START's each packed day is, and whether it is frozen."""
    with open_reader(url) as connection:
        rows = connection.execute(select(PACKED.c.day, PACKED.c.frozen).order_by(PACKED.c.day)).all()
    return [((row.day - int(MIDNIGHT.timestamp())) // DAY_S, row.frozen) for row in rows]


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 300), min_size=1))
@example([0, 0])
@example([255])
@example([256])
def test_a_column_is_its_numbers_in_as_few_bytes_as_take_them(values: list[int]):
    """Each number comes back; the width is the least of four, and none where all are 0."""
    packed = pack_integers(values)
    size = len(packed) // len(values)
    back = [int.from_bytes(packed[at : at + size], "little") for at in range(0, len(packed), size or 1)]
    assert (back or [0] * len(values)) == values
    assert size == next(size for size in (0, 1, 2, 4, 8) if max(values) < 1 << 8 * size)


@pytest.mark.parametrize(
    ("value", "unit", "kept"),
    [(None, 1, 0), (0, 1, 1), (4.2, 1000, 4201), (1e300, 1000, 2**64 - 1), (float("inf"), 1000, 0)],
)
def test_a_number_is_stored_exactly(value: float | None, unit: int, kept: int):
    """Nothing is 0, 0 is 1, and what no column could take is the most it can."""
    assert to_stored(value, unit) == kept


def placed(one: Attempt, second: int, probe: str) -> Attempt:
    """Return an attempt at another time, of another probe and with an id of its own."""
    started = MIDNIGHT + timedelta(seconds=second)
    changes = {"id": str(uuid.uuid4()), "probe": probe, "started_at": started}
    ended = started + (one.run.finished_at - one.run.started_at)
    return dataclasses.replace(one, run=dataclasses.replace(one.run, **changes, finished_at=ended))


# Few beginnings, so that some are the same; the ends of days among them.
_SECONDS = st.sampled_from([0, 1, DAY_S - 1, DAY_S, 3 * DAY_S - 1, 3 * DAY_S]) | st.integers(0, 6 * DAY_S)

_some = st.sampled_from([make_attempt(), make_attempt(healthy=False), make_failed_attempt()]) | any_attempt

_placed = st.builds(placed, _some, _SECONDS, st.sampled_from(["home", "cabin"]))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(_placed, max_size=6), max_size=5), _SECONDS, _SECONDS, st.sampled_from([None, *NetworkPath]))
def test_columns_are_what_the_runs_of_the_window_are(
    url: str, batches: list[list[Attempt]], since: int, until: int, path: NetworkPath | None
):
    """Whatever was stored, late or at once, each window of it says of every run what its row does, oldest first."""
    fill(url, *batches)
    window = RunFilter(MIDNIGHT + timedelta(seconds=since), MIDNIGHT + timedelta(seconds=until), path)
    with open_reader(url) as connection:
        assert packed_days.count_mismatches(connection) == 0
        for chosen in (ALL, window, dataclasses.replace(ALL, probes=[1])):
            columns, expected = read_both(connection, chosen)
            assert comparable(columns) == comparable(expected)
            assert columns.started.tolist() == expected.started.tolist()


@settings(max_examples=6, deadline=None)
@given(
    st.permutations(
        [*(make_attempt(700 * k) for k in range(6)), make_failed_attempt(5), make_attempt(900, path=NetworkPath.HOST)]
    )
)
def test_packed_days_do_not_depend_on_the_order(url: str, order: list[Attempt]):
    """Runs that come one by one, late or twice, leave the same rows as in order and at once."""
    fill(url, *([one] for one in (*order, *order)))
    with open_reader(url) as connection:
        one_by_one = sorted(map(tuple, connection.execute(select(PACKED))))
    fill(url, sorted(order, key=lambda one: one.run.started_at))
    with open_reader(url) as connection:
        assert sorted(map(tuple, connection.execute(select(PACKED)))) == one_by_one


def test_sorts_stand_in_an_order_of_their_own(url: str):
    """Not in that of a set, which another process has otherwise, and which a check would then find wrong."""
    engines = [f"engine-{at * 7 % 20:02}" for at in range(20)]
    fill(url, [*(make_attempt(at, engine=engine) for at, engine in enumerate(engines)), make_attempt(1440)])
    with open_reader(url) as connection:
        (sorts,) = connection.scalars(select(PACKED.c.sorts))
    assert [entry[1] for entry in json.loads(sorts)] == sorted(engines)


def test_a_day_is_packed_when_a_newer_one_begins(url: str):
    """The newest day is left to its rows; the one before is packed by the first run after it, however much later."""
    fill(url, [make_attempt(0)], [make_attempt(1)])
    assert days_packed(url) == []
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt(9 * 1440))
    assert days_packed(url) == [(0, False)]
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt(4 * 1440))
    assert days_packed(url) == [(0, False), (4, False)]


def test_a_day_is_packed_when_newer_ones_come_at_once(url: str):
    """An import that goes on after a gap closes the day before that gap too."""
    fill(url, [make_attempt(0)], [make_attempt(3 * 1440), make_attempt(4 * 1440), make_attempt(8 * 1440)])
    assert days_packed(url) == [(0, False), (3, False), (4, False)]


def test_late_runs_of_several_days_are_packed_with_them(url: str):
    """An import into days that are already packed packs each of them again."""
    fill(url, [make_attempt(1440 * day) for day in range(5)], [make_attempt(1440 * day + 1) for day in range(4)])
    with open_reader(url) as connection:
        assert packed_days.count_mismatches(connection) == 0
        assert len(read_columns(connection, ALL, UNITS)) == 9


def test_only_what_is_asked_for_is_read(url: str):
    """Columns have the numbers of these names, and a number that no run has is nothing for each."""
    fill(url, [make_attempt(0), make_attempt(1440)])
    with open_reader(url) as connection:
        columns = read_columns(connection, ALL, ("latency_ms", "packet_loss_pct"))
    assert {name: kept.tolist() for name, kept in columns.numbers.items()} == {
        "latency_ms": [4201, 4201],
        "packet_loss_pct": [0, 0],
    }


def test_what_makes_numbers_doubtful_is_kept(url: str):
    """A sort names the remarks that spoil a result and leaves out those that do not."""
    remarks = (Remark(Doubt.SECOND_TEST, "m"), Remark("cross_traffic", "m"))
    fill(url, [make_attempt(0, remarks=remarks), make_attempt(1440)])
    with open_reader(url) as connection:
        first, _ = read_columns(connection, ALL, UNITS).attributes
    assert first.doubts == ("cross_traffic",)


def test_probes_and_paths_with_equal_attributes_are_kept_apart(url: str):
    """Where nothing but these differs, each run is still of its own, packed or not."""
    places = [{"probe": probe, "path": path} for probe in ("home", "cabin") for path in NetworkPath]
    fill(url, [make_attempt(minutes, **place) for minutes in (0, 1440) for place in places])
    with open_reader(url) as connection:
        columns, expected = read_both(connection, ALL)
    assert comparable(columns) == comparable(expected)
    assert len(columns.attributes) == 4


def test_a_window_of_nothing(url: str):
    """Where there is no run, or no probe yet, columns are there and empty."""
    fill(url)
    with open_reader(url) as connection:
        columns = read_columns(connection, ALL, UNITS)
    assert (len(columns), columns.attributes, set(columns.numbers)) == (0, (), set(UNITS))


def test_a_window_cuts_days_where_it_begins_and_ends(url: str):
    """To the second, whether the day is packed or the newest."""
    seconds = [0, 5, DAY_S - 1, DAY_S, DAY_S + 7, 2 * DAY_S, 2 * DAY_S + 9]
    fill(url, [placed(make_attempt(), second, "home") for second in seconds])
    edges = sorted({second + more for second in seconds for more in (0, 1)})
    with open_reader(url) as connection:
        for begin, end in combinations(edges, 2):
            window = RunFilter(MIDNIGHT + timedelta(seconds=begin), MIDNIGHT + timedelta(seconds=end))
            columns = read_columns(connection, window, ()).started - int(MIDNIGHT.timestamp())
            assert columns.tolist() == [second for second in seconds if begin <= second < end]


def test_days_that_are_not_packed_are_read_from_their_rows(url: str):
    """A packed day that is missing, the first, one in the middle or all of them, leaves no gap."""
    fill(url, [make_attempt(600 * k) for k in range(20)])
    for gone in ([0], [3, 4], range(9)):
        with open_writer(url) as connection:
            starts = [int(MIDNIGHT.timestamp()) + day * DAY_S for day in gone]
            connection.execute(delete(PACKED).where(PACKED.c.day.in_(starts)))
            columns, expected = read_both(connection, ALL)
        assert comparable(columns) == comparable(expected)
    assert days_packed(url) == []


def test_pruned_runs_are_drawn_as_they_were(url: str):
    """Their days stay, those of a probe that fell silent too, and the checks find nothing wrong with them."""
    silent = [make_attempt(-60_000 + k, probe="cabin") for k in range(3)]
    fill(url, [make_attempt(700 * k - 60_000) for k in range(90)], silent)
    with open_reader(url) as connection:
        before = read_columns(connection, ALL, UNITS)
    maintenance.prune_expired(url, RetentionSettings(runs_days=10), START)
    with open_writer(url) as connection:
        assert comparable(read_columns(connection, ALL, UNITS)) == comparable(before)
        assert read.count_runs(connection) < 30
        assert packed_days.count_mismatches(connection) == 0
        packed_days.rebuild_days(connection)
        assert comparable(read_columns(connection, ALL, UNITS)) == comparable(before)


def test_a_run_that_comes_back_is_not_drawn_twice(url: str):
    """An import of what was pruned leaves the packed days of that time as they were; so does pruning it again."""
    old = [make_attempt(-60_000), make_attempt(-59_999), make_attempt(-50_000)]
    fill(url, [*old, make_attempt(0)])
    for back in (old[:1], old, old[1:]):
        maintenance.prune_expired(url, RetentionSettings(runs_days=10), START)
        with open_writer(url) as connection:
            add_attempts(connection, back)
            assert len(read_columns(connection, ALL, UNITS)) == 4
            assert packed_days.count_mismatches(connection) == 0


def test_the_day_from_which_runs_are_kept_stays_open(url: str):
    """Late runs of it are packed with it; the day before is frozen."""
    fill(url, [make_attempt(-11 * 1440), make_attempt(-10 * 1440), make_attempt(0)])
    maintenance.prune_expired(url, RetentionSettings(runs_days=10), START)
    assert days_packed(url) == [(-11, True), (-10, False)]


def test_packed_days_go_at_the_age_of_roll_ups(url: str):
    """What is older than roll-ups are kept for goes with them."""
    fill(url, [make_attempt(-60_000), make_attempt(-30_000), make_attempt(0)])
    maintenance.prune_expired(url, RetentionSettings(runs_days=10, rollups_days=30), START)
    assert days_packed(url) == [(-21, True)]


def test_a_packed_day_that_is_wrong_is_found_and_repaired(url: str):
    """Days that are missing, have no runs or differ from them are counted; after packing again there are none."""
    fill(url, [make_attempt(1440 * k) for k in range(5)])
    first = int(MIDNIGHT.timestamp())
    with open_writer(url) as connection:
        row = connection.execute(select(PACKED).where(PACKED.c.day == first)).mappings().one()
        connection.execute(insert(PACKED), dict(row) | {"day": first - DAY_S})
        connection.execute(delete(PACKED).where(PACKED.c.day == first))
        connection.execute(update(PACKED).where(PACKED.c.day == first + DAY_S).values(sort=b"\1"))
        assert packed_days.count_mismatches(connection) == 3
        packed_days.rebuild_days(connection)
        assert packed_days.count_mismatches(connection) == 0


def test_a_broken_packed_day_is_reported(url: str):
    """A column without a number for each run stops the read, and the error names the fix."""
    fill(url, [make_attempt(0), make_attempt(1), make_attempt(1440)])
    with open_writer(url) as connection:
        connection.execute(update(PACKED).values(latency_ms=b"\1\1\1"))
        with pytest.raises(StoreError, match="damaged in latency_ms: run `speedmon db check --fix`"):
            read_columns(connection, ALL, UNITS)


STORE = """
import sys
from example_runs import make_attempt
from monitor.store.connection import open_writer
from monitor.store.write import add_attempt
for minutes in (0, 1440):
    with open_writer(sys.argv[1]) as connection:
        add_attempt(connection, make_attempt(minutes))
sys.exit("numpy" in sys.modules)
"""


def test_who_stores_runs_needs_no_numpy(tmp_path: pathlib.Path):
    """A day is packed without the library that reads it: `collect` has neither time nor memory for that."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    subprocess.run([sys.executable, "-c", STORE, url], env={"PYTHONPATH": str(SUPPORT)}, check=True)
    assert days_packed(url) == [(0, False)]


def test_a_window_is_found_by_index(tmp_path: pathlib.Path):
    """Neither runs nor packed days nor roll-ups are read from end to end, however many there are."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    fill(url, [make_attempt(1440 * k) for k in range(3)])
    asked: list[tuple[str, object]] = []
    with open_reader(url) as connection:
        event.listen(connection, "before_cursor_execute", lambda *event_arguments: asked.append(event_arguments[2:4]))
        read_columns(connection, RunFilter(START - 400 * DAY, START + 9 * DAY), ("latency_ms",))
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in asked.copy()]
        steps = {row[3] for plan in plans for row in plan}
    by_day = "packed_days USING INDEX sqlite_autoindex_packed_days_1 (day>? AND day<?)"
    assert not [step for step in steps if step.startswith(("SCAN runs", "SCAN rollups", "SCAN packed_days"))]
    assert any(step.startswith("SEARCH runs USING INDEX ix_runs_probe_pk_path_started_at") for step in steps)
    assert any(step.startswith("SEARCH rollups USING PRIMARY KEY (probe_pk=? AND path=? AND span=?") for step in steps)
    assert f"SEARCH {by_day}" in steps
    assert not [step for step in steps if "B-TREE" in step]
