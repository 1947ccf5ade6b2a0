"""What a picture of ten years still shows of every run: the lowest and the highest, each failure, and what was sold."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from decade import BAD, DECADE, HOUR, RUNS, SINCE, decade
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.text import Text

from monitor.columns import NO_PLAN, Columns
from monitor.graph import calendar, picture, style
from monitor.graph.box import Box
from monitor.graph.data import Metric
from monitor.graph.days import days
from monitor.graph.envelope import bucket_width, envelope
from monitor.graph.panel import Frame, Panel
from monitor.graph.promise import promises
from monitor.graph.rows import LEAST_HEIGHT, STROKE_HEIGHT, Row, draw_rows
from monitor.graph.scale import scale
from monitor.graph.sheet import Sheet
from monitor.graph.stats import values
from monitor.graph.terms import Terms
from monitor.graph.track import tracks

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module", name="columns")
def _columns() -> Columns:
    return decade()


def frame(width: float = 1000, bucket: int | None = None) -> Frame:
    """Return a frame over the ten years."""
    return Frame(*DECADE.span, left=100, width=width, large=(), small=(), bucket=bucket)


def test_no_value_of_ten_years_lies_outside_the_envelope(columns: Columns):
    """Each result is between the lowest and the highest of its bucket, and each of these is a result."""
    (track,) = tracks(columns, DECADE)
    width = bucket_width(RUNS, DECADE.span[1] - DECADE.span[0], 1000)
    assert width
    for segment in track.line(Metric.DOWNLOAD).segments(86_400):
        thin = envelope(segment, width)
        place = np.unique(segment.times // width, return_inverse=True)[1] + 1
        assert np.all((thin.low[place] <= segment.values) & (segment.values <= thin.high[place]))
        assert set(thin.low) | set(thin.high) <= set(segment.values.tolist())
        assert [np.median(segment.values[place == at]) for at in (1, place.max())] == [thin.middle[1], thin.middle[-2]]


def test_the_outline_reaches_the_fastest_and_the_slowest_test(columns: Columns):
    """What is drawn, not only what was counted."""
    found = tracks(columns, DECADE)
    width = bucket_width(RUNS, DECADE.span[1] - DECADE.span[0], 1000)
    axis = scale(Metric.DOWNLOAD, values(found, Metric.DOWNLOAD), None)
    area = Panel(Metric.DOWNLOAD, axis, 100, 200).draw(Sheet(1200, 400, 1.0), frame(bucket=width), found)
    shades = [each for each in area.artists if isinstance(each, PolyCollection)][1:]
    points = np.concatenate([path.vertices[:, 1] for each in shades for path in each.get_paths()])
    rates = values(found, Metric.DOWNLOAD)
    assert (points.min(), points.max()) == (rates.min(), rates.max())


def strokes(times: np.ndarray) -> dict[float, float]:
    """Return the heights of the strokes that a row of marks is drawn with, by their moments."""
    sheet, row = Sheet(1200, 400, 1.0), Row("line", "#123456", times)
    draw_rows(sheet, frame(), [row], 100)
    found = [each for each in sheet.figure.findobj(LineCollection) if np.isclose(each.get_color()[0][0], 0x12 / 255)]
    return {path.vertices[0][0]: float(-np.diff(path.vertices[:, 1])[0]) for each in found for path in each.get_paths()}


def test_every_failure_is_in_a_stroke_and_more_are_higher(columns: Columns):
    """At each place with a failure is a stroke, whose height above the least is its share of the most."""
    (track,) = tracks(columns, DECADE)
    (times,) = track.marks.values()
    found = strokes(times)
    counts = {at: np.count_nonzero(np.abs(times - at) <= (DECADE.span[1] - SINCE) / 333 / 2) for at in found}
    assert sum(counts.values()) == len(BAD) == len(times)
    most = max(counts.values())
    for at, height in found.items():
        assert height == pytest.approx(LEAST_HEIGHT + (STROKE_HEIGHT - LEAST_HEIGHT) * counts[at] / most)


def test_few_failures_have_a_stroke_each():
    """At its moment, and all of one height, up to as many as there are places."""
    times = SINCE + HOUR * np.arange(333.0)
    assert sorted(strokes(times)) == times.tolist()
    assert set(np.round(list(strokes(times).values()), 9)) == {STROKE_HEIGHT}
    assert len(strokes(np.append(times, times[-1] + 1))) < 20


@pytest.mark.parametrize(("width", "least"), [(1000, 0), (11, (DECADE.span[1] - DECADE.span[0]) / 11)])
def test_bands_are_left_out_only_where_they_crowd(columns: Columns, width: float, least: float):
    """Three in ten years are all shaded; on eleven pixels those as long as a pixel are."""
    found = tracks(columns, DECADE)
    assert [end - start for start, end in found[0].bands.at_least(0)] == [3 * HOUR, HOUR, 400 * HOUR]
    assert frame(width).least_band(found) == least
    assert len(found[0].bands.at_least(400 * HOUR)) == 1
    assert not found[0].bands.at_least(400 * HOUR + 1)


def test_the_plan_steps_to_another_and_back(columns: Columns):
    """Three stretches of one line, and two labels."""
    found = tracks(columns, DECADE)
    (promise,) = promises(found, Metric.DOWNLOAD, NO_PLAN, SINCE)
    turns = [SINCE + HOUR * at for at in (0, RUNS // 3, 2 * RUNS // 3)]
    assert promise.steps == tuple(zip(turns, (50e6, 100e6, 50e6), strict=True))
    ((line),) = promise.line(DECADE.span[1])
    assert [y for _, y in line] == [50e6, 50e6, 100e6, 100e6, 50e6, 50e6]
    sheet = Sheet(1200, 840, 1.0)
    picture.draw_throughput(sheet, found, DECADE, Terms(BERLIN, NO_PLAN, "Title"))
    texts = {text.get_text() for text in sheet.figure.findobj(Text)}
    assert {"plan now 100 / 20", "plan now 50 / 10", "plan 50"} <= texts


def tiles(columns: Columns, height: float) -> list[tuple[float, str]]:
    """Return the column and the ink of the cells of a calendar of the ten years."""
    sheet, found = Sheet(1200, 860, 1.0), tracks(columns, DECADE)
    calendar.draw(sheet, Box(40, 100, 1100, height), days(found, [], DECADE, BERLIN))
    cells = [each for each in sheet.figure.findobj(PolyCollection) if len(each.get_paths()) > 1]
    return [
        (path.vertices[0][0], "#" + "".join(f"{round(255 * part):02x}" for part in ink[:3]))
        for each in cells
        for path, ink in zip(each.get_paths(), each.get_facecolor(), strict=True)
    ]


def test_weeks_stand_for_their_days_where_these_are_too_low(columns: Columns):
    """A cell a week that has tests and, of a year, not one more; a failure in it colours it as it would its day."""
    first, last = (datetime.fromtimestamp(at, BERLIN).date() for at in (SINCE, SINCE + HOUR * (RUNS - 1)))
    each = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    assert len(tiles(columns, 700)) == len(each)
    weeks = tiles(columns, 400)
    assert len(weeks) == len({(day.year, calendar.column(day)) for day in each})
    calm = style.GRID.lower()
    failed_on = {datetime.fromtimestamp(SINCE + HOUR * at, BERLIN).date() for at in BAD}
    assert sum(ink != calm for _, ink in weeks) == len({(day.year, calendar.column(day)) for day in failed_on})
