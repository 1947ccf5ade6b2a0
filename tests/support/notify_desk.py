"""An installation that notifies receivers on this machine: its settings, its database, a clock, and stored runs."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from example_runs import make_attempt, make_failed_attempt
from msgspec.structs import replace

from monitor.config.load import to_toml
from monitor.config.settings import (
    CollectSettings,
    DatabaseSettings,
    DisplaySettings,
    NotifySettings,
    ProbeSettings,
    Settings,
)
from monitor.notify.deliver import DeliveryReport, run_notifier
from monitor.notify.send import Outgoing, deliver_now
from monitor.store.connection import open_writer
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from monitor.model import Attempt

DEADLINE_S = 180

LIVE_HOURS = 10


def send_here(outgoing: Outgoing) -> str:
    """Send a message through Apprise in this process; some of its modules use what Python calls deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return deliver_now(outgoing)


@dataclass
class Desk:
    """A place that judges runs and sends messages; `now` is what its clock shows."""

    folder: Path
    settings: Settings
    now: datetime = datetime(2026, 11, 25, 9, tzinfo=UTC)

    def set_notify(self, **changes: Any) -> None:
        """Change settings of [notify]."""
        self.settings = replace(self.settings, notify=replace(self.settings.notify, **changes))

    def store(self, *attempts: Attempt) -> None:
        """Store runs."""
        with open_writer(self.settings.database.url) as connection:
            add_attempts(connection, attempts)

    def test(self, outcome: str, **changes: Any) -> None:
        """Let an hour pass for each letter, and store a test at its end: F failed by the line, o good."""
        for letter in outcome:
            self.now += timedelta(hours=1)
            self.store(self.attempt(letter, **changes))

    def attempt(self, letter: str, **changes: Any) -> Attempt:
        """Return a test that ends now."""
        started = self.now - timedelta(seconds=21)
        made = make_failed_attempt() if letter == "F" else make_attempt()
        run = {name: getattr(made.run, name) for name in ("status", "failure", "isp", "external_ip", "server")}
        return make_attempt(**run | {"started_at": started} | changes)

    def notify(self, patience_s: float = 60, send_one: Callable[[Outgoing], str] | None = send_here) -> DeliveryReport:
        """Judge and send, once; through Apprise in this process, which saves time, or in one of its own (None)."""
        return run_notifier(self.settings, lambda: self.now, patience_s, send_one)

    def follow(self, outcome: str, **changes: Any) -> list[DeliveryReport]:
        """Store tests, and judge and send after each."""
        reports = []
        for letter in outcome:
            self.test(letter, **changes)
            reports.append(self.notify())
        return reports

    def write_config(self) -> Path:
        """Write the settings to a file, and return it."""
        file = self.folder / "config.toml"
        file.write_text(_unmasked_toml(self.settings))
        return file

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `speedmon` with these settings."""
        file = self.write_config()
        environ = os.environ | {"SPEEDMON_CONFIG": str(file), "STATE_DIRECTORY": str(self.folder)}
        command = [sys.executable, "-m", "monitor", *arguments]
        return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, *arguments: str) -> tuple[int, str, str]:
        """Run `speedmon` to its end; return its exit code and what it printed."""
        with self.command(*arguments) as process:
            out, err = process.communicate(timeout=DEADLINE_S)
        return process.returncode, out, err


def _unmasked_toml(settings: Settings) -> str:
    notify, quoted = settings.notify, '", "'.join(settings.notify.urls)
    text = to_toml(replace(settings, notify=replace(notify, urls=[], ping_url="")))
    text = text.replace("[notify]\nurls = []", f'[notify]\nurls = ["{quoted}"]' if quoted else "[notify]")
    return text.replace('ping_url = ""', f'ping_url = "{notify.ping_url}"')


def make_desk(folder: Path, *urls: str, database: str = "", is_live: bool = False, **notify: Any) -> Desk:
    """Return a desk with one good test, which it has judged.

    If it is live, its clock shows some hours ago, so that programs, which have the real time, may follow.
    """
    settings = Settings(
        probe=ProbeSettings("home"),
        collect=CollectSettings(lock_file=str(folder / "lock")),
        display=DisplaySettings("UTC"),
        notify=NotifySettings(urls=list(urls), digest="", **notify),
        database=DatabaseSettings(database or f"sqlite:///{folder}/speedmon.db"),
    )
    desk = Desk(folder, settings)
    if is_live:
        desk.now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=LIVE_HOURS)
    desk.follow("o")
    return desk
