"""`speedmon status`: the line as the page has it, the dead man's switch, and addresses that take no messages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from notify_desk import Desk, make_desk
from web_client import Client

from monitor.cli.main import cli
from monitor.notify.health import known_addresses
from monitor.store.connection import open_reader
from monitor.store.pause import PAUSE_FILE, make_pause, save_pause
from web.app import make_app
from web.context import Site

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

# As it may stand in an address.
HIDDEN = "hunter22hunter22"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a desk with a good test, which notifies nobody."""
    return make_desk(tmp_path, is_live=True)


def ask(desk: Desk, *options: str) -> Result:
    """Run `speedmon status` with these settings, for the path that needs no namespace."""
    desk.write_config()
    environ = {"SPEEDMON_COLLECT__PATH": "host", "STATE_DIRECTORY": str(desk.folder)}
    return CliRunner().invoke(
        cli, ["--config", str(desk.folder / "config.toml"), "status", *options], env=environ, standalone_mode=False
    )


def as_object(desk: Desk) -> dict[str, Any]:
    """Return what `status --json` prints."""
    document: dict[str, Any] = json.loads(ask(desk, "--json").output)
    return document


@pytest.mark.parametrize(
    ("tests", "changes", "code", "state"),
    [
        ("oooooooo", {}, 0, "good"),
        ("oooooo", {}, 0, "good"),
        ("ooooo" + "o" * 4 + "F", {}, 3, "failing"),
        ("ooooooooss", {"download_bps": 1_000_000}, 0, "slow"),
        ("oo", {}, 3, "stale"),
    ],
)
def test_the_exit_code_says_whether_results_come(
    desk: Desk, tests: str, changes: dict[str, Any], code: int, state: str
):
    """3 if the last test failed, or if nothing was recorded for `notify.stale_h`."""
    for letter in tests:
        desk.test("o" if letter == "s" else letter, **(changes if letter == "s" else {}))
    shown = as_object(desk)
    assert (shown["exit_code"], shown["line"]) == (code, state)
    assert ask(desk).return_value == code
    assert bool(shown["silent_since"]) is (state == "stale")


def test_the_silence_follows_the_settings(desk: Desk):
    """`stale_h`, and two intervals of the schedule."""
    desk.test("oo")
    assert "nothing has been recorded for 7 h" in ask(desk).output
    for stale_h in (12, 0):
        desk.set_notify(stale_h=stale_h)
        assert ask(desk).return_value == 0


def test_a_pause_is_part_of_the_state(desk: Desk):
    """As `speedmon pause` makes it."""
    assert as_object(desk)["paused_until"] is None
    save_pause(desk.folder / PAUSE_FILE, make_pause(datetime.now(UTC), timedelta(hours=2), ""))
    assert as_object(desk)["paused_until"].endswith("Z")


def test_a_broken_address_is_a_problem_here_and_on_the_page(desk: Desk):
    """By its service and the reason, without its secrets; messages that wait are counted."""
    desk.test("oooooo")
    desk.set_notify(urls=[f"nonsense://ann:{HIDDEN}@host/{HIDDEN}", f"tgram://{HIDDEN}/x"])
    desk.test("ooo", download_bps=1_000_000)
    desk.notify()
    status, shown = ask(desk), as_object(desk)
    assert (status.return_value, shown["messages"]) == (1, 2)
    assert [address["failures"] for address in shown["addresses"]] == [1, 1]
    assert status.output.count("takes no messages: 1 attempt failed") == 2
    page = Client(make_app(Site(desk.settings, ZoneInfo("UTC")))).get("/").text
    assert page.count("takes no messages: 1 attempt failed") == 2
    for part in (HIDDEN, "h...2"):
        assert part not in status.output + json.dumps(shown) + page


def test_a_file_of_addresses_may_be_closed_to_the_reader(desk: Desk):
    """The status then has the addresses for which messages wait."""
    file = desk.folder / "urls"
    file.write_text(f"nonsense://{HIDDEN}\n")
    desk.set_notify(urls_file=str(file))
    desk.test("oooooo")
    desk.test("ooo", download_bps=1_000_000)
    desk.notify()
    file.unlink()
    with open_reader(desk.settings.database.url) as connection:
        (report,) = known_addresses(connection, desk.settings)
    assert (report.name, report.failures, report.waiting) == ("nonsense://…", 1, 1)
    assert ask(desk).return_value == 1


def test_a_database_that_cannot_be_read_is_a_problem(desk: Desk):
    """Not a traceback."""
    (desk.folder / "speedmon.db").write_bytes(b"no database" * 100)
    result = ask(desk)
    assert result.return_value == 1
    assert "speedmon.db" in result.output
