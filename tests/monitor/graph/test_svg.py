"""Graphs as SVG: the same in what they show as the PNG, in classes instead of colours, small, and safe in a page."""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import subprocess
import sys
from html import unescape
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from example_runs import make_attempt
from reference_images import BOTH, CONTEXT, RUNS, WINDOW
from ten_years import TEN_YEARS, ten_years_of_runs

from monitor.analysis.series import to_series
from monitor.graph.canvas import Canvas
from monitor.graph.figure_canvas import FigureArea, FigureCanvas
from monitor.graph.render import KINDS, render_svg
from monitor.graph.svg_canvas import SvgArea, SvgCanvas
from monitor.graph.svg_style import COLOR_CLASSES, TEXT_SIZES, chart_stylesheet
from monitor.graph.theme import DARK, INK, LIGHT, MUTED, PRINT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.graph.theme import TextStyle
    from monitor.localtime import Window
    from monitor.model import Run

SVG = "{http://www.w3.org/2000/svg}"

DRAWN = ("lines", "shapes", "tiles", "marks")

MOST_GZIPPED = 40 * 1024

# Without latency under load, as the fixture of ten years has it.
KINDS_OF_TEN_YEARS = tuple(kind for kind in KINDS if kind != "latency")


@pytest.fixture(scope="module", name="decade")
def _decade() -> Any:
    return ten_years_of_runs()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[Canvas, str, Sequence[Run]], tuple[list[Any], list[str]]]:
    """Return a function that draws on a canvas, and returns what it draws in data, and the words that it writes."""
    drawn: list[Any] = []
    words: list[str] = []
    for area in (FigureArea, SvgArea):
        for name in DRAWN:
            monkeypatch.setattr(area, name, _recorded(getattr(area, name), name, drawn))
    write = Canvas.text

    def text(canvas: Canvas, at: Any, text: str, text_style: TextStyle, room: float | None = None) -> str:
        words.extend(text.split())
        return write(canvas, at, text, text_style, room)

    monkeypatch.setattr(Canvas, "text", text)

    def draw(canvas: Canvas, kind: str, runs: Sequence[Run]) -> tuple[list[Any], list[str]]:
        drawn.clear()
        words.clear()
        KINDS[kind].load()(canvas, to_series(runs, WINDOW, CONTEXT.plan), WINDOW, CONTEXT)
        return [*drawn], sorted(words)

    return draw


def _recorded(method: Callable[..., None], name: str, into: list[Any]) -> Callable[..., None]:
    def record(area: Any, first: Any, *others: Any, **more: Any) -> None:
        data = [*first]
        # The gaps between tiles are in pixels, which are more or less of a cell by the lines of the footer.
        exact = [tuple(round(part, 2) for part in one) for one in data] if name == "tiles" else data
        into.append((name, exact, others, more))
        method(area, data, *others, **more)

    return record


def svg_of(kind: str, runs: Any, size: tuple[int, int] | None = None, window: Window = WINDOW) -> str:
    """Return a graph as SVG."""
    return render_svg(kind, runs, window, CONTEXT, size or KINDS[kind].size, "one")


