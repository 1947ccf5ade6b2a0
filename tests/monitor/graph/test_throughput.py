"""The picture itself: its structure, its size, and that nothing a network says can break it."""

from __future__ import annotations

import dataclasses
import struct
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from example_runs import START, any_run, make_attempt, make_failed_attempt
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D
from matplotlib.text import Text

from monitor.analysis.metrics import Metric
from monitor.analysis.series import to_series
from monitor.analysis.statistics import measured_values
from monitor.graph import theme
from monitor.graph.axes import make_value_axis
from monitor.graph.figure_canvas import MISSING_GLYPH, FigureArea, FigureCanvas, to_drawable
from monitor.graph.panel import Frame, Panel
from monitor.graph.render import DEFAULT_KIND, GraphContext, render
from monitor.graph.theme import RenderOptions
from monitor.graph.throughput import draw_throughput
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, NetworkPath, Plan, Run, Scope, Server, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

BERLIN = ZoneInfo("Europe/Berlin")

DAY = Window(START, START + timedelta(days=1))

MONTH = Window(START, START + timedelta(days=30))

PLAN = Plan(100_000_000, 20_000_000, 20.0)

NAMES_OF_PANELS = ("Download", "Upload", "Latency")

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def quarters(letters: str) -> list[Run]:
    """Return a run each quarter of an hour: o is ok, f failed."""
    return [(make_attempt if letter == "o" else make_failed_attempt)(15 * at).run for at, letter in enumerate(letters)]


def png(runs: Sequence[Run], window: Window = DAY, title: str = "Title", **options: Any) -> bytes:
    """Return the picture of runs, in the smallest size unless another is given."""
    options = {"size": theme.MIN_SIZE} | options
    return render(DEFAULT_KIND, runs, window, GraphContext(BERLIN, PLAN, title), RenderOptions(**options))


def drawn(runs: Sequence[Run], window: Window = DAY, size: tuple[int, int] = theme.DEFAULT_SIZE) -> FigureCanvas:
    """Return the canvas with everything drawn on it."""
    canvas = FigureCanvas(*size, 1.0)
    draw_throughput(canvas, to_series(runs, window, PLAN), window, GraphContext(BERLIN, PLAN, "Title"))
    return canvas


def texts(canvas: FigureCanvas) -> list[str]:
    """Return all that is written on a canvas."""
    return [text.get_text() for text in canvas.figure.findobj(Text) if text.get_text()]


def panel(runs: Sequence[Run], metric: Metric = Metric.DOWNLOAD, bucket: int | None = None) -> FigureArea:
    """Return one panel with a day of runs."""
    all_series = to_series(runs, DAY)
    frame = Frame(*DAY.span, left=100, width=960, bucket=bucket)
    return Panel(metric, make_value_axis(metric, measured_values(all_series, metric), None), 100, 200).draw(
        FigureCanvas(1200, 400, 1.0), frame, all_series
    )


def curves(area: FigureArea) -> list[np.ndarray]:
    """Return the points of each unbroken curve of a panel."""
    color = np.array([[int(theme.METRIC_COLORS[Metric.DOWNLOAD][at : at + 2], 16) / 255 for at in (1, 3, 5)]])
    collections = [artist for artist in area.artists if isinstance(artist, LineCollection)]
    own = [each for each in collections if np.allclose(each.get_color()[:, :3], color)]
    return [path.vertices for each in own for path in each.get_paths()]


def shades(area: FigureArea) -> list[PolyCollection]:
    """Return the filled shapes of a panel: the bands first, then the envelopes."""
    return [artist for artist in area.artists if isinstance(artist, PolyCollection)]


def marks(area: FigureArea, marker: str) -> list[float]:
    """Return the moments of the marks of a kind."""
    lines = [artist for artist in area.artists if isinstance(artist, Line2D) and artist.get_marker() == marker]
    return [float(at) for line in lines for at in line.get_xdata()]


@pytest.mark.parametrize("bucket", [None, 1800])
@pytest.mark.parametrize(
    ("letters", "pieces"), [("oooo", 1), ("oofoo", 2), ("ofofo", 3), ("ffff", 0), ("oofffoofoo", 3)]
)
def test_no_curve_crosses_a_failure(letters: str, pieces: int, bucket: int | None):
    """There is a curve for each stretch of successes, and none reaches over a failure, bucketed or not."""
    runs = quarters(letters)
    lines = curves(panel(runs, bucket=bucket))
    failures = [run.started_at.timestamp() for run in runs if run.status is Status.FAILED]
    assert len(lines) == pieces
    assert not [at for curve in lines for at in failures if curve[0][0] <= at <= curve[-1][0]]


@pytest.mark.parametrize("letters", ["oofoo", "offfo", "ff"])
def test_bands_lie_where_the_failures_are(letters: str):
    """A band begins with the first failure and is drawn over the whole height of the panel."""
    runs = quarters(letters)
    area = panel(runs)
    (band,) = shades(area)[0].get_paths()
    assert band.vertices[:, 0].min() == runs[letters.index("f")].started_at.timestamp()
    assert (
        np.ptp(band.vertices[:, 1])
        == make_value_axis(Metric.DOWNLOAD, measured_values(to_series(runs, DAY), Metric.DOWNLOAD), None).top
    )


