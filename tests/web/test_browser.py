"""The page in Debian's Chromium: with and without its script, by mouse, keys and touch, on phones, dark, printed."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from browser import PHONE, WIDE, Browser, browsing
from example_runs import make_attempt, make_failed_attempt
from serve_process import serving
from web_client import SiteSetup

from monitor.graph.render import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.model import Attempt

HALF_HOURS = 96

# Fetched by make, for this test only.
# `make` fetches it into the environment that runs the tests.
AXE = Path(sys.prefix, "axe-core/package/axe.min.js")

ALIVE = "document.querySelector('.plot')?.getAttribute('role') === 'slider'"

INKS = {"light": "rgb(26, 26, 26)", "dark": "rgb(232, 234, 237)", "print": "rgb(0, 0, 0)"}

BOX = (
    "(() => { const plot = document.querySelector('.plot'); plot.scrollIntoView({block: 'center'});"
    " const box = plot.getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; })()"
)


def attempt_at(number: int, now: datetime) -> Attempt:
    """Return the attempt of so many half hours ago; some in a row failed."""
    began = now - timedelta(minutes=30 * number)
    rate = 80_000_000 + number * 7_919_000 % 16_000_000
    attempt = make_failed_attempt(0) if number in range(40, 44) else make_attempt(0, download_bps=rate)
    times = {"started_at": began, "finished_at": began + timedelta(seconds=20)}
    return dataclasses.replace(attempt, run=dataclasses.replace(attempt.run, **times))


@pytest.fixture(scope="module", name="site")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve two days of tests, one each half hour."""
    folder = tmp_path_factory.mktemp("site")
    now = datetime.now(UTC).replace(microsecond=0)
    setup = SiteSetup(f"sqlite:///{folder}/speedmon.db")
    setup.fill(*(attempt_at(number, now) for number in range(HALF_HOURS, 0, -1)))
    with serving(environ(folder), "--no-schedule", "--port", "0") as (_, url):
        yield url


@pytest.fixture(scope="module", name="tab")
def _tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def environ(folder: Path) -> dict[str, str]:
    """Return the environment of an installation of its own."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{folder}/speedmon.db",
        "SPEEDMON_PLAN__DOWNLOAD_MBPS": "100",
        "SPEEDMON_DISPLAY__TIMEZONE": "Europe/Berlin",
    }


def assert_own(tab: Browser, site: str) -> None:
    """Assert that the console has no complaint, and that no other host was asked."""
    assert not tab.complaints
    assert not [address for address in tab.requests if not address.startswith((site, "data:", "about:"))]


def window_of(tab: Browser) -> tuple[str, str]:
    """Return the window in the address."""
    query = parse_qs(urlsplit(tab.run("location.href")).query)
    return query["from"][0], query["to"][0]


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (WIDE, {}),
        (WIDE, {"dark": True}),
        (WIDE, {"media": "print"}),
        (PHONE, {}),
        (PHONE, {"dark": True}),
    ],
)
def test_the_page_is_whole_on_every_screen(tab: Browser, site: str, size: tuple[int, int], options: dict[str, Any]):
    """The graph is laid out for the screen, in its colours; nothing is wider than it, and nothing is complained of."""
    tab.open(f"{site}?days=7", size, **options)
    tab.wait_until(ALIVE)
    assert tab.run("document.documentElement.scrollWidth") <= size[0]
    layout = KINDS["throughput"].phone if size == PHONE else KINDS["throughput"].size
    assert tab.run("document.querySelector('svg.chart').getAttribute('viewBox')") == f"0 0 {layout[0]} {layout[1]}"
    ink = tab.run("getComputedStyle(document.querySelector('svg.chart .ink')).color")
    assert ink == INKS["print" if options.get("media") else "dark" if options else "light"]
    assert_own(tab, site)


@pytest.mark.parametrize("kind", KINDS)
def test_letters_of_a_graph_lie_beside_each_other(tab: Browser, site: str, kind: str):
    """With the browser's own font: nothing that is written leaves the graph or lies over anything else, on a phone."""
    tab.open(f"{site}?days=7&graph={kind}", PHONE)
    tab.wait_until("document.querySelector('.plot svg')")
    boxes = tab.run(
        "[...document.querySelectorAll('svg.chart text')].map((text) => { const box = text.getBBox();"
        " return [box.x, box.y + 2, box.x + box.width, box.y + box.height - 2, text.textContent]; })"
    )
    width = KINDS[kind].phone[0]
    assert not [box for box in boxes if box[0] < -1 or box[2] > width + 1]
    over = [
        (one[4], other[4])
        for at, one in enumerate(boxes)
        for other in boxes[:at]
        if one[0] < other[2] - 1 and other[0] < one[2] - 1 and one[1] < other[3] and other[1] < one[3]
    ]
    assert not over


def test_pointing_at_the_graph_shows_each_value_of_that_moment(tab: Browser, site: str):
    """Time in the zone, download, upload and latency, and a cursor through all panels."""
    tab.open(f"{site}?days=7")
    tab.wait_until(ALIVE)
    left, top, width, height = tab.run(BOX)
    tab.mouse("mouseMoved", left + width * 0.8, top + height * 0.6)
    tab.wait_until("document.querySelector('.cursor').hasAttribute('d')")
    shown = tab.run("document.querySelector('.values').innerText").split("\n")
    assert re.fullmatch(r"\w{3} \d+ \w{3} \d{4}, \d\d:\d\d", shown[1])
    assert [shown[2], *shown[4::2]] == ["Download, Mbit/s", "Upload, Mbit/s", "Latency, ms"]
    assert tab.run("document.querySelector('.plot').getAttribute('aria-valuetext')").startswith(shown[1])


