"""The notifier runs next to the daemon, at intervals, as a child process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from notify_desk import make_desk
from receivers import http_receiver
from waiting import until

from monitor.config.settings import Settings
from monitor.scheduler import notifier
from monitor.scheduler.notifier import NotifierService, is_wanted, source_options

if TYPE_CHECKING:
    from pathlib import Path


def test_it_calls_notify_run(tmp_path: Path):
    """A change is reported without a test by this machine."""
    with http_receiver() as receiver:
        desk = make_desk(tmp_path, receiver.url, is_live=True, stale_h=2)
        desk.now = desk.now.replace(microsecond=0)
        service = NotifierService(desk.settings, desk.write_config(), every_s=1)
        service.start()
        try:
            until(lambda: receiver.messages)
        finally:
            service.stop()
            service.finish(60)
        assert receiver.titles == ["home: no results"]


def test_an_error_is_logged_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Such as a configuration that was broken meanwhile."""
    command = [sys.executable, "-c", "import sys; sys.exit('speedmon: broken')"]
    monkeypatch.setattr(notifier, "speedmon_command", lambda *_arguments: command)
    service = NotifierService(Settings(), None, every_s=1)
    service.start()
    try:
        until(lambda: len([record for record in caplog.records if "notify: broken" in record.getMessage()]) > 1)
    finally:
        service.stop()
        service.finish(60)


@pytest.mark.parametrize("key", ["urls", "urls_file", "ping_url"])
def test_it_is_wanted_with_any_address(key: str):
    """Without one there is no process."""
    assert not is_wanted(Settings())
    settings = Settings()
    value = ["json://127.0.0.1"] if key == "urls" else "x"
    assert is_wanted(replace(settings, notify=replace(settings.notify, **{key: value})))


def test_it_reads_what_the_page_shows():
    """Another database, and some of its probes."""
    assert source_options(None, ()) == []
    assert source_options("sqlite:///x", ["a", "b"]) == [
        "--database-url",
        "sqlite:///x",
        "--probe",
        "a",
        "--probe",
        "b",
    ]
