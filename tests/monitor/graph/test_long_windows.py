"""What a picture of ten years still shows of every run: the lowest and the highest, each failure, and the plan."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.text import Text
from ten_years import BAD, HOUR, RUNS, SINCE, TEN_YEARS, ten_years_of_runs

from monitor.analysis.calendar import count_days
from monitor.analysis.columns import NO_PLAN, Columns
from monitor.analysis.metrics import Metric
from monitor.analysis.plan import plan_lines
from monitor.analysis.series import to_series
from monitor.analysis.statistics import measured_values
from monitor.graph import availability, theme, throughput
from monitor.graph.annotations import LEAST_HEIGHT, STROKE_HEIGHT, MarkRow, draw_mark_rows
from monitor.graph.axes import make_value_axis
from monitor.graph.canvas import Box
from monitor.graph.figure_canvas import FigureCanvas
from monitor.graph.panel import Frame, Panel, choose_bucket_width, make_envelope
from monitor.graph.render import GraphContext

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module", name="columns")
def _columns() -> Columns:
    return ten_years_of_runs()


def frame(width: float = 1000, bucket: int | None = None) -> Frame:
    """Return a frame over the ten years."""
    return Frame(*TEN_YEARS.span, left=100, width=width, bucket=bucket)


def test_no_value_of_ten_years_lies_outside_the_envelope(columns: Columns):
    """Each result is between the lowest and the highest of its bucket, and each of these is a result."""
    (track,) = to_series(columns, TEN_YEARS)
    width = choose_bucket_width(RUNS, TEN_YEARS.span[1] - TEN_YEARS.span[0], 1000)
    assert width
    for segment in track.line(Metric.DOWNLOAD).segments(86_400):
        thin = make_envelope(segment, width)
        place = np.unique(segment.times // width, return_inverse=True)[1] + 1
        assert np.all((thin.low[place] <= segment.values) & (segment.values <= thin.high[place]))
        assert set(thin.low) | set(thin.high) <= set(segment.values.tolist())
        assert [np.median(segment.values[place == at]) for at in (1, place.max())] == [thin.middle[1], thin.middle[-2]]


def test_the_outline_reaches_the_fastest_and_the_slowest_test(columns: Columns):
    """What is drawn, not only what was counted."""
    all_series = to_series(columns, TEN_YEARS)
    width = choose_bucket_width(RUNS, TEN_YEARS.span[1] - TEN_YEARS.span[0], 1000)
    axis = make_value_axis(Metric.DOWNLOAD, measured_values(all_series, Metric.DOWNLOAD), None)
    area = Panel(Metric.DOWNLOAD, axis, 100, 200).draw(FigureCanvas(1200, 400, 1.0), frame(bucket=width), all_series)
    shades = [each for each in area.artists if isinstance(each, PolyCollection)][1:]
    points = np.concatenate([path.vertices[:, 1] for each in shades for path in each.get_paths()])
    rates = measured_values(all_series, Metric.DOWNLOAD)
    assert (points.min(), points.max()) == (rates.min(), rates.max())


def strokes(times: np.ndarray) -> dict[float, float]:
    """Return the heights of the strokes that a row of marks is drawn with, by their moments."""
    canvas, row = FigureCanvas(1200, 400, 1.0), MarkRow("line", "#123456", times)
    draw_mark_rows(canvas, frame(), [row], 100)
    collections = [
        item for item in canvas.figure.findobj(LineCollection) if np.isclose(item.get_color()[0][0], 0x12 / 255)
    ]
    return {
        path.vertices[0][0]: float(-np.diff(path.vertices[:, 1])[0])
        for item in collections
        for path in item.get_paths()
    }


def test_every_failure_is_in_a_stroke_and_more_are_higher(columns: Columns):
    """At each place with a failure is a stroke, whose height above the least is its share of the most."""
    (track,) = to_series(columns, TEN_YEARS)
    (times,) = track.marks.values()
    heights = strokes(times)
    counts = {at: np.count_nonzero(np.abs(times - at) <= (TEN_YEARS.span[1] - SINCE) / 333 / 2) for at in heights}
    assert sum(counts.values()) == len(BAD) == len(times)
    most = max(counts.values())
    for at, height in heights.items():
        assert height == pytest.approx(LEAST_HEIGHT + (STROKE_HEIGHT - LEAST_HEIGHT) * counts[at] / most)


def test_few_failures_have_a_stroke_each():
    """At its moment, and all of one height, up to as many as there are places."""
    times = SINCE + HOUR * np.arange(333.0)
    assert sorted(strokes(times)) == times.tolist()
    assert set(np.round(list(strokes(times).values()), 9)) == {STROKE_HEIGHT}
    assert len(strokes(np.append(times, times[-1] + 1))) < 20


@pytest.mark.parametrize(("width", "least"), [(1000, 0), (11, (TEN_YEARS.span[1] - TEN_YEARS.span[0]) / 11)])
def test_bands_are_left_out_only_where_they_crowd(columns: Columns, width: float, least: float):
    """Three in ten years are all shaded; on eleven pixels those as long as a pixel are."""
    all_series = to_series(columns, TEN_YEARS)
    assert [end - start for start, end in all_series[0].bands.at_least(0)] == [3 * HOUR, HOUR, 400 * HOUR]
    assert frame(width).least_band(all_series) == least
    assert len(all_series[0].bands.at_least(400 * HOUR)) == 1
    assert not all_series[0].bands.at_least(400 * HOUR + 1)


def test_the_plan_steps_to_another_and_back(columns: Columns):
    """Three stretches of one line, and two labels."""
    all_series = to_series(columns, TEN_YEARS)
    (promise,) = plan_lines(all_series, Metric.DOWNLOAD, NO_PLAN, SINCE)
    turns = [SINCE + HOUR * at for at in (0, RUNS // 3, 2 * RUNS // 3)]
    assert promise.steps == tuple(zip(turns, (50e6, 100e6, 50e6), strict=True))
    ((line),) = promise.line(TEN_YEARS.span[1])
    assert [y for _, y in line] == [50e6, 50e6, 100e6, 100e6, 50e6, 50e6]
    canvas = FigureCanvas(1200, 840, 1.0)
    throughput.draw_throughput(canvas, all_series, TEN_YEARS, GraphContext(BERLIN, NO_PLAN, "Title"))
    texts = {text.get_text() for text in canvas.figure.findobj(Text)}
    assert {"plan now 100 / 20", "plan now 50 / 10", "plan 50"} <= texts


def tiles(columns: Columns, height: float) -> list[tuple[float, str]]:
    """Return the column and the ink of the cells of a calendar of the ten years."""
    canvas, all_series = FigureCanvas(1200, 860, 1.0), to_series(columns, TEN_YEARS)
    availability.draw_calendar(canvas, Box(40, 100, 1100, height), count_days(all_series, [], TEN_YEARS, BERLIN))
    cells = [each for each in canvas.figure.findobj(PolyCollection) if len(each.get_paths()) > 1]
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
    assert len(weeks) == len({(day.year, availability.week_column(day)) for day in each})
    calm = theme.GRID.lower()
    failed_on = {datetime.fromtimestamp(SINCE + HOUR * at, BERLIN).date() for at in BAD}
    assert sum(ink != calm for _, ink in weeks) == len({(day.year, availability.week_column(day)) for day in failed_on})
