"""Several probes in one database: the page, the graph, the table and the API show the same ones."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from typing import TYPE_CHECKING

import pytest
from example_runs import DNS, make_attempt
from web_client import TABLE, SiteSetup, assert_error

from monitor.model import Status
from monitor.store.connection import open_writer
from monitor.store.lookups import RowNumbers
from web.pages import MAX_LINKS, MAX_SUGGESTIONS, PageLinks

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Attempt

EVERYWHERE = ("/", "/graph.png", "/api/v1/runs", "/api/v1/buckets")

HOSTILE = "a&b <script>\"'?probe=#"

PAGE_LIMIT = 100 * 1024


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SiteSetup:
    """Return a site over an empty store."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db")


@pytest.fixture
def fleet(place: SiteSetup) -> SiteSetup:
    """Return a site over two probes: home, whose plan the settings have, measured last; the cabin's line is down."""
    return place.fill(
        broken("cabin", 0), broken("cabin", 10), make_attempt(5, download_bps=50_000_000), make_attempt(20)
    )


def broken(probe: str, minutes: float) -> Attempt:
    """Return a failed run of a probe."""
    return make_attempt(minutes, probe=probe, status=Status.FAILED, failure=DNS)


def name_probes(place: SiteSetup, names: list[str]) -> None:
    """Make probes that have no run."""
    with open_writer(place.url) as connection:
        for name in names:
            RowNumbers(connection).probe(name)


def page(place: SiteSetup, query: str = "") -> str:
    """Return the page."""
    response = place.client().get(f"/{query}")
    assert response.status_code == 200
    return response.text


def links(text: str) -> set[str]:
    """Return the addresses in a page."""
    return {unescape(address) for address in re.findall(r'(?:href|src|srcset)="([^"]*)"', text)}


def table(text: str) -> list[list[str]]:
    """Return the rows of the table as texts of cells."""
    rows = re.findall(r"<tr[ >].*?</tr>", text, re.DOTALL)
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells]


def test_one_probe_needs_no_choice(place: SiteSetup):
    """With a single probe there is no chooser and no column, and no link names it."""
    text = page(place.fill(*TABLE))
    assert "Probes" not in text
    assert table(text)[0][:2] == ["Time", "Result"]
    assert not any("probe=" in link for link in links(text))


def test_several_probes_are_distinguished(fleet: SiteSetup):
    """All are shown at first: each row has its probe, which is a link to it, and the chooser has a link for each."""
    text = page(fleet)
    assert '<bdi class="probe">cabin, home</bdi>' in text
    assert [row[1] for row in table(text)] == ["Probe", "home", "cabin", "home", "cabin"]
    assert {"/?days=30&probe=cabin", "/?days=30&probe=home"} <= links(text)


def test_the_summary_is_that_of_the_newest_run_s_probe(fleet: SiteSetup):
    """It names its probe, and a success of another probe does not end its failures."""
    assert "The last test succeeded" in page(fleet)
    text = page(fleet.fill(broken("cabin", 30)))
    assert "3 failed tests in a row" in text
    assert '<p class="when"><a href="/?days=30&amp;probe=cabin"><bdi>cabin</bdi></a> · <time' in text


def test_the_page_of_one_probe(fleet: SiteSetup):
    """Summary, table, graph and JSON are of that probe, and the column is gone."""
    text = page(fleet, "?probe=cabin")
    assert '<bdi class="probe">cabin</bdi>' in text
    assert "2 failed tests in a row" in text
    assert [row[1] for row in table(text)] == ["Result", "Failed", "Failed"]
    assert {"/graph.png?days=30&probe=cabin", "/graph.svg?days=30&size=phone&probe=cabin"} <= links(text)
    assert "/api/v1/runs?days=30&probe=cabin" in links(text)
    assert '<a href="/?days=30&amp;probe=cabin" aria-current="true"><bdi>cabin</bdi></a>' in text


def test_links_keep_window_rows_and_probe(fleet: SiteSetup):
    """Whatever one link changes, the others stay: days, what was not measured, and the probe."""
    addresses = links(page(fleet, "?days=7&only=trouble&probe=cabin"))
    assert "/?days=365&only=trouble&probe=cabin" in addresses
    assert "/?days=7&probe=cabin#tests" in addresses
    assert "/?days=7&only=trouble&probe=home" in addresses
    assert "/?days=7&only=trouble" in addresses


def test_every_link_of_a_page_works(fleet: SiteSetup):
    """The targets of the chooser and of the table exist."""
    client = fleet.client()
    addresses = {link.partition("#")[0] for link in links(page(fleet, "?days=7&probe=cabin")) if "graph" not in link}
    assert {client.get(link).status_code for link in addresses} == {200}


def test_the_api_shows_the_same_probes(fleet: SiteSetup):
    """Runs and buckets of one probe, of two, and of all."""
    client = fleet.client()
    for query, runs in (("?probe=cabin", 2), ("?probe=cabin&probe=home", 4), ("", 4)):
        assert len(client.get(f"/api/v1/runs{query}").json()) == runs
        assert sum(bucket["runs"] for bucket in client.get(f"/api/v1/buckets{query}").json()) == runs


