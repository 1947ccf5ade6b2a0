"""Messages reach real receivers: each change once, whatever happens meanwhile."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from broker import mqtt_broker
from example_runs import make_attempt
from msgspec import structs
from notify_desk import Desk, make_desk
from receivers import HttpReceiver, http_receiver, smtp_receiver
from waiting import until

from monitor.config.settings import DisplaySettings, ProbeSettings
from monitor.errors import ConfigError
from monitor.model import Doubt, Failure, FailureKind, Remark, Scope, Status
from monitor.notify.addresses import failed_url, load_addresses
from monitor.notify.deliver import page_url, send
from monitor.notify.health import address_reports, read_history
from monitor.notify.send import Outgoing
from monitor.store.notifications import hold_sender_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgres_cluster import Cluster

BUSY = Failure(FailureKind.PROVIDER_DOWN, Scope.PROVIDER, None, "document (503)")


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """Yield an HTTP server."""
    with http_receiver() as opened:
        yield opened


@pytest.fixture
def desk(tmp_path: Path, receiver: HttpReceiver) -> Desk:
    """Return a desk that notifies it."""
    return make_desk(tmp_path, receiver.url)


def test_one_message_when_a_state_begins_and_one_when_it_ends(desk: Desk, receiver: HttpReceiver):
    """Nothing in between, however many tests fail, and nothing before."""
    desk.follow("oF")
    assert receiver.take() == []
    desk.follow("F")
    (began,) = receiver.take()
    desk.follow("FFFo")
    assert receiver.take() == []
    desk.follow("ooo")
    (ended,) = receiver.take()
    assert (began["title"], ended["title"]) == ("home: line down", "home: line works again after 5 h")
    assert "dns (line, at configuration): Could not resolve host." in ended["message"]
    assert "http://127.0.0.1:8765/runs/" in ended["message"]


@pytest.mark.parametrize(
    ("changes", "titles"),
    [
        ({"download_bps": 1_000_000}, ["home: line slow", "home: speed is back after 4 h"]),
        (
            {"healthy": False, "remarks": (Remark(Doubt.WRONG_FAMILY, "measured over IPv6"),)},
            ["home: wrong path", "home: right path again after 4 h"],
        ),
        ({"isp": "Other"}, ["home: ISP changed", "home: ISP changed"]),
        ({"external_ip": "203.0.113.9"}, ["home: address changed", "home: address changed"]),
        (
            {"status": Status.FAILED, "failure": Failure(FailureKind.NAMESPACE, Scope.LOCAL, None, "gone")},
            ["home: namespace broken", "home: namespace works again after 4 h"],
        ),
        (
            {"status": Status.SKIPPED, "failure": Failure(FailureKind.UNKNOWN, Scope.LOCAL, "budget", "5 of 5 GB")},
            ["home: data used up", "home: tests run again after 4 h"],
        ),
        ({"status": Status.FAILED, "failure": BUSY}, []),
    ],
    ids=["slow", "path", "isp", "address", "namespace", "budget", "provider"],
)
def test_each_state_is_reported(desk: Desk, receiver: HttpReceiver, changes: dict[str, object], titles: list[str]):
    """When it begins and when it ends; failures of a provider are not."""
    desk.test("oooo", **changes)
    desk.notify()
    desk.test("ooo")
    desk.notify()
    assert receiver.titles == titles


def test_every_kind_of_receiver_gets_each_message_once(tmp_path: Path, receiver: HttpReceiver):
    """A mail server, an HTTP server and a broker of MQTT: flip, reminder and recovery of two states, and no more."""
    with smtp_receiver() as mailbox, mqtt_broker(tmp_path) as broker:
        broker_url = f"mqtt://127.0.0.1:{broker.port}/alerts"
        desk = make_desk(tmp_path, receiver.url, mailbox.url, broker_url, remind_h=4, stale_h=0)
        desk.follow("FFFFFFoo")
        desk.follow("ooo", download_bps=1_000_000)
        desk.follow("ooo")
        until(lambda: len(broker.messages) >= len(receiver.titles))
    titles = [
        "home: line down",
        "home: still line down",
        "home: line works again after 6 h",
        "home: line slow",
        "home: speed is back after 3 h",
    ]
    assert receiver.titles == titles
    assert [mail["Subject"] for mail in mailbox.mails] == titles
    assert [payload.splitlines()[0] for _, payload in broker.messages] == titles


def test_failures_of_a_provider_are_reported_if_asked_for(desk: Desk, receiver: HttpReceiver):
    """As a state of their own."""
    desk.set_notify(states=["provider"])
    desk.test("ooo", status=Status.FAILED, failure=BUSY)
    desk.notify()
    assert receiver.titles == ["home: servers fail"]


def test_silence_is_reported_once(desk: Desk, receiver: HttpReceiver):
    """By whoever calls, without a new run."""
    for _ in range(4):
        desk.now += timedelta(hours=4)
        desk.notify()
    desk.follow("o")
    assert receiver.titles == ["home: no results", "home: results again after 17 h"]


def test_a_reminder_comes_at_its_time(desk: Desk, receiver: HttpReceiver):
    """Every two hours here, until the state ends."""
    desk.set_notify(remind_h=2)
    desk.follow("FFFFFFoo")
    titles = [title.partition(" after")[0] for title in receiver.titles]
    assert titles == ["home: line down", *["home: still line down"] * 2, "home: line works again"]


def test_in_quiet_hours_messages_wait_and_become_one(desk: Desk, receiver: HttpReceiver):
    """At their end one message has the whole outage."""
    hour = desk.now + timedelta(hours=1)
    desk.set_notify(quiet=[f"{hour:%H:%M}-{hour + timedelta(hours=6):%H:%M}"])
    desk.follow("FFoo")
    assert receiver.messages == []
    desk.follow("ooo")
    assert receiver.titles == ["home: line works again after 2 h"]


@pytest.mark.parametrize(
    ("evening", "morning"),
    [
        (datetime(2027, 3, 27, 22, tzinfo=UTC), datetime(2027, 3, 28, 5, tzinfo=UTC)),
        (datetime(2027, 10, 30, 21, tzinfo=UTC), datetime(2027, 10, 31, 6, tzinfo=UTC)),
        (datetime(2027, 7, 1, 21, tzinfo=UTC), datetime(2027, 7, 2, 5, tzinfo=UTC)),
    ],
    ids=["spring", "autumn", "summer"],
)
def test_quiet_hours_follow_the_clock_on_the_wall(
    desk: Desk, receiver: HttpReceiver, evening: datetime, morning: datetime
):
    """From 23:00 to 07:00, be they seven hours, eight or nine."""
    desk.settings = structs.replace(desk.settings, display=DisplaySettings("Europe/Berlin"))
    desk.set_notify(quiet=["23:00-07:00"], stale_h=0)
    desk.now = evening - timedelta(hours=2)
    desk.test("FF")
    for moment in (evening, morning - timedelta(minutes=1)):
        desk.now = moment
        desk.notify()
    assert receiver.titles == []
    desk.now = morning
    desk.notify()
    assert receiver.titles == ["home: line down"]


def test_what_could_not_be_sent_is_sent_once_the_line_works(desk: Desk, receiver: HttpReceiver):
    """Nobody can be reached while it is down; afterwards one message has every outage, and no address is broken."""
    receiver.status = 503
    desk.follow("FFF")
    assert [report.failures for report in address_reports(desk.settings)] == [0]
    desk.test("ooFF")
    desk.notify()
    receiver.take()
    receiver.status = 200
    desk.follow("oo")
    (message,) = receiver.take()
    assert message["title"] == "home: 2 outages"
    assert message["message"].count("The line was down from") == 2
    desk.follow("oo")
    assert receiver.take() == []


def test_one_outage_is_one_message_once_the_line_works(desk: Desk, receiver: HttpReceiver):
    """From when to when."""
    receiver.status = 503
    desk.follow("FFF")
    receiver.take()
    receiver.status = 200
    desk.follow("oo")
    assert receiver.titles == ["home: line works again after 3 h"]


def test_a_mail_has_text_and_html(tmp_path: Path):
    """Over SMTP."""
    with smtp_receiver() as mailbox:
        desk = make_desk(tmp_path, mailbox.url)
        desk.test("FF")
        assert desk.notify(send_one=None).errors == []
    (mail,) = mailbox.mails
    assert mail["Subject"] == "home: line down"
    plain, markup = (mail.get_body([kind]) for kind in ("plain", "html"))
    assert plain
    assert "The line is down since" in plain.get_content()
    assert markup
    assert "<b>home (ip4only)</b>" in markup.get_content()


def test_a_receiver_that_hangs_stops_no_other(tmp_path: Path, receiver: HttpReceiver):
    """It is given up at the deadline, and its message goes on waiting."""
    with http_receiver() as silent:
        silent.answers.clear()
        desk = make_desk(tmp_path, silent.url, receiver.url, deadline_s=300)

        def send_soon(outgoing: Outgoing) -> str:
            """Wait for the silent one no longer than it takes to start a process."""
            return send(replace(outgoing, deadline_s=3) if outgoing.url == silent.url else outgoing)

        desk.test("FF")
        report = desk.notify(send_one=send_soon)
        assert receiver.titles == ["home: line down"]
        assert report.errors == [f"no. 1: json://127.0.0.1:{silent.port}/…: no answer within 3 s"]
        silent.answers.set()
        silent.take()
        desk.now += timedelta(minutes=2)
        desk.notify()
        assert (silent.titles, receiver.titles) == (["home: line down"], ["home: line down"])


def test_a_sender_ends_itself_at_its_deadline():
    """Even if whoever started it was killed."""
    with http_receiver() as silent:
        silent.answers.clear()
        command = [sys.executable, "-m", "monitor.notify.send"]
        done = subprocess.run(
            command, input=msgspec.json.encode(Outgoing(silent.url, "title", "text", deadline_s=1)), check=False
        )
        assert done.returncode == -signal.SIGALRM


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("json://127.0.0.1:1/", "no. 1: json://127.0.0.1:1/…: "),
        ("nonsense://x", "no. 1: nonsense://…: "),
        ("tgram://secret/", "no. 1: tgram://…: "),
    ],
)
def test_a_broken_address_is_reported_and_stops_no_other(tmp_path: Path, receiver: HttpReceiver, url: str, words: str):
    """By its service, without its secrets, with the reason; it is tried again later."""
    desk = make_desk(tmp_path, url, receiver.url)
    desk.test("osss".replace("s", "o"), download_bps=1_000_000)
    report = desk.notify()
    assert receiver.titles == ["home: line slow"]
    (error,) = report.errors
    assert error.startswith(words)
    assert "secret" not in error
    broken, fine = address_reports(desk.settings)
    assert (broken.is_broken, broken.failures, broken.waiting) == (True, 1, 1)
    assert (fine.is_broken, fine.waiting) == (False, 0)
    assert desk.notify().errors == []  # it is left alone for a minute


def test_an_address_that_is_gone_from_the_settings_gets_nothing(desk: Desk, receiver: HttpReceiver):
    """What waits for it is dropped, and the history says so."""
    receiver.status = 500
    desk.follow("FF")
    with http_receiver() as other:
        desk.set_notify(urls=[other.url])
        desk.follow("F")
        assert other.messages == []
    assert [message.status for message in read_history(desk.settings, desk.now - timedelta(days=1))] == ["dropped"]


def test_each_recorded_run_is_a_sign_of_life(tmp_path: Path, receiver: HttpReceiver):
    """With /fail for a failed one; each once, in their order, and none that is late."""
    desk = make_desk(tmp_path, ping_url=f"http://127.0.0.1:{receiver.port}/ping/uuid?x=1")
    receiver.paths.clear()
    desk.store(desk.attempt("F"), desk.attempt("o"))
    desk.notify()
    desk.notify()
    desk.test("F")
    desk.test("o")
    desk.notify()
    assert receiver.paths == ["/ping/uuid/fail?x=1", "/ping/uuid?x=1", "/ping/uuid?x=1"]
    assert receiver.messages == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hc.example/uuid", "https://hc.example/uuid/fail"),
        ("https://hc.example/uuid/", "https://hc.example/uuid/fail"),
        ("https://kuma.example/push?key=1", "https://kuma.example/push/fail?key=1"),
    ],
)
def test_fail_is_appended_to_the_path(url: str, expected: str):
    """Before a query."""
    assert failed_url(url) == expected


def test_two_processes_at_once_send_one_message(tmp_path: Path):
    """To each of two addresses, as cron and the daemon may at the same moment."""
    with http_receiver() as one, http_receiver() as two:
        desk = make_desk(tmp_path, one.url, two.url, is_live=True, stale_h=0)
        desk.test("FF")
        with ExitStack() as stack:
            started = [stack.enter_context(desk.command("notify", "run")) for _ in range(2)]
            assert [process.wait() for process in started] == [0, 0]
        assert (one.titles, two.titles) == (["home: line down"], ["home: line down"])


def test_a_process_that_is_killed_repeats_one_message_and_loses_none(tmp_path: Path):
    """Killed after the first of two addresses has the message, and before that is remembered."""
    with http_receiver() as one, http_receiver() as two:
        desk = make_desk(tmp_path, one.url, two.url, is_live=True, stale_h=0)
        desk.test("FF")
        one.answers.clear()
        with desk.command("notify", "run") as process:
            until(one.arrived.is_set)
            process.kill()
        one.answers.set()
        assert (desk.notify().errors, desk.notify().sent) == ([], [])
        assert (one.titles, two.titles) == (["home: line down"] * 2, ["home: line down"])


def test_a_process_that_is_killed_before_it_sends_loses_nothing(desk: Desk, receiver: HttpReceiver):
    """The change is judged and queued; whoever comes next sends it."""
    desk.test("FF")
    with hold_sender_lock(desk.settings.database.url, "home", 0) as held:
        assert held
        assert desk.notify(patience_s=0).sent == []
    assert receiver.messages == []
    desk.notify()
    assert receiver.titles == ["home: line down"]


def test_a_test_that_runs_may_repeat_the_last_one(desk: Desk, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch):
    """Its failure is judged when the test has ended."""
    monkeypatch.setattr("monitor.system.lock.is_held", lambda _file: True)
    desk.follow("FF")
    monkeypatch.undo()
    assert receiver.messages == []
    desk.notify()
    assert receiver.titles == ["home: line down"]


def test_an_older_copy_of_the_database_repeats_nothing(desk: Desk, receiver: HttpReceiver):
    """What it has by then is history."""
    desk.follow("oo")
    with closing(sqlite3.connect(desk.folder / "speedmon.db")) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM runs WHERE pk > 1")
    desk.follow("FoF")
    assert receiver.titles == ["home: line down"]


def test_a_memory_of_another_release_is_made_anew(desk: Desk, receiver: HttpReceiver):
    """What lasts is reported again; nothing else is lost."""
    desk.follow("FF")
    with closing(sqlite3.connect(desk.folder / "speedmon.db")) as connection, connection:
        connection.execute("""UPDATE notify_memories SET memory = '{"last_pk": "many"}'""")
    desk.follow("Foo")
    assert [title.partition(" after")[0] for title in receiver.titles] == [
        *["home: line down"] * 2, "home: line works again",
    ]  # fmt: skip


def test_a_digest_comes_once_with_its_picture(tmp_path: Path, receiver: HttpReceiver):
    """After the end of the day; of several that wait, the newest."""
    with smtp_receiver() as mailbox:
        desk = make_desk(tmp_path, mailbox.url, receiver.url)
        desk.set_notify(digest="daily")
        desk.notify()
        assert receiver.messages == []
        receiver.status = 500
        for _ in range(2):
            desk.now += timedelta(days=1)
            desk.test("o")
            desk.notify()
        receiver.status = 200
        receiver.take()
        desk.follow("o")
    mails = [mail for mail in mailbox.mails if "day from" in mail["Subject"]]
    assert len(mails) == 2
    for mail in mails:
        (picture,) = mail.iter_attachments()
        assert (picture.get_content_type(), picture.get_content()[:4]) == ("image/png", b"\x89PNG")
    digests = [message for message in receiver.messages if "day from" in message["title"]]
    assert [len(message["attachments"]) for message in digests] == [1]


def test_the_reading_side_of_a_fleet_reports_all_its_probes(tmp_path: Path, receiver: HttpReceiver, cluster: Cluster):
    """On PostgreSQL, with one that is silent, by two processes at once."""
    desk = make_desk(tmp_path, receiver.url, database=cluster.store(), is_live=True)
    for probe in ("cabin", "office"):
        desk.store(make_attempt(started_at=desk.now - timedelta(minutes=5), probe=probe))
    desk.set_notify(probes=["all"])
    desk.notify()
    desk.test("ooooooFF", probe="cabin")
    with desk.command("notify", "run", "-q") as other:
        desk.notify()
        assert other.wait() == 0
    said = "\n".join(message["message"] for message in receiver.messages)
    assert said.count("cabin (ip4only): The line is down since") == 1
    assert said.count("office: Nothing has been recorded since") == 1
    assert said.count("home: Nothing has been recorded since") == 1


def test_a_machine_without_runs_of_its_own_reports_all_probes(tmp_path: Path, receiver: HttpReceiver):
    """It is the reading side; one with runs of its own reports itself."""
    desk = make_desk(tmp_path, receiver.url)
    desk.store(make_attempt(started_at=desk.now, probe="cabin"))
    desk.notify()
    desk.test("FF", probe="cabin")
    desk.notify()
    assert receiver.messages == []
    desk.settings = structs.replace(desk.settings, probe=ProbeSettings("desk"))
    desk.notify()
    assert receiver.titles == ["cabin: line down"]


def test_addresses_come_from_a_file_too(tmp_path: Path):
    """One a line, without comments and duplicates; a mistake is reported by its line."""
    desk = make_desk(tmp_path)
    file = tmp_path / "urls"
    file.write_text("# mine\njson://127.0.0.1/\n\nmailto://ann:pw@example.org\n")
    desk.set_notify(urls=["json://127.0.0.1/"], urls_file=str(file))
    assert [each.name for each in load_addresses(desk.settings.notify)] == [
        "no. 1: json://127.0.0.1/…", "no. 2: mailto://example.org/…",
    ]  # fmt: skip
    file.write_text("json://127.0.0.1/\nann@example.org\n")
    with pytest.raises(ConfigError, match="line 2: is no address"):
        load_addresses(desk.settings.notify)
    desk.set_notify(urls_file="/nowhere/urls")
    with pytest.raises(ConfigError, match="/nowhere/urls: cannot be read"):
        load_addresses(desk.settings.notify)


def test_links_lead_to_the_page(tmp_path: Path):
    """At page_url, else where `serve` listens."""
    desk = make_desk(tmp_path)
    assert page_url(desk.settings) == "http://127.0.0.1:8765"
    desk.set_notify(page_url="https://speed.example/line/")
    assert page_url(desk.settings) == "https://speed.example/line"