def test_dragging_zooms_and_back_returns(tab: Browser, site: str):
    """The window between both ends is in the address, in UTC, and the browser's way back leads out of it."""
    tab.open(f"{site}?days=7")
    tab.wait_until(ALIVE)
    left, top, width, height = tab.run(BOX)
    y = top + height / 2
    tab.mouse("mouseMoved", left + width * 0.7, y)
    tab.mouse("mousePressed", left + width * 0.7, y, pressed=True)
    tab.mouse("mouseMoved", left + width * 0.8, y, pressed=True)
    assert float(tab.run("document.querySelector('.selected').getAttribute('width')")) > 0
    tab.mouse("mouseReleased", left + width * 0.8, y)
    tab.wait_until(f"location.search.includes('from=') && {ALIVE}")
    since, until = map(datetime.fromisoformat, window_of(tab))
    assert timedelta(hours=15) < until - since < timedelta(hours=25)
    assert since.utcoffset() == timedelta(0)
    tab.run("history.back()")
    tab.wait_until(f"location.search === '?days=7' && {ALIVE}")
    assert_own(tab, site)


def test_keys_read_the_graph_and_zoom(tab: Browser, site: str):
    """Arrows go from test to test, Home to the first, Enter marks both ends, + and Page keys choose other windows."""
    tab.open(f"{site}?days=7")
    tab.wait_until(ALIVE)
    tab.run("document.querySelector('.plot').focus()")
    tab.key("ArrowRight")
    last = int(tab.run("document.querySelector('.plot').getAttribute('aria-valuenow')"))
    assert last == HALF_HOURS - 1
    tab.key("ArrowLeft")
    assert tab.run("document.querySelector('.plot').getAttribute('aria-valuenow')") == str(last - 1)
    tab.key("Home")
    assert tab.run("document.querySelector('.plot').getAttribute('aria-valuenow')") == "0"
    tab.key("Enter")
    tab.key("End")
    tab.key("Enter")
    tab.wait_until(f"location.search.includes('from=') && {ALIVE}")
    begin, end = window_of(tab)
    tab.run("document.querySelector('.plot').focus()")
    tab.key("PageUp")
    tab.wait_until(f"new URLSearchParams(location.search).get('to') === {json.dumps(begin)} && {ALIVE}")
    length = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
    assert timedelta(hours=46) < length < timedelta(hours=49)


def test_a_finger_reads_and_zooms(tab: Browser, site: str):
    """A touch shows the values, a finger that moves sideways chooses a window."""
    tab.open(f"{site}?days=7", PHONE)
    tab.wait_until(ALIVE)
    left, top, width, height = tab.run(BOX)
    y = top + height / 2
    tab.touch("touchStart", (left + width * 0.5, y))
    tab.wait_until("document.querySelector('.cursor').hasAttribute('d')")
    for step in range(1, 8):
        tab.touch("touchMove", (left + width * (0.5 + 0.04 * step), y))
    tab.touch("touchEnd")
    tab.wait_until(f"location.search.includes('from=') && {ALIVE}")
    assert_own(tab, site)


def test_without_script_the_page_has_its_graph(tab: Browser, site: str):
    """As a picture, laid out for the screen, with words for who cannot see it; other windows and kinds are links."""
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(f"{site}?days=7", PHONE)
        tab.wait_until("document.querySelector('.graph img').complete")
        image = "document.querySelector('.graph img')"
        assert tab.run(f"[{image}.naturalWidth > 0, {image}.currentSrc.includes('size=phone')]") == [True, True]
        assert "Download, upload and latency" in tab.run(f"{image}.alt")
        assert tab.run("document.querySelectorAll('.kinds a').length") == len(KINDS)
    finally:
        tab.call("Emulation.setScriptExecutionDisabled", value=False)


def test_an_empty_store_has_a_page(tab: Browser, tmp_path: Path):
    """Nothing is complained of before the first test either."""
    tab.open("about:blank")
    tab.requests.clear()
    with serving(environ(tmp_path), "--no-schedule", "--port", "0") as (_, url):
        tab.open(url)
        assert "Nothing measured yet" in tab.run("document.body.innerText")
        assert_own(tab, url)
        tab.open("about:blank")
    tab.requests.clear()


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is fetched by make")
@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("page", ["?days=7", "?days=7&graph=compare", "fleet", "api"])
def test_axe_has_nothing_to_say(tab: Browser, site: str, page: str, size: tuple[int, int]):
    """Nothing critical, serious or moderate keeps anybody from using a page."""
    tab.open(f"{site}{page}", size)
    if page.startswith("?"):
        tab.wait_until(ALIVE)
    tab.run(AXE.read_text())
    result = tab.run("axe.run(document, {resultTypes: ['violations']}).then((all) => all.violations)")
    grave = [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in result if one["impact"] != "minor"]
    assert not grave