def test_crowded_runs_become_an_envelope_that_hides_no_value():
    """The shade reaches from the lowest to the highest test."""
    runs = [make_attempt(at, download_bps=(at * 7919) % 100_000).run for at in range(300)]
    (outline,) = shades(panel(runs, bucket=1800))[1].get_paths()
    rates = [run.download_bps for run in runs]
    assert (outline.vertices[:, 1].min(), outline.vertices[:, 1].max()) == (min(rates), max(rates))


def test_a_lonely_success_is_a_dot():
    """A success between failures has no line, but is in view."""
    runs = quarters("fof")
    assert marks(panel(runs), "o") == [runs[1].started_at.timestamp()]


def test_values_off_the_scale_are_marked_and_counted():
    """An outlier is an arrow at its moment, and its value is written."""
    runs = [make_attempt(15 * at, latency_ms=900.0 if at == 7 else 10.0 + at / 10).run for at in range(40)]
    assert marks(panel(runs, Metric.LATENCY), "^") == [runs[7].started_at.timestamp()]
    assert "▲ 1 above the scale, highest 900 ms" in texts(drawn(runs))


def test_time_is_evenly_spaced_across_a_clock_change():
    """Equal spans of real time are equally wide, whatever the clock on the wall did."""
    since = make_attempt().run.started_at.replace(month=10, day=24, hour=22, minute=0, second=0)
    window = Window(since, since + timedelta(hours=25))
    frame = Frame(*window.span, left=0, width=1000)
    middle = (since + timedelta(hours=12.5)).timestamp()
    assert [frame.x(at) for at in (window.span[0], middle, window.span[1])] == [0, 500, 1000]


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([], ["no result", "no test in this window", "plan 100"]),
        (quarters("o"), ["95.7", "1 ok (100 %), 0 failed", "none", "96 % of the plan (100 Mbit/s)"]),
        (quarters("fff"), ["no result", "0 ok (0.0 %), 3 failed", "line 3", "line", "3"]),
        (quarters("oof"), ["95.7", "5th percentile 95.7, 95th 95.7", "2 ok (66.7 %), 1 failed", "plan: 20 ms"]),
        ([make_attempt(download_bps=9 * 10**9).run], ["9.00", "Gbit/s"]),
    ],
)
def test_the_header_says_what_was_counted(runs: list[Run], words: list[str]):
    """Medians, percentiles, runs, failures by scope and plan are all in the picture."""
    assert not set(words) - set(texts(drawn(runs)))


def test_both_paths_are_drawn_and_named():
    """Two paths have a line of numbers each, and failures say over which path."""
    both = [make_attempt(15 * at, path=NetworkPath.HOST if at % 2 else NetworkPath.IP4ONLY).run for at in range(8)]
    bad = dataclasses.replace(make_failed_attempt(200).run, path=NetworkPath.HOST)
    written = texts(drawn([*both, bad]))
    assert "Download, Mbit/s: median (5 to 95 %)" in written
    assert written.count("95.7 (95.7 to 95.7)") == len(list(NetworkPath))
    assert {"ip4only", "host", "line host"} <= set(written)


def test_a_long_name_is_cut_before_its_figures():
    """Of many probes the first three have their figures, whole, and the others are counted."""
    runs = [dataclasses.replace(make_attempt(at).run, probe=f"probe-{at}-of-the-house-by-the-lake") for at in range(6)]
    written = texts(drawn(runs, size=theme.MIN_SIZE))
    assert written.count("95.7 (95.7 to 95.7)") == 3
    assert written.count("and 3 more") == len(NAMES_OF_PANELS)
    assert [words for words in written if words.startswith("probe-0") and words.endswith("…")]


def test_many_kinds_of_failure_leave_room_for_the_panels():
    """Where two paths failed in every way they share the rows, and the smallest canvas still has panels."""
    causes = [Failure(FailureKind.UNKNOWN, scope, None, "") for scope in Scope] * 2
    runs = [
        dataclasses.replace(make_failed_attempt(at, cause).run, path=list(NetworkPath)[at % 2])
        for at, cause in enumerate(causes)
    ]
    canvas = drawn(runs, size=theme.MIN_SIZE)
    baselines = [text.get_position()[1] for text in canvas.figure.texts if text.get_text() in {*NAMES_OF_PANELS, "2"}]
    assert len(baselines) == 8
    assert baselines == sorted(baselines, reverse=True)


