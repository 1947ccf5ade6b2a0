"""In front of every endpoint: known host names only, strict headers always."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from web_client import SiteSetup, assert_error

from monitor.config.settings import WebSettings
from web.app import host_name
from web.protection import listens_on_network

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site over an empty store."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db")


@pytest.mark.parametrize("path", ["/", "/api/v1/runs", "/healthz", "/static/speedmon.css", "/nothing", "/?days=x"])
def test_every_response_has_the_headers(place: SiteSetup, path: str):
    """No script but ours, no frame, no sniffing, no referrer for others, whatever the response is."""
    headers = place.client().get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost", 200),
        ("LOCALHOST:8765", 200),
        ("[::1]:8765", 200),
        ("speed.example.org", 200),
        ("Speed.Example.org:443", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.0.2.7", 421),
        ("", 421),
    ],
)
def test_only_known_names_are_served(place: SiteSetup, host: str, status: int):
    """A name that points here from elsewhere is refused; a reverse proxy's is allowed by a setting."""
    place.web = WebSettings(allowed_hosts=["speed.example.org"])
    assert place.client().get("/healthz", headers={"Host": host}).status_code == status


def test_a_refused_name_is_an_error_that_names_the_fix(place: SiteSetup):
    """The response has the shape of all errors and names the setting."""
    answer = place.client().get("/api/v1/runs", headers={"Host": "evil.example"})
    assert_error(answer, 421, "unknown_host", "web.allowed_hosts")


def test_a_page_for_the_network_accepts_any_address(place: SiteSetup):
    """An address cannot be rebound, so it is safe to accept where other machines may connect."""
    place.web = WebSettings(host="0.0.0.0")  # noqa: S104  what a user who wants this sets
    client = place.client()
    assert client.get("/healthz", headers={"Host": "192.168.1.5:8765"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 421


LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

PICTURE = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}


@pytest.mark.parametrize("path", ["/", "/graph.png", "/api/v1/runs", "/static/speedmon.css", "/healthz"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "something-new"])
def test_other_sites_get_nothing(place: SiteSetup, path: str, site: str):
    """A page elsewhere, or of another program on this machine, cannot make a browser ask for anything."""
    answer = place.client().get(path, headers={"Sec-Fetch-Site": site, **PICTURE})
    assert_error(answer, 403, "cross_site", "other web sites")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {"Sec-Fetch-Site": "same-origin", **PICTURE}, 200),
        ("GET", "/graph.png", {"Sec-Fetch-Site": "same-origin", **PICTURE}, 200),
        ("GET", "/graph.png", {"Sec-Fetch-Site": "none", **LINK}, 200),
        ("GET", "/graph.png", {}, 200),
        ("GET", "/", {"Sec-Fetch-Site": "cross-site", **LINK}, 200),
        ("GET", "/", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/", {"Sec-Fetch-Site": "cross-site", **LINK, "Sec-Fetch-Dest": "iframe"}, 403),
        ("POST", "/", {"Sec-Fetch-Site": "cross-site", **LINK}, 403),
        ("GET", "/graph.png", {"Sec-Fetch-Site": "cross-site", **LINK}, 403),
        ("GET", "/api/v1/runs", {"Sec-Fetch-Site": "cross-site", **LINK}, 403),
    ],
)
def test_what_may_come_from_elsewhere(
    place: SiteSetup, method: str, path: str, headers: dict[str, str], status: int, monkeypatch: pytest.MonkeyPatch
):
    """Programs, the page itself and the person at the browser may ask; others may only link to a page."""
    monkeypatch.setattr("web.graphs.draw_graph", lambda _request: b"a graph")
    assert place.client().request(method, path, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("header", "name"),
    [("localhost:80", "localhost"), ("[fe80::1]:80", "fe80::1"), ("[::1", "::1"), ("a.b.:80", "a.b"), (":80", "")],
)
def test_a_host_header_is_read_without_port(header: str, name: str):
    """Ports, brackets and the root's dot are not part of a name."""
    assert host_name(header) == name


@pytest.mark.parametrize(
    ("host", "on_network"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("::", True), ("router", True)],  # noqa: S104
)
def test_an_address_that_others_can_reach(host: str, on_network: bool):
    """Only loopback is for this machine alone."""
    assert listens_on_network(host) is on_network