def test_a_graph_is_of_its_probe(fleet: SiteSetup):
    """Each probe has a graph of its own, and so have all together; the same name gives the same graph."""
    client = fleet.client()
    tags = [client.get(f"/graph.png{query}").headers["etag"] for query in ("", "?probe=cabin", "?probe=home")]
    assert len(set(tags)) == 3
    assert client.get("/graph.png?probe=home", headers={"If-None-Match": tags[2]}).status_code == 304


@pytest.mark.parametrize("path", EVERYWHERE)
def test_an_unknown_probe_is_not_found(fleet: SiteSetup, path: str):
    """Everywhere it is the same error, with the names on offer."""
    says = "there is no probe 'cellar' here: the probes are cabin, home"
    assert_error(fleet.client().get(f"{path}?probe=cellar"), 404, "not_found", says)


def test_a_browser_gets_the_names(fleet: SiteSetup):
    """The page of the error names them too, escaped."""
    response = fleet.client().get("/", params={"probe": "<b>"}, headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "there is no probe &#39;&lt;b&gt;&#39; here: the probes are cabin, home" in response.text


@pytest.mark.parametrize("path", EVERYWHERE)
def test_a_site_for_some_probes_shows_no_others(fleet: SiteSetup, path: str):
    """A page for some of a fleet's probes shows no run of another one, requested or not."""
    client = dataclasses.replace(fleet, probes=("home",)).client()
    assert_error(client.get(f"{path}?probe=cabin"), 404, "not_found", "the probes are home")
    assert "cabin" not in client.get(path).text


def test_a_site_for_some_probes_counts_no_others(fleet: SiteSetup):
    """Buckets without a name are of those that the site shows."""
    client = dataclasses.replace(fleet, probes=("home",)).client()
    assert sum(bucket["runs"] for bucket in client.get("/api/v1/buckets").json()) == 2


def test_the_only_probe_is_compared_with_the_plan_whatever_its_name(place: SiteSetup):
    """A probe that was renamed is the same line."""
    assert "96 % of the plan" in page(place.fill(make_attempt(20, probe="before")))


def test_only_this_probe_is_compared_with_the_plan_of_the_settings(fleet: SiteSetup):
    """Another probe has another line, with another plan; how many of its tests met theirs is stored with them."""
    fleet.fill(make_attempt(30, probe="cabin"))
    assert "96 % of the plan" in page(fleet, "?probe=home")
    text = page(fleet, "?probe=cabin")
    assert re.findall(r"[\w ]+ % of the plan", text) == re.findall(r"[\w ]*at least 90 % of the plan", text)


def test_a_probe_without_runs_can_be_left_again(fleet: SiteSetup):
    """The page says that there is no run, and links to the other probes."""
    name_probes(fleet, ["new"])
    text = page(fleet, "?probe=new&days=7")
    assert "Nothing measured yet" in text
    assert "/?days=7&probe=home" in links(text)


def test_a_hostile_name_is_text_and_a_working_link(place: SiteSetup):
    """Whoever forwards chooses the name: it is escaped as text and encoded in addresses."""
    text = page(place.fill(make_attempt(0), make_attempt(10, probe=HOSTILE)))
    assert text.count("<script") == 1
    (link,) = {address for address in links(text) if "script" in address}
    assert f'<bdi class="probe">{"a&amp;b &lt;script&gt;"}' in page(place, link.removeprefix("/"))


@pytest.mark.parametrize("count", [MAX_LINKS + 1, MAX_SUGGESTIONS + 100])
def test_many_probes_are_a_text_field(place: SiteSetup, count: int):
    """More than a few are a form, which works without a script, keeps the window, and stays below 100 KiB."""
    name_probes(
        place.fill(*TABLE), [f"a probe with a name that is rather long {number}" for number in range(count - 1)]
    )
    text = page(place, "?days=7&only=trouble")
    assert f'<bdi class="probe">{count} probes</bdi>' in text
    assert '<form action="/">' in text
    assert '<input type="hidden" name="days" value="7">' in text
    assert text.count("<option>") == min(count, MAX_SUGGESTIONS)
    assert len(text.encode()) < PAGE_LIMIT
    assert "form-action 'self'" in place.client().get("/").headers["Content-Security-Policy"]


def test_a_page_of_several_probes_is_small(place: SiteSetup):
    """Page and style sheet of a full table come to less than 100 KiB."""
    place.fill(*(make_attempt(minutes, probe=f"probe-{minutes % MAX_LINKS}") for minutes in range(40)))
    assert len(page(place)) + len(place.client().get("/static/speedmon.css").content) < PAGE_LIMIT


def test_an_address_has_what_differs_from_the_default():
    """Only what was asked for is in an address, encoded, the window always."""
    links = PageLinks(7, "all", ("a b", "c&d"))
    assert links.page() == "/?days=7&probe=a+b&probe=c%26d"
    assert links.page(only="trouble", probes=()) == "/?days=7&only=trouble"
    assert links.graph("png", "phone") == "/graph.png?days=7&size=phone&probe=a+b&probe=c%26d"
    assert links.runs() == "/api/v1/runs?days=7&probe=a+b&probe=c%26d"
