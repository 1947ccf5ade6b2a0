"""The zone that times are shown in."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import tzlocal

from monitor import localtime
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["Europe/Berlin", "Asia/Kolkata", "UTC"])
def test_a_configured_zone_is_used(name: str):
    """A name that the time zone database knows is that zone."""
    assert localtime.resolve_zone(name, "--zone").key == name


@pytest.mark.parametrize("name", ["Europe/Berlim", "Europe", "../etc/passwd", "/etc/localtime", "a\0b", "x" * 999])
def test_an_unknown_zone_is_named(name: str):
    """An unknown name is refused, with the name and the setting to fix."""
    with pytest.raises(ConfigError) as caught:
        localtime.resolve_zone(name, "--zone")
    assert repr(name) in str(caught.value)
    assert "--zone" in str(caught.value)


@pytest.mark.parametrize("setting", ["display.timezone", "schedule.timezone"])
def test_an_unknown_zone_is_reported_with_its_setting(setting: str):
    """The message names the setting whose value is wrong, and no other."""
    with pytest.raises(ConfigError) as caught:
        localtime.resolve_zone("Mars/Olympus", setting)
    assert str(caught.value).startswith(f"{setting}: unknown time zone 'Mars/Olympus'")


def test_a_system_without_a_zone_asks_for_the_setting_that_was_empty(monkeypatch: pytest.MonkeyPatch):
    """If the system's zone cannot be read, the message says which setting replaces it."""
    monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: (_ for _ in ()).throw(LookupError("no zone")))
    with pytest.raises(ConfigError, match=r"set schedule\.timezone$"):
        localtime.resolve_zone("", "schedule.timezone")


def ask_system(tz: str | None) -> subprocess.CompletedProcess[str]:
    """Print the zone that a new process takes for that of the system, with TZ as given."""
    environ = {"PATH": os.environ["PATH"]} | ({"TZ": tz} if tz else {})
    code = "from monitor import localtime; print(*(localtime.resolve_zone('', 'x').key for _ in range(2)))"
    return subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)


def of_system(tz: str | None) -> str:
    """Return the zone that a new process takes for that of the system, with TZ as given."""
    return ask_system(tz).stdout.split()[0] + "\n"


def test_an_empty_setting_means_the_zone_of_the_system():
    """Without a setting the zone of the system counts, here that of TZ."""
    assert of_system("Pacific/Chatham") == "Pacific/Chatham\n"


def test_an_unknown_zone_in_the_environment_is_ignored():
    """With a mistake in TZ, the zone of the machine counts."""
    assert of_system("Mars/Olympus") == of_system(None)


@pytest.mark.parametrize("tz", ["CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3", "Mars/Olympus", ":Nowhere", "../etc/passwd"])
def test_a_zone_in_the_environment_that_cannot_be_read_is_named(tz: str):
    """One line says what is used instead, once, and how to name a zone."""
    asked = ask_system(tz)
    used = asked.stdout.split()[0]
    assert asked.stderr.count("\n") == 1
    assert f"TZ={tz.removeprefix(':')!r} is not the name of a time zone, so {used} is used" in asked.stderr


@pytest.mark.parametrize(
    ("tz", "key"), [("UTC0", "UTC"), ("GMT+0", "UTC"), (":Europe/Berlin", "Europe/Berlin"), ("EST5EDT", "EST5EDT")]
)
def test_a_zone_in_the_environment_that_can_be_read(tz: str, key: str):
    """Nothing is said where nothing is wrong."""
    asked = ask_system(tz)
    assert (asked.stdout.split()[0], asked.stderr) == (key, "")


def test_a_system_whose_zone_has_no_name_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A copy of a zone in the place of the link does not say which it is."""
    (tmp_path / "localtime").write_bytes(b"TZif2")
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(localtime, "LOCALTIME", tmp_path / "localtime")
    monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: None)
    assert localtime.resolve_zone("", "display.timezone").key == "UTC"
    assert "does not say which time zone it is, so UTC is used: set display.timezone" in caplog.text