@pytest.mark.parametrize("runs", [RUNS, BOTH], ids=["one path", "two paths"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_painters_get_the_same_scene(kind: str, runs: list[Run], shown: Any):
    """Lines, bands, shades and marks are the same in the data's own units, and so are the words."""
    png = shown(FigureCanvas(*KINDS[kind].size, 1.0), kind, runs)
    svg = shown(SvgCanvas(*KINDS[kind].size, "one"), kind, runs)
    assert png == svg


def test_no_matplotlib_is_loaded():
    """The painter of the page costs neither its memory nor its start."""
    program = (
        "import sys; from monitor.graph import svg_canvas, readings, render\n"
        "[kind.load() for kind in render.KINDS.values()]\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_svg_is_whole_and_has_classes_instead_of_colours(kind: str):
    """It parses, no colour and no style is in it but the rules of all graphs, which have each of its classes."""
    for size in (KINDS[kind].size, KINDS[kind].phone):
        svg = svg_of(kind, BOTH, size)
        root = ET.fromstring(svg)  # noqa: S314  our own
        assert root.get("viewBox") == f"0 0 {size[0]} {size[1]}"
        assert svg.count("<style>") == 1
        drawn = svg.replace(f"<style>{chart_stylesheet()}</style>", "")
        assert not re.search(r"<style|style=|fill=|stroke=\"|#[0-9a-f]{6}", drawn)
        classes = {name for element in root.iter() for name in element.get("class", "").split()}
        known = set(re.findall(r"\.([\w-]+)", chart_stylesheet()))
        assert classes <= known


@pytest.mark.parametrize("kind", KINDS)
def test_a_screen_reader_gets_title_and_sentences(kind: str):
    """The graph is an image that names itself, and says in words what is written on it."""
    root = ET.fromstring(svg_of(kind, RUNS))  # noqa: S314  our own
    title, text = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert text is not None
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {text.get('id')}"
    assert "24 Oct 2026 00:00 to 27 Oct 2026 00:00" in (text.text or "")


@pytest.mark.parametrize("kind", KINDS_OF_TEN_YEARS)
def test_ten_years_stay_small(kind: str, decade: Any):
    """Each kind, in either size, is sent in 40 KiB; the poster of four of them in twice as much."""
    for size in (KINDS[kind].size, KINDS[kind].phone):
        gzipped = len(gzip.compress(svg_of(kind, decade, size, TEN_YEARS).encode(), 5))
        assert gzipped < MOST_GZIPPED * (2 if kind == "dashboard" else 1)


def test_what_came_from_the_network_stays_text():
    """Names are escaped in elements and in the attribute of the readings; control characters go."""
    evil = "<script>alert('1')</script>\u202e\"'&"
    runs = [dataclasses.replace(make_attempt(at).run, isp=evil, engine=evil, probe=evil) for at in (0, 15)]
    both = [*runs, *(dataclasses.replace(run, probe="b'") for run in runs)]
    window = type(WINDOW)(runs[0].started_at, make_attempt(60).run.started_at)
    for kind in KINDS:
        svg = svg_of(kind, both, window=window)
        ET.fromstring(svg)  # noqa: S314  our own
        assert "<script" not in svg
        assert "\u202e" not in svg


def test_readings_say_what_was_measured_at_each_test():
    """Each test has its time in the zone, its values or whose its failure was; bands have the range of their values."""
    (readings,) = json.loads(unescape(_readings(svg_of("throughput", RUNS))))
    assert readings["names"] == ["Download, Mbit/s", "Upload, Mbit/s", "Latency, ms"]
    assert readings["classes"] == ["download", "upload", "latency"]
    first, failed = readings["at"][0], readings["at"][39]
    assert first[1:] == ["Sat 24 Oct 2026, 00:00", "", "95.0", "19.0", "10.5"]
    assert failed[1:] == ["Sat 24 Oct 2026, 20:00", "line", "", "", ""]
    assert readings["box"][0] == first[0]
    assert len(readings["at"]) == len(RUNS) - 1


def test_readings_of_a_crowded_line_are_those_of_its_buckets(decade: Any):
    """Median, lowest and highest, and how many tests failed, from the begin of a bucket to its end."""
    (readings,) = json.loads(unescape(_readings(svg_of("throughput", decade, (390, 1000), TEN_YEARS))))
    assert readings["at"][50][3] == "65.1 (40.1 to 90.0)"
    assert " to " in readings["at"][50][1]
    assert any(re.fullmatch(r"line \d+", moment[2]) for moment in readings["at"])


def test_each_theme_has_its_colours_for_screen_and_paper():
    """The page needs no other picture: dark screens and paper have rules of their own."""
    style = chart_stylesheet()
    light, dark, paper = re.split(r"@media.*\{\n", style)
    for theme, rules in ((LIGHT, light), (DARK, dark), (PRINT, paper)):
        for color in (INK, MUTED):
            assert f".{COLOR_CLASSES[color]}{{color:{theme.ink(color)}}}" in rules
    assert "prefers-color-scheme:dark" in style
    assert "@media print" in style


@pytest.mark.parametrize("size", TEXT_SIZES)
def test_letters_are_no_smaller_than_a_phone_can_show(size: int):
    """A scene for a phone is laid out for its width, so its letters are as large there as they are here."""
    assert size >= 11


def _readings(svg: str) -> str:
    match = re.search(r"data-readings='([^']*)'", svg)
    assert match
    return match[1]
