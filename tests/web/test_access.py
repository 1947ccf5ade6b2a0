"""Who may read and act: tokens and their scopes, sessions, proxies, forms, guesses, and what is too large."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from example_runs import make_attempt
from web_client import SiteSetup, assert_error, csrf_of

from monitor.config.settings import WebSettings
from monitor.errors import ConfigError, StateFileError, UsageError
from monitor.store.connection import open_reader
from monitor.store.read import find_attempt
from web import access, entrance, tokens
from web.access import AccessRules, Gate, GuessLimit, parse_networks
from web.login import own_path
from web.protection import make_rules
from web.tokens import Role, Token, make_token

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from web_client import Client

NOW = datetime(2026, 11, 23, tzinfo=UTC)

READER, READ_TOKEN = make_token("grafana", Role.READ, NOW)

ADMIN, ADMIN_TOKEN = make_token("ann", Role.ADMIN, NOW)

# A site on the network, which nobody may read without a token.
CLOSED = AccessRules(reads_freely=False, tokens=lambda: (READ_TOKEN, ADMIN_TOKEN))

ONE = make_attempt(0)

EXCLUSION = f"/api/v1/runs/{ONE.run.id}/exclusion"

# Every address that acts, with what it wants.
ACTIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/api/v1/tests", {}),
    ("DELETE", "/api/v1/tests/current", {}),
    ("POST", "/api/v1/pause", {"json": {"length": "2h"}}),
    ("DELETE", "/api/v1/pause", {}),
    ("PUT", EXCLUSION, {"json": {"reason": "moved"}}),
    ("DELETE", EXCLUSION, {}),
    ("POST", "/test", {"data": {"action": "start"}}),
    ("POST", f"/runs/{ONE.run.id}/exclusion", {"data": {"reason": "moved"}}),
]

PAGES = [
    "/",
    "/runs",
    f"/runs/{ONE.run.id}",
    "/outages",
    "/servers",
    "/report",
    "/test",
    "/api",
    "/api/v1/runs",
    "/metrics",
    "/graph.png",
]


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site with one run."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db").fill(ONE)


def bearer(secret: str) -> dict[str, str]:
    """Return the header of a program with a token."""
    return {"Authorization": f"Bearer {secret}"}


def is_excluded(place: SiteSetup) -> bool:
    """Return whether the run is excluded."""
    with open_reader(place.url) as connection:
        return find_attempt(connection, ONE.run.id).run.excluded is not None


def exclude(client: Client, headers: dict[str, str], **data: str) -> httpx.Response:
    """Send the form that excludes the run."""
    return client.request("POST", f"/runs/{ONE.run.id}/exclusion", headers=headers, data={"reason": "moved", **data})


def test_nothing_is_read_without_a_token(place: SiteSetup):
    """On the network, a program gets 401 and a browser the login; a token of either role opens everything."""
    place.access = CLOSED
    client = place.client()
    for path in PAGES:
        assert_read_with_a_token_only(client, path)


def assert_read_with_a_token_only(client: Client, path: str) -> None:
    """Assert that a page is closed without a token."""
    assert_error(client.get(path), 401, "no_token", "log in, or send a token")
    assert client.get(path).headers["www-authenticate"] == "Bearer"
    answer = client.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login")
    if path != "/graph.png":  # drawing takes a second
        assert [client.get(path, headers=bearer(secret)).status_code for secret in (READER, ADMIN)] == [200, 200]


@pytest.mark.parametrize(
    "rules", [CLOSED, replace(CLOSED, reads_freely=True), AccessRules(acts_freely=True, tokens=CLOSED.tokens)]
)
def test_only_an_admin_token_acts(place: SiteSetup, rules: AccessRules):
    """Neither nobody, nor a reader, nor a page without its form can act, wherever the site is; an admin can."""
    place.access = rules
    client = place.client()
    for method, path, options in ACTIONS:
        assert client.request(method, path, **options).status_code in {401, 403}
        answer = client.request(method, path, headers=bearer(READER), **options)
        assert_error(answer, 403, "read_only", "grafana may only read")
        assert not is_excluded(place)
    assert client.request(*ACTIONS[0][:2], headers=bearer("spm_wrong")).status_code == 401
    for method, path, options in ACTIONS:
        assert client.request(method, path, headers=bearer(ADMIN), **options).status_code not in {401, 403}


def test_every_endpoint_that_acts_is_in_the_table(place: SiteSetup):
    """What the documentation offers besides reading is what these tests try."""
    paths = place.client().get("/openapi.json").json()["paths"]
    acting = {(method.upper(), path) for path, methods in paths.items() for method in methods if method != "get"}
    tried = {(method, path.replace(ONE.run.id, "{run_id}")) for method, path, _ in ACTIONS if path.startswith("/api")}
    assert acting == tried


def test_a_form_of_the_page_acts_on_this_machine(place: SiteSetup):
    """It needs the token in the form, the cookie of the same browser, and no other origin; then it acts, and undoes."""
    client = place.client()
    page = client.get(f"/runs/{ONE.run.id}")
    csrf, cookie = csrf_of(page)
    assert "HttpOnly" in page.headers["set-cookie"]
    assert "SameSite=Strict" in page.headers["set-cookie"]
    other, _ = csrf_of(client.get(f"/runs/{ONE.run.id}"))
    refused = [
        exclude(client, {}),
        exclude(client, cookie),
        exclude(client, {}, csrf=csrf),
        exclude(client, cookie, csrf=other),
        exclude(client, {"Cookie": f"{access.FORM_COOKIE}=x"}, csrf=csrf),
        exclude(client, cookie | {"Origin": "http://evil.example"}, csrf=csrf),
        exclude(client, cookie | {"Origin": "null"}, csrf=csrf),
        exclude(client, cookie | {"Sec-Fetch-Site": "cross-site"}, csrf=csrf),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert not is_excluded(place)
    done = exclude(client, cookie | {"Origin": "http://127.0.0.1:8765"}, csrf=csrf)
    assert (done.status_code, done.headers["location"]) == (303, f"/runs/{ONE.run.id}")
    assert is_excluded(place)
    assert exclude(client, cookie, csrf=csrf, undo="1").status_code == 303
    assert not is_excluded(place)
    by_script = client.request("PUT", EXCLUSION, headers=cookie | {"X-CSRF-Token": csrf}, json={"reason": "moved"})
    assert (by_script.status_code, by_script.json()["excluded"]) == (200, "moved")


def logged_in(client: Client, secret: str) -> tuple[httpx.Response, dict[str, str], str]:
    """Log in as a browser does; return the answer, the cookies, and the token of forms."""
    csrf, cookie = csrf_of(client.get("/login?to=/runs%3Fdays%3D7"))
    form = {"csrf": csrf, "token": secret, "to": "/runs?days=7"}
    answer = client.request("POST", "/login", headers=cookie, data=form)
    session = answer.headers.get("set-cookie", "").partition(";")[0]
    return answer, {"Cookie": f"{cookie['Cookie']}; {session}"}, csrf


def test_a_browser_logs_in_with_a_token(place: SiteSetup):
    """The session does what its token may, ends with it, and needs the forms of the page to act."""
    held = [READ_TOKEN, ADMIN_TOKEN]
    place.access = replace(CLOSED, tokens=lambda: tuple(held))
    client = place.client()
    answer, cookies, csrf = logged_in(client, ADMIN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs?days=7")
    assert all(part in answer.headers["set-cookie"] for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert ADMIN not in answer.headers["set-cookie"]
    assert client.get("/runs", headers=cookies).status_code == 200
    assert exclude(client, cookies).status_code == 403
    assert exclude(client, cookies, csrf=csrf).status_code == 303
    held.remove(ADMIN_TOKEN)
    assert client.get("/runs", headers=cookies).status_code == 401
    _, cookies, csrf = logged_in(client, READER)
    assert client.get("/runs", headers=cookies).status_code == 200
    assert exclude(client, cookies, csrf=csrf).status_code == 403


def test_a_session_cannot_be_made_up_and_ends():
    """Its parts are signed with a key of this process, and it lasts so long."""
    seconds = [0.0]
    gate = Gate(CLOSED, lambda: seconds[0])
    session = gate.log_in(ADMIN)
    assert session

    def role(cookie: str, of: Gate = gate) -> Role | None:
        from starlette.datastructures import Headers  # noqa: PLC0415

        return of.identify(Headers({}), {access.SESSION_COOKIE: cookie}, "192.0.2.1").role

    forged = [
        f"99{session}",
        session[:-1],
        f"{session}0",
        "",
        ".",
        "a.b.c",
        f"9999999999.{ADMIN_TOKEN.digest}.{'0' * 64}",
    ]
    assert [role(cookie) for cookie in forged] == [None] * len(forged)
    assert role(session) is Role.ADMIN
    assert role(session, Gate(CLOSED, lambda: 0.0)) is None
    seconds[0] = access.SESSION_S + 1
    assert role(session) is None


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1", "/a\nb", ""]
)
def test_a_login_leads_nowhere_else(to: str):
    """What the address asks for is a path of ours, or the first page."""
    assert own_path(to) == "/"


@pytest.mark.parametrize("way", ["bearer", "form"])
def test_guesses_are_bounded(place: SiteSetup, way: str):
    """After some wrong tokens even the right one has to wait: neither way tells more than the other."""
    place.access = CLOSED
    client = place.client()

    def guess(secret: str) -> httpx.Response:
        return client.get("/runs", headers=bearer(secret)) if way == "bearer" else logged_in(client, secret)[0]

    assert [guess(f"spm_{number}").status_code for number in range(access.GUESSES)] == [401] * access.GUESSES
    for secret in ("spm_x", ADMIN):
        answer = guess(secret)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= access.GUESS_S


def test_guesses_are_forgotten_and_counted_together():
    """One address waits for its own, all wait where many guess; after a while nobody does."""
    seconds = [0.0]
    limit = GuessLimit(lambda: seconds[0])
    for number in range(access.ALL_GUESSES - 1):
        limit.note(f"192.0.2.{number}")
    assert limit.wait_s("192.0.2.0") == 0
    limit.note("192.0.2.0")
    assert limit.wait_s("198.51.100.1") > 0
    seconds[0] = access.GUESS_S + 1
    assert limit.wait_s("198.51.100.1") == 0


def test_a_trusted_proxy_lets_visitors_in(place: SiteSetup):
    """Its header counts from its address only, and what it lets in still needs the forms of the page."""
    web = WebSettings(trusted_proxy=["127.0.0.1"], user_header="X-Forwarded-User")
    place.access = make_rules(web, {"HOME": "/nonexistent"}, 1000, insecure=False)
    client = place.client()
    user = {"X-Forwarded-User": "ann"}
    page = client.get(f"/runs/{ONE.run.id}", headers=user)
    csrf, cookie = csrf_of(page)
    assert (page.status_code, client.get("/runs").status_code) == (200, 401)
    assert exclude(client, cookie | user).status_code == 403
    assert exclude(client, cookie | user, csrf=csrf).status_code == 303
    place.access = replace(place.access, proxies=parse_networks("web.trusted_proxy", ["10.0.0.0/8"]))
    assert place.client().get("/runs", headers=user).status_code == 401


@pytest.mark.parametrize("texts", [["nonsense"], ["10.0.0.0/99"], ["::1", "x"]])
def test_a_proxy_is_an_address_or_a_network(texts: list[str]):
    """Anything else is a mistake of the configuration, which names the setting."""
    with pytest.raises(ConfigError, match=r"web\.trusted_proxy: "):
        parse_networks("web.trusted_proxy", texts)


def test_a_large_body_is_refused(place: SiteSetup):
    """Whoever sends more than a form has is told so, whatever the length that was announced."""
    client = place.client()
    body = b"x" * (entrance.MAX_BODY_BYTES + 1)
    answer = client.request("POST", "/test", content=body)
    assert_error(answer, 413, "too_large", "larger than 16,384 bytes")


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"


def test_every_stored_text_is_text_on_every_page(tmp_path: Path):
    """Names and messages from anywhere are escaped on each page, in each field that can hold a text."""
    from fields_of_runs import hostile_attempts  # noqa: PLC0415

    attempts = hostile_attempts(HOSTILE)
    place = SiteSetup(f"sqlite:///{tmp_path}/speedmon.db").fill(*attempts)
    client = place.client()
    paths = ["/", "/runs", "/outages", "/servers", "/test", *(f"/runs/{one.run.id}" for one in attempts)]
    for path in paths:
        page = client.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
    assert sum("&lt;script&gt;alert" in client.get(path).text for path in paths) >= len(attempts)
    query = {"isp": HOSTILE, "server": HOSTILE, "address": HOSTILE}
    assert "<script>alert" not in client.get("/runs", params=query).text


def test_the_page_is_whole_below_a_path(place: SiteSetup):
    """Behind a proxy that passes the path on, and behind one that does not, all links begin with it."""
    place.web = WebSettings(root_path="/speed")
    client = place.client()
    for path in ("/speed/runs", "/runs"):
        page = client.get(path)
        assert page.status_code == 200
        assert 'href="/speed/static/speedmon.css' in page.text
        assert f'href="/speed/runs/{ONE.run.id}"' in page.text
        assert 'href="/runs' not in page.text
    assert client.get("/speed").status_code == 200
    assert client.get("/speedy").status_code == 404
    assert client.get("/openapi.json").json()["servers"] == [{"url": "/speed"}]


def test_a_network_is_not_served_by_mistake(tmp_path: Path):
    """Another address than loopback needs a token, a proxy or --insecure, and is refused with the fix."""
    environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    web = WebSettings(host="0.0.0.0")  # noqa: S104  what a user who wants this sets
    with pytest.raises(UsageError, match="speedmon token add NAME") as refused:
        make_rules(web, environ, 1000, insecure=False)
    assert refused.value.exit_code == 2
    rules = make_rules(web, environ, 1000, insecure=True)
    assert (rules.reads_freely, rules.acts_freely) == (True, False)
    rules = make_rules(WebSettings(), environ, 1000, insecure=False)
    assert (rules.reads_freely, rules.acts_freely) == (True, True)
    tokens.add_token(tokens.tokens_file(environ, 1000), "ann", Role.READ, NOW)
    rules = make_rules(web, environ, 1000, insecure=False)
    assert (rules.reads_freely, rules.acts_freely) == (False, False)
    assert [token.name for token in rules.tokens()] == ["ann"]


def test_serve_refuses_with_2(tmp_path: Path):
    """The command ends before it listens, with one line."""
    done = speedmon(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0", "--no-schedule")  # noqa: S104
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "make a token with `speedmon token add NAME`" in done.stderr


def speedmon(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of speedmon with a state directory of its own."""
    command = [sys.executable, "-W", "error", "-m", "monitor", *arguments]
    environment = {"PATH": "/usr/bin", "HOME": str(home), "STATE_DIRECTORY": str(home / "state")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_makes_lists_and_removes_tokens(tmp_path: Path):
    """A token is printed once; what is kept is a digest, in a file of its owner alone."""
    made = speedmon(tmp_path, "token", "add", "ann", "--role", "admin")
    secret, file = made.stdout.strip(), tmp_path / "state" / "tokens.json"
    assert secret.startswith("spm_")
    assert len(secret) == 4 + 43
    (kept,) = tokens.read_tokens(file)
    assert kept == Token("ann", Role.ADMIN, tokens.digest_of(secret), kept.created_at)
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert speedmon(tmp_path, "token", "add", "ann").returncode == 2
    assert speedmon(tmp_path, "token", "add", "a b").returncode == 2
    assert speedmon(tmp_path, "token", "list").stdout.split()[:2] == ["ann", "admin"]
    assert speedmon(tmp_path, "token", "remove", "ann").returncode == 0
    assert speedmon(tmp_path, "token", "remove", "ann").returncode == 2
    assert "There is no token" in speedmon(tmp_path, "token", "list").stdout


def test_damaged_tokens_let_nobody_in(place: SiteSetup, tmp_path: Path):
    """A file that cannot be read is an error, and not an open door."""
    file = tmp_path / "tokens.json"
    file.write_text("[{")
    with pytest.raises(StateFileError, match="is damaged"):
        tokens.read_tokens(file)
    place.access = replace(CLOSED, tokens=lambda: tokens.read_tokens(file))
    assert_error(place.client().get("/runs", headers=bearer(ADMIN)), 503, "state_unavailable", "cannot be read")
