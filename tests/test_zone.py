"""The zone that times are shown in."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from monitor import zone
from monitor.errors import ConfigError


@pytest.mark.parametrize("name", ["Europe/Berlin", "Asia/Kolkata", "UTC"])
def test_a_configured_zone_is_used(name: str):
    """A name that the time zone database knows is that zone."""
    assert zone.resolve(name).key == name


@pytest.mark.parametrize("name", ["Europe/Berlim", "Europe", "../etc/passwd", "/etc/localtime", "a\0b", "x" * 999])
def test_an_unknown_zone_is_named(name: str):
    """What is no zone is refused with its name and the key to mend."""
    with pytest.raises(ConfigError) as caught:
        zone.resolve(name)
    assert repr(name) in str(caught.value)
    assert "display.timezone" in str(caught.value)


def of_system(tz: str | None) -> str:
    """Return the zone that a new process takes for that of the system, with TZ as given."""
    environ = {"PATH": os.environ["PATH"]} | ({"TZ": tz} if tz else {})
    code = "from monitor import zone; print(zone.resolve('').key)"
    return subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True).stdout


def test_an_empty_setting_means_the_zone_of_the_system():
    """Without a setting the zone of the system counts, here that of TZ."""
    assert of_system("Pacific/Chatham") == "Pacific/Chatham\n"


def test_a_zone_of_the_environment_that_nobody_knows_is_passed_over():
    """A mistake in TZ leaves the zone that the machine is set to."""
    assert of_system("Mars/Olympus") == of_system(None)
