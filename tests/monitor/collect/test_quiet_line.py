"""A test may wait for a quiet line, for as long as the settings allow."""

from __future__ import annotations

import os
import signal

import pytest

from monitor.collect import counters
from monitor.collect.counters import CounterLinks, Reading, Traffic
from monitor.config.settings import CrossTrafficSettings
from monitor.system.signals import Interrupts

NOWHERE = CounterLinks("nosuchlink", mirrored=True, uplink="nosuchlink")


@pytest.mark.parametrize(
    ("before", "after", "bps"),
    [
        (Traffic(0, 0), Traffic(1000, 10), 4000),
        (Traffic(0, 0), Traffic(10, 1000), 4000),
        (Traffic(9, 9), Traffic(0, 0), 0),
        (None, Traffic(1, 1), 0),
    ],
)
def test_the_busier_direction_counts(before: Traffic | None, after: Traffic, bps: float):
    """Bit/s over the two seconds between the readings; a link without counters is quiet."""
    assert counters.busiest_bps(Reading(0, None, before), Reading(2, None, after)) == bps


def test_there_is_no_wait_by_default():
    """With the default no second is lost, nor where the uplink is not known."""
    assert counters.wait_for_quiet_line(NOWHERE, CrossTrafficSettings(), Interrupts(), interval_s=60) == 0
    assert (
        counters.wait_for_quiet_line(CounterLinks(None), CrossTrafficSettings(wait_s=60), Interrupts(), interval_s=60)
        == 0
    )


def test_a_quiet_line_is_recognised_at_the_first_reading():
    """A line that carries nothing is tested after one look."""
    assert counters.wait_for_quiet_line(NOWHERE, CrossTrafficSettings(wait_s=60), Interrupts(), interval_s=0.01) < 60


def test_a_busy_line_is_waited_for_no_longer_than_allowed():
    """When the time is up the test runs all the same."""
    levels = iter(range(0, 10**12, 10**9))
    waited = counters.wait_for_quiet_line(
        NOWHERE,
        CrossTrafficSettings(wait_s=1),
        Interrupts(),
        interval_s=0.3,
        read=lambda _, now: Reading(now, None, Traffic(next(levels), 0)),
    )
    assert 1 <= waited < 30


def test_a_signal_ends_the_wait():
    """SIGTERM during the wait is noticed at once."""
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        assert counters.wait_for_quiet_line(NOWHERE, CrossTrafficSettings(wait_s=3600), interrupts, interval_s=60) < 60
        assert interrupts.signal == signal.SIGTERM
