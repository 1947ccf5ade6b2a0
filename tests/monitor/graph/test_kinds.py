"""Every kind of graph: that it draws whatever there is, and that what it draws is the data."""

from __future__ import annotations

import dataclasses
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from example_runs import START, make_attempt, make_failed_attempt
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from monitor.analysis.columns import Columns
from monitor.analysis.metrics import Metric
from monitor.analysis.plan import plan_lines
from monitor.analysis.series import Change, ChangeKind, to_series
from monitor.graph import availability, distribution, heatmap, latency, theme, throughput
from monitor.graph import render as graph_render
from monitor.graph.figure_canvas import FigureCanvas
from monitor.graph.render import KINDS, GraphContext, render
from monitor.graph.theme import DARK, INK, PRINT, THEMES, RenderOptions, Shade, shade_color
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, NetworkPath, Plan, Remark, Scope, Server, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.theme import Theme
    from monitor.model import Run

BERLIN = ZoneInfo("Europe/Berlin")

DAY = Window(START, START + timedelta(days=1))

CONTEXT = GraphContext(BERLIN, Plan(100_000_000, 20_000_000, 20.0), "Title")

CROSS = (Remark("cross_traffic", "others were busy"),)

MANY = [
    make_attempt(
        15 * at, download_latency_ms=30.0 + at, upload_latency_ms=60.0, server=Server(str(at % 3), f"S{at % 3}")
    ).run
    for at in range(40)
]

MIXED = [
    *MANY,
    *(make_failed_attempt(700 + at, Failure(FailureKind.DNS, scope, None, "")).run for at, scope in enumerate(Scope)),
    make_attempt(800, download_bps=1_000_000, healthy=False, remarks=CROSS).run,
    make_attempt(815, status=Status.SKIPPED, download_bps=None, upload_bps=None, latency_ms=None).run,
]

SETS = {
    "nothing": [],
    "one": MANY[:1],
    "all failed": [make_failed_attempt(at).run for at in range(3)],
    "mixed": MIXED,
    "two paths": [*MIXED, *(dataclasses.replace(run, path=NetworkPath.HOST) for run in MIXED)],
    "9 Gbit/s": [make_attempt(at, download_bps=9 * 10**9, upload_bps=9 * 10**9).run for at in range(3)],
    "0.5 Mbit/s": [make_attempt(at, download_bps=500_000, upload_bps=60_000).run for at in range(3)],
}


def drawn(kind: str, runs: Sequence[Run], window: Window = DAY, context: GraphContext = CONTEXT) -> FigureCanvas:
    """Return the canvas of a kind."""
    canvas = FigureCanvas(1200, 860, 1.0)
    KINDS[kind].load()(canvas, to_series(runs, window, context.plan), window, context)
    return canvas


def texts(canvas: FigureCanvas) -> list[str]:
    """Return all that is written on a canvas."""
    return [text.get_text() for text in canvas.figure.texts]


def marks(canvas: FigureCanvas, marker: str) -> int:
    """Return how many marks of a kind the canvas has."""
    lines = (artist for artist in canvas.figure.findobj(Line2D) if artist.get_marker() == marker)
    return sum(len(line.get_xdata()) for line in lines)


