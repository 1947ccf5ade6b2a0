"""The zone that times are shown in."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import tzlocal

from monitor import localtime
from monitor.errors import ConfigError


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


def of_system(tz: str | None) -> str:
    """Return the zone that a new process takes for that of the system, with TZ as given."""
    environ = {"PATH": os.environ["PATH"]} | ({"TZ": tz} if tz else {})
    code = "from monitor import localtime; print(localtime.resolve_zone('', 'x').key)"
    return subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True).stdout


def test_an_empty_setting_means_the_zone_of_the_system():
    """Without a setting the zone of the system counts, here that of TZ."""
    assert of_system("Pacific/Chatham") == "Pacific/Chatham\n"


def test_an_unknown_zone_in_the_environment_is_ignored():
    """With a mistake in TZ, the zone of the machine counts."""
    assert of_system("Mars/Olympus") == of_system(None)