def test_a_change_of_isp_is_labelled_and_frequent_changes_of_server_are_a_row():
    """A few changes get a line and a label each; many of a kind become marks in a row of their own."""
    runs = [make_attempt(15 * at, isp="AB"[at > 30], server=Server(str(at // 5))).run for at in range(60)]
    written = texts(drawn(runs))
    assert "ISP now B" in written
    assert "server changed" in written
    assert not [words for words in written if words.startswith("server now")]


def test_labels_of_changes_never_overlap():
    """What has no room is counted in the footer, not printed over another label."""
    runs = [
        make_attempt(3 * at, isp=f"A provider with a long name {at}", server=Server(f"s{at}")).run for at in range(6)
    ]
    canvas = drawn(runs)
    labels = [text for text in canvas.figure.texts if " now " in text.get_text()]
    boxes = [label.get_window_extent() for label in labels]
    assert len(labels) == 2
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))
    assert any("Changes without room for a label: 8." in words for words in texts(canvas))


@pytest.mark.parametrize("size", [theme.DEFAULT_SIZE, theme.MIN_SIZE, (600, 900)])
@pytest.mark.parametrize("window", [DAY, MONTH, Window(START, START + timedelta(days=3650))])
def test_no_text_leaves_the_canvas_or_touches_another(window: Window, size: tuple[int, int]):
    """Labels of the axes, header and footer keep apart from each other and from the edge."""
    runs = [make_attempt(15 * at, isp="ISP " * 40, server=Server("1", "s" * 300)).run for at in range(96)]
    causes = [
        make_failed_attempt(1500 + at, Failure(FailureKind.UNKNOWN, scope, None, "")).run
        for at, scope in enumerate(Scope)
    ]
    canvas = drawn([*runs, *causes], window, size=size)
    boxes = [text.get_window_extent() for text in canvas.figure.texts]
    assert not [(one, other) for at, one in enumerate(boxes) for other in boxes[:at] if one.overlaps(other)]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= size[0] and box.y1 <= size[1] for box in boxes)


@pytest.mark.parametrize(
    ("size", "scale", "pixels"),
    [((1200, 840), 1.0, (1200, 840)), ((600, 900), 2.0, (1200, 1800)), (theme.MIN_SIZE, 1.0, theme.MIN_SIZE)],
)
def test_the_png_has_the_size_that_was_asked_for(size: tuple[int, int], scale: float, pixels: tuple[int, int]):
    """Width and height are in the header of the file, at the scale that was asked for."""
    picture = png(quarters("oof"), size=size, scale=scale)
    assert picture.startswith(SIGNATURE)
    assert struct.unpack(">II", picture[16:24]) == pixels


def test_a_size_too_small_to_read_is_refused():
    """A size that leaves no room for the panels is a mistake of the caller."""
    with pytest.raises(ValueError, match="smaller"):
        png([], size=(200, 100))


def test_the_same_runs_give_the_same_bytes():
    """No clock, no random number, and the only metadata are the title and who drew it."""
    runs = quarters("oofoofooo")
    assert png(runs) == png(iter(runs))
    assert b"speedmon" in png(runs)
    assert b"atplotlib" not in png(runs)


def test_a_matplotlibrc_of_the_user_changes_nothing():
    """Settings made elsewhere in the process neither reach the picture nor are lost."""
    import matplotlib as mpl  # noqa: PLC0415  its settings are what is tested

    plain = png(quarters("oof"))
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 40, "lines.linewidth": 9, "text.usetex": True}):
        assert png(quarters("oof")) == plain
        assert mpl.rcParams["font.size"] == 40


NAMES = [
    "a$b$c",
    "$\\frac{",
    "a_b^{c",
    "中国电信",
    "اتصالات",
    "\u202eevil",
    "line\nbreak",
    "\x00\x1b[31m",
    "\ud800",
    "😀",
    "x" * 999,
    " ",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_can_break_the_picture(name: str, capfd: pytest.CaptureFixture[str]):
    """Formulas, foreign scripts and control characters are drawn or replaced, without a word on stderr."""
    runs = [make_attempt(15 * at, isp=name if at else "A", server=Server("1", name, name)).run for at in range(3)]
    assert png(runs, title=name).startswith(SIGNATURE)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a$b$c", "a$b$c"),
        ("Telekom Müller", "Telekom Müller"),
        ("اتصالات", "اتصالات"),
        ("a\nb\tc\u202ed", "a b c d"),
        ("\uffff\ud800x", "x"),
        ("\N{LINEAR B SYLLABLE B008 A}", MISSING_GLYPH),
    ],
)
def test_names_are_made_drawable(name: str, shown: str):
    """One line; what no font here has becomes a square."""
    assert to_drawable(name) == shown


def test_formulas_stay_text():
    """A name between dollars is written as it is."""
    canvas = drawn([make_attempt(isp="a$b$c").run])
    assert any("ISP a$b$c" in words for words in texts(canvas))


@settings(max_examples=15, deadline=None)
@given(st.lists(any_run, max_size=8))
def test_any_runs_can_be_drawn(runs: list[Run]):
    """Whatever the store holds, there is a picture of it."""
    inside = [dataclasses.replace(run, started_at=START + timedelta(minutes=15 * at)) for at, run in enumerate(runs)]
    assert png(inside).startswith(SIGNATURE)
