"""The graph: drawn once for each new run, cached, and not sent twice."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt
from web_client import NOW, TABLE, SiteSetup

from monitor.errors import SpeedmonError, StoreError
from monitor.graph.render import KINDS
from monitor.graph.svg_style import chart_stylesheet
from monitor.model import Plan
from web.context import MAX_DAYS
from web.graph_request import GraphRequest, draw_graph
from web.graphs import SIZES, GraphForm, end_of_window

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SiteSetup:
    """Return a site over a store with three runs."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db").fill(*TABLE)


@pytest.mark.parametrize(("size", "pixels"), [("wide", (1200, 840)), ("phone", (1200, 1800))])
def test_a_graph_is_a_png_of_its_size(place: SiteSetup, size: str, pixels: tuple[int, int]):
    """Both sizes are PNGs; the one for phones has twice the pixels of its layout."""
    response = place.client().get(f"/graph.png?size={size}")
    assert response.headers["content-type"] == "image/png"
    assert response.content.startswith(PNG)
    assert tuple(int.from_bytes(response.content[at : at + 4], "big") for at in (16, 20)) == pixels


def test_a_graph_is_not_sent_twice(place: SiteSetup):
    """With the tag of the graph that it has, a browser gets 304 and no body."""
    client = place.client()
    tag = client.get("/graph.png").headers["etag"]
    again = client.get("/graph.png", headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_a_new_run_makes_a_new_graph(place: SiteSetup):
    """The tag changes with the last run, with the days and with the size, and with nothing else."""
    client = place.client()
    tags = [client.get(f"/graph.png?{query}").headers["etag"] for query in ("", "days=7", "size=phone", "days=30")]
    place.fill(make_attempt(40))
    assert len({*tags, client.get("/graph.png").headers["etag"]}) == 4
    assert tags[0] == tags[3]


@pytest.mark.parametrize(
    ("query", "length"),
    [
        ("days=all", timedelta(hours=1)),
        ("from=2026-11-20&to=2026-11-22", timedelta(days=3)),
        ("from=2026-11-23T14:00", timedelta(hours=1)),
        ("days=3660", timedelta(days=3660)),
    ],
)
def test_any_window_can_be_drawn(place: SiteSetup, monkeypatch: pytest.MonkeyPatch, query: str, length: timedelta):
    """All, any number of days up to ten years, and from one day or moment to another."""
    asked: list[GraphRequest] = []

    def draw(request: GraphRequest) -> bytes:
        asked.append(request)
        return PNG

    monkeypatch.setattr("web.graphs.draw_graph", draw)
    assert place.client().get(f"/graph.png?{query}").content == PNG
    (request,) = asked
    assert abs(request.until - request.since - length) < timedelta(minutes=20)


def test_an_empty_store_has_a_graph(tmp_path: Path):
    """It says that nothing was measured."""
    client = SiteSetup(f"sqlite:///{tmp_path}/speedmon.db").client()
    assert client.get("/graph.png?days=1").content.startswith(PNG)


@pytest.mark.parametrize("days", [1, 30, MAX_DAYS])
def test_a_window_includes_this_moment_and_moves_in_steps(days: int):
    """The window ends after now, by a thousandth of its length at most, and stays there until that has passed."""
    step = timedelta(days=days) / 1000
    end = end_of_window(NOW, days)
    assert timedelta(0) < end - NOW <= step
    assert end_of_window(end - timedelta(seconds=1), days) == end
    assert end_of_window(end, days) > end


def test_a_window_starts_anywhere_in_time():
    """Steps are counted from the epoch, so that a restart draws the same graph."""
    assert end_of_window(datetime(1970, 1, 1, tzinfo=UTC), 1).timestamp() == 86


@pytest.mark.parametrize(
    ("zone", "error", "words"),
    [("UTC", StoreError, "^{folder}: "), ("No/Where", SpeedmonError, "^the process that draws ended with exit 1: ")],
)
def test_a_graph_that_cannot_be_drawn_is_an_error_of_one_line(
    tmp_path: Path, zone: str, error: type[SpeedmonError], words: str
):
    """The message of the process that draws is in the error; an error of the store stays a StoreError."""
    since = NOW - timedelta(days=1)
    order = GraphRequest(f"sqlite:///{tmp_path}", since, NOW, (), zone, Plan(), "nothing", (600, 600), 1.0)
    with pytest.raises(error, match=words.format(folder=tmp_path)):
        draw_graph(order if error is StoreError else replace(order, database=f"sqlite:///{tmp_path}/new.db"))


@pytest.mark.parametrize(("size", "layout"), [("wide", (1200, 860)), ("phone", (390, 1000))])
def test_the_svg_is_laid_out_for_the_screen(place: SiteSetup, size: str, layout: tuple[int, int]):
    """Its own rules are the only style that a browser applies to it, and it is not sent twice."""
    response = place.client().get(f"/graph.svg?size={size}&graph=latency")
    assert response.headers["content-type"] == "image/svg+xml"
    assert f'viewBox="0 0 {layout[0]} {layout[1]}"' in response.text
    rules = re.search(r"<style>(.*?)</style>", response.text, re.DOTALL)
    assert rules
    digest = base64.b64encode(hashlib.sha256(rules[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in response.headers["content-security-policy"]
    assert "script" not in response.headers["content-security-policy"]
    tag = response.headers["etag"]
    again = place.client().get(f"/graph.svg?size={size}&graph=latency", headers={"If-None-Match": tag})
    assert again.status_code == 304


def test_png_and_svg_are_drawn_of_the_same_request(place: SiteSetup, monkeypatch: pytest.MonkeyPatch):
    """Window, probes, plan, zone and kind are equal: only file and size differ."""
    asked: list[GraphRequest] = []

    def draw(request: GraphRequest) -> bytes:
        asked.append(request)
        return PNG

    monkeypatch.setattr("web.graphs.draw_graph", draw)
    client = place.client()
    for form in ("png", "svg"):
        assert client.get(f"/graph.{form}?days=7&graph=heatmap&probe=home").status_code == 200
    png, svg = asked
    assert replace(png, format="svg", size=svg.size) == svg
    assert (png.format, svg.format, svg.kind) == ("png", "svg", "heatmap")


def test_each_kind_has_a_png_of_a_size_that_it_can_fill(place: SiteSetup):
    """One that cannot be as narrow as a phone is as narrow as it can be."""
    for kind, graph in KINDS.items():
        for screen in SIZES:
            size = GraphForm(kind, "png", screen).size
            assert size[0] >= graph.smallest[0]
            assert size[1] >= graph.smallest[1]
    assert place.client().get("/graph.png?graph=nothing").status_code == 422


def test_the_rules_of_all_graphs_are_a_stylesheet(place: SiteSetup):
    """A page that takes an SVG in has them from there."""
    response = place.client().get("/chart.css")
    assert response.headers["content-type"].startswith("text/css")
    assert response.text == chart_stylesheet()