@pytest.mark.parametrize("runs", SETS.values(), ids=SETS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_any_data(kind: str, runs: list[Run]):
    """No data, one run, only failures, fast and slow lines: all that is written can be read."""
    canvas = FigureCanvas(*KINDS[kind].size, 1.0)
    KINDS[kind].load()(canvas, to_series(runs, DAY, CONTEXT.plan), DAY, CONTEXT)
    boxes = [text.get_window_extent() for text in canvas.figure.texts]
    right, bottom = KINDS[kind].size
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= right and box.y1 <= bottom for box in boxes)
    assert not [(one, other) for at, one in enumerate(boxes) for other in boxes[:at] if one.overlaps(other)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_speed_of_zero_is_drawn(kind: str):
    """0 bit/s is a result, without a plan as with one."""
    nothing = dict.fromkeys(("download_bps", "upload_bps", "latency_ms", "download_latency_ms"), 0)
    runs = [make_attempt(15 * at, **nothing).run for at in range(3)]
    canvas, context = FigureCanvas(*KINDS[kind].size, 1.0), dataclasses.replace(CONTEXT, plan=Plan())
    KINDS[kind].load()(canvas, to_series(runs, DAY), DAY, context)
    assert not {"nan", "inf"} & {word for text in texts(canvas) for word in text.lower().split()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_canvas_can_be_read(kind: str):
    """Nothing that is written lies over anything else, the numbers of the low panels included."""
    canvas = FigureCanvas(*KINDS[kind].smallest, 1.0)
    runs = SETS["mixed"]
    KINDS[kind].load()(canvas, to_series(runs, DAY, CONTEXT.plan), DAY, CONTEXT)
    boxes = [text.get_window_extent() for text in canvas.figure.texts]
    assert not [(one, other) for at, one in enumerate(boxes) for other in boxes[:at] if one.overlaps(other)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_has_the_size_of_its_kind(kind: str):
    """The size is in the file; a smaller one than the kind can fill is refused."""
    made = render(kind, SETS["one"], DAY, CONTEXT)
    assert struct.unpack(">II", made[16:24]) == KINDS[kind].size
    with pytest.raises(ValueError, match="smaller"):
        render(kind, [], DAY, CONTEXT, RenderOptions(size=(100, 100)))


@pytest.mark.parametrize(("form", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF-")])
def test_each_format_is_what_it_is_called_and_the_same_each_time(form: str, begin: bytes):
    """The same runs give the same bytes, without a date and without the library's name for itself."""
    first, second = (render("heatmap", MANY, DAY, CONTEXT, RenderOptions(format=form)) for _ in range(2))  # type: ignore[arg-type]
    assert first.startswith(begin)
    assert first == second


@pytest.mark.parametrize("theme", [DARK, PRINT])
def test_a_theme_changes_every_colour_of_the_light_one_that_it_names(theme: Theme):
    """Ink and paper keep far apart, and no line of another theme is left."""
    canvas = FigureCanvas(1200, 860, 1.0, theme)
    throughput.draw_throughput(canvas, to_series(MIXED, DAY, CONTEXT.plan), DAY, CONTEXT)
    inks = {text.get_color() for text in canvas.figure.texts}
    assert INK not in inks
    assert theme.ink(INK) in inks


def test_print_has_no_colour():
    """Red, green and blue of each pixel are alike, so a copier loses nothing."""
    canvas = FigureCanvas(1200, 860, 1.0, THEMES["print"])
    availability.draw_availability(canvas, to_series(MIXED, DAY, CONTEXT.plan), DAY, CONTEXT)
    canvas.figure.canvas.draw()
    pixels = np.asarray(canvas.figure.canvas.buffer_rgba())[..., :3].astype(int)  # type: ignore[attr-defined]
    assert (pixels.max(axis=2) - pixels.min(axis=2)).max() == 0


def test_a_doubtful_result_is_hollow_and_left_out_of_every_statistic():
    """Its mark differs, the median and the axis ignore it, and the caption counts it with its reason."""
    canvas = drawn(
        "throughput", [*MANY, make_attempt(700, download_bps=1, upload_bps=1, healthy=False, remarks=CROSS).run]
    )
    written = texts(canvas)
    assert marks(canvas, "D") == 3
    assert "5th percentile 95.7, 95th 95.7" in written
    assert any("1 doubtful result is left out of every statistic (cross traffic 1)." in words for words in written)


def test_a_doubtful_result_neither_ends_a_line_nor_bends_it():
    """The line joins its neighbours and passes it by."""
    runs = [make_attempt(0).run, make_attempt(15, download_bps=1, healthy=False).run, make_attempt(30).run]
    (track,) = to_series(runs, DAY)
    assert [segment.times.tolist() for segment in track.line(Metric.DOWNLOAD).segments()] == [
        [runs[0].started_at.timestamp(), runs[2].started_at.timestamp()]
    ]
    assert track.doubtful(Metric.DOWNLOAD) == [(runs[1].started_at.timestamp(), 1)]


def test_skipped_slots_have_a_row_of_their_own():
    """A test that was not made is seen, apart from the failures."""
    assert {"skipped", "line", "provider"} <= set(texts(drawn("throughput", MIXED)))


def test_a_change_of_plan_is_labelled():
    """The line of the plan steps there, and each run is compared with the plan that was in force."""
    all_series = to_series(two_plans(), DAY)
    change = Change((START + timedelta(hours=5)).timestamp(), ChangeKind.PLAN, "50 / 10", "100 / 20")
    assert [item for item in all_series[0].changes if item.event is ChangeKind.PLAN] == [change]
    assert plan_lines(all_series, Metric.DOWNLOAD, CONTEXT.plan, 0)[0].steps == ((0, 50e6), (change.at, 100e6))
    written = texts(drawn("throughput", two_plans()))
    assert {"plan now 100 / 20", "at least 90 % of the plan in 100 % of the tests"} <= set(written)
    assert "143 % of the plan in force at the time" in written


def two_plans() -> Columns:
    """Return MANY, of which the first half was judged by half of the plan; its download of 95.7 Mbit/s met that."""
    columns = Columns.from_runs(MANY)
    plans = [Plan(50_000_000, 10_000_000), Plan(100_000_000, 20_000_000)]
    sorts = tuple(dataclasses.replace(sort, plan=plan) for plan in plans for sort in columns.attributes)
    later = np.arange(len(columns)) >= len(columns) // 2
    return dataclasses.replace(columns, attributes=sorts, codes=columns.codes + later * len(columns.attributes))


def test_a_change_on_both_paths_has_one_label_and_of_several_probes_each_is_named():
    """A label that stands twice takes the room of another."""
    moved = [make_attempt(15 * at, isp="AB"[at > 20]).run for at in range(40)]
    both = [*moved, *(dataclasses.replace(run, path=NetworkPath.HOST) for run in moved)]
    assert texts(drawn("throughput", both)).count("ISP now B") == 1
    others = [*moved, *(dataclasses.replace(run, probe="cabin") for run in moved)]
    assert {"ISP now B at home", "ISP now B at cabin"} <= set(texts(drawn("throughput", others)))


def test_the_share_that_met_the_plan_is_written():
    """One of four reached 90 % of it, exactly as much counts, and latency is met from below."""
    rates = (90_000_000, 89_999_999, 50_000_000, 60_000_000)
    runs = [make_attempt(at, download_bps=rate, latency_ms=20.0).run for at, rate in enumerate(rates)]
    written = texts(drawn("throughput", runs))
    assert "at least 90 % of the plan in 25 % of the tests" in written
    assert "within the plan in 100 % of the tests" in written


def test_latency_is_graded_and_the_grade_has_a_source():
    """40 ms more under load is a B, and the picture says whose scale that is."""
    runs = [make_attempt(at, latency_ms=10.0, download_latency_ms=40.0, upload_latency_ms=60.0).run for at in range(3)]
    written = texts(drawn("latency", runs))
    assert {"B", "+40.0 ms under load"} <= set(written)
    assert any("DSLReports" in words for words in written)


def test_panels_under_load_share_their_scale():
    """Download and upload can be compared, and both begin at zero."""
    all_series = to_series(MANY, DAY)
    idle, down, up = latency._make_panels(all_series, (), (0, 600))  # noqa: SLF001  no axis can be read from the picture
    assert down.axis == up.axis != idle.axis
    assert {panel.axis.ticks[0] for panel in (idle, down, up)} == {0}


def test_a_cell_of_the_heat_map_has_the_ink_of_its_share():
    """Less of the plan is a stronger colour; what meets it is calm, however much more it is."""
    canvas = FigureCanvas(1200, 860, 1.0)
    runs = [make_attempt(0, download_bps=50_000_000, upload_bps=90_000_000).run]
    heatmap.draw_heatmap(canvas, to_series(runs, DAY, CONTEXT.plan), DAY, CONTEXT)
    tiles = [item.get_facecolor() for item in canvas.figure.findobj(PolyCollection) if len(item.get_paths()) == 1]
    wanted = [shade_color(canvas.theme, Shade("hours", heatmap.shortfall(share, 90))) for share in (0.5, 4.5)]
    colors = ["#" + "".join(f"{round(255 * part):02x}" for part in ink[0][:3]) for ink in tiles]
    assert colors == wanted
    assert {"50", "450"} <= set(texts(canvas))


@pytest.mark.parametrize("theme", THEMES.values(), ids=[*THEMES])
def test_what_falls_short_strikes_the_eye_with_any_colour_vision(theme: Theme):
    """At 90 % of the plan a cell is hardly told from the background; from there on, lightness alone says how much."""

    def contrast(share: float) -> float:
        parts = (to_rgb(shade_color(theme, Shade("hours", heatmap.shortfall(share, 90)))), to_rgb(theme.paper))
        cell, paper = (0.299 * red + 0.587 * green + 0.114 * blue for red, green, blue in parts)
        return abs(cell - paper)

    steps = [contrast(share) for share in (1.2, 0.9, 0.85, 0.8, 0.7, 0.5, 0.3, 0.0)]
    assert steps[0] == steps[1] < 0.08
    assert steps[1:] == sorted(set(steps[1:]))
    assert steps[2] > 1.5 * steps[1]


def test_the_distribution_is_the_share_of_runs_at_or_below():
    """A step of one over the count at each value, from naught to a hundred, as numpy counts it."""
    values = np.array([30.0, 10.0, 20.0, 20.0])
    line = dict(distribution.to_step_line(values, 50))
    assert all(line[value] == 100 * np.mean(values <= value) for value in values)
    assert distribution.to_step_line(values, 50)[-1] == (50, 100)


def test_availability_marks_each_scope_in_its_own_way():
    """A key names what is there, and each mark is on the canvas: once in the key, once at its moment."""
    canvas = drawn("availability", MIXED)
    written = texts(canvas)
    assert all(f"failed: {scope} 1" in written for scope in Scope)
    assert {"skipped 1", "doubtful result 1"} <= set(written)
    assert [marks(canvas, theme.SCOPE_MARKS[scope]) for scope in (Scope.LINE, Scope.PROVIDER, Scope.UNKNOWN)] == [2] * 3


def test_a_day_of_25_hours_is_wider_than_the_others():
    """The bars behind the rows are as long as the days are."""
    since = datetime(2026, 10, 23, 22, tzinfo=UTC)
    canvas = drawn("availability", MANY, Window(since, since + timedelta(hours=24 + 25 + 24)))
    bars = next(item for item in canvas.figure.findobj(PolyCollection) if len(item.get_paths()) == 3)
    assert [np.ptp(path.vertices[:, 0]) / 3600 for path in bars.get_paths()] == [24, 25, 24]


def test_a_long_window_becomes_a_calendar():
    """Beyond two months each day is a cell, a block a year."""
    window = Window(START - timedelta(days=400), START + timedelta(days=1))
    written = texts(drawn("availability", MIXED, window))
    assert {"2025", "2026", "half or more"} <= set(written)


def test_servers_are_named_with_their_isp_and_counted():
    """The one that was used most comes first."""
    written = [words for words in texts(drawn("servers", MIXED)) if " over " in words and "result" not in words]
    assert written[0] == "S0 over Verizon Fios"
    assert "14 results" in texts(drawn("servers", MANY))


def test_paths_are_compared_with_the_namespace():
    """Both paths have a row and a line, and the caption gives the ratio of their medians."""
    host = [dataclasses.replace(run, path=NetworkPath.HOST, download_bps=(run.download_bps or 0) // 2) for run in MANY]
    canvas = drawn("compare", [*MANY, *host])
    assert any("Median download compared with ip4only: host 50 %." in words for words in texts(canvas))
    dashes = {line.get_linestyle()[0][1] is None for line in canvas.figure.findobj(LineCollection)}
    assert dashes == {True, False}


@pytest.mark.parametrize("kind", ["throughput", "latency", "distribution", "compare"])
def test_each_of_several_lines_has_a_dash_style_of_its_own(kind: str):
    """Each name has a stroke in the style of its line: colours alone say nothing in print."""
    lines = (line for line in drawn(kind, SETS["two paths"]).figure.findobj(LineCollection))
    strokes = [line for line in lines if np.array_equal(line.get_segments(), [[(0, 0.5), (1, 0.5)]])]
    assert {line.get_linestyle()[0][1] is None for line in strokes} == {True, False}


def test_probes_and_engines_are_named_where_they_differ():
    """What is the same everywhere is left out; where nothing differs the path is named."""
    other = [dataclasses.replace(run, engine="iperf3") for run in MANY]
    assert {"ookla", "iperf3"} <= set(texts(drawn("compare", [*MANY, *other])))
    assert "ip4only" in texts(drawn("compare", MANY))


def test_nothing_crosses_the_key_of_the_servers():
    """It stands below the numbers of the axis, each name no wider than the panel."""
    canvas = drawn(
        "servers", [dataclasses.replace(run, isp="An ISP with a name " + 9 * "that goes on") for run in MANY]
    )
    names = [text for text in canvas.figure.texts if text.get_text().startswith("S0, ") or "S0 over" in text.get_text()]
    numbers = [text for text in canvas.figure.texts if text.get_text() == "0 %"]
    assert names[1:]
    assert all(name.get_position()[1] < number.get_position()[1] for name in names[1:] for number in numbers)
    assert names[1].get_window_extent().x1 < names[2].get_window_extent().x0


def test_the_old_name_of_the_first_kind_still_works():
    """`line` is what throughput was called."""
    assert render("line", MANY, DAY, CONTEXT) == render("throughput", MANY, DAY, CONTEXT)
    assert graph_render.KIND_ALIASES == {"line": "throughput"}
