"""`setup-netns --wait`: how long a set-up waits for a default route."""

from __future__ import annotations

import itertools
from typing import NoReturn

import pytest

from monitor.cli import namespace
from monitor.system import clock
from netns.errors import NoUplinkError


@pytest.mark.parametrize(
    ("wait_s", "up_s", "expected"),
    [(0, 10, 0), (60, 10, 290), (60, 1000, 60), (400, 10, 400)],
)
def test_soon_after_boot_it_waits_longer(monkeypatch: pytest.MonkeyPatch, wait_s: int, up_s: float, expected: float):
    """A test that joins the set-up of the boot must not fail with it after a few seconds."""
    seconds = itertools.count()
    monkeypatch.setattr(namespace.time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(namespace, "POLL_S", 0)
    monkeypatch.setattr(clock, "seconds_since_start", lambda: up_s)
    calls = []

    def set_up() -> NoReturn:
        calls.append(1)
        raise NoUplinkError("no default route")

    with pytest.raises(NoUplinkError):
        namespace.retry_set_up(set_up, wait_s)
    assert len(calls) == expected + (expected == 0)


def test_the_system_has_run_for_a_while():
    """Not for longer than the machine."""
    assert 0 < clock.seconds_since_start() <= clock.seconds_since_boot()
