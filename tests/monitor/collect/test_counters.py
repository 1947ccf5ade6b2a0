"""From readings of the counters to a trace, cross traffic and doubts; pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.collect.counters import INTERVAL_MS, Reading, Traffic, TrafficAccount, summarize_readings
from monitor.collect.validation import MIN_BYTE_RATIO, traffic_remarks
from monitor.model import Doubt, Measurement

STEP_S = INTERVAL_MS / 1000

GOOD = Measurement(download_bps=100_000_000, upload_bps=20_000_000, download_bytes=100_000_000, upload_bytes=20_000_000)


def story(*levels: tuple[float, int, int, int, int]) -> list[Reading]:
    """Return readings of second, test received and sent, uplink received and sent."""
    return [Reading(at, Traffic(rx, tx), Traffic(up_rx, up_tx)) for at, rx, tx, up_rx, up_tx in levels]


def test_a_quiet_test_has_a_trace_and_no_cross_traffic():
    """Each interval has its sample; where the uplink carries what the test does, nothing else was there."""
    traffic = summarize_readings(story((0, 0, 0, 100, 100), (0.25, 1000, 10, 1100, 110), (0.5, 1000, 510, 1100, 610)))
    assert traffic.trace.samples == ((1000, 10, 1000, 10), (0, 500, 0, 500))
    assert (traffic.received, traffic.sent, traffic.cross_rx_bps, traffic.cross_tx_bps) == (1000, 510, 0, 0)


def test_cross_traffic_is_what_the_uplink_carries_beyond_the_test():
    """Both directions, as a mean rate in bit/s."""
    traffic = summarize_readings(story((10, 0, 0, 0, 0), (12, 1000, 100, 3500, 350)))
    assert (traffic.cross_rx_bps, traffic.cross_tx_bps) == (2500 * 8 // 2, 250 * 8 // 2)


@pytest.mark.parametrize(
    "readings",
    [
        [],
        story((0, 0, 0, 0, 0)),
        story((0, 0, 0, 0, 0), (0.1, 9, 9, 9, 9)),
    ],
)
def test_too_little_is_no_account(readings: list[Reading]):
    """Fewer than two readings, or less than an interval, tell nothing."""
    assert summarize_readings(readings) == TrafficAccount()


def test_a_late_reading_is_spread_over_its_time():
    """A busy machine reads late; the bytes belong to the entire interval."""
    traffic = summarize_readings(story((0, 0, 0, 0, 0), (1.0, 4000, 0, 4000, 0)))
    assert traffic.trace.samples == ((1000, 0, 1000, 0),) * 4


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (Reading(0, None, None), Reading(1, Traffic(5, 5), Traffic(9, 9))),
        (Reading(0, Traffic(5, 5), Traffic(9, 9)), Reading(1, None, None)),
        (Reading(0, Traffic(5, 5), Traffic(9, 9)), Reading(1, Traffic(1, 1), Traffic(1, 1))),
    ],
)
def test_a_link_that_went_or_was_created_again_gives_no_sum(first: Reading, last: Reading):
    """Counters that begin again cannot be subtracted; nothing is made up."""
    traffic = summarize_readings([first, last])
    assert (traffic.received, traffic.cross_rx_bps) == (None, None)
    assert all(number >= 0 for sample in traffic.trace.samples for number in sample)


_steps = st.lists(st.tuples(st.floats(0.01, 2), *[st.integers(0, 10**9)] * 4), min_size=1, max_size=30)


@given(_steps)
def test_a_trace_keeps_the_sum(steps: list[tuple[float, int, int, int, int]]):
    """Whatever the pace of the readings, the samples add up to what was counted in their time, but for rounding."""
    levels = [(0.0, 0, 0, 0, 0)]
    for step in steps:
        levels.append(tuple(a + b for a, b in zip(levels[-1], step, strict=True)))
    traffic = summarize_readings(story(*levels))
    samples = traffic.trace.samples if traffic.trace else ()
    assert len(samples) == int(levels[-1][0] * 1000) // INTERVAL_MS
    for column in range(4):
        total = sum(sample[column] for sample in samples)
        assert 0 <= total <= levels[-1][column + 1] + len(samples)
    if samples and levels[-1][0] == pytest.approx(len(samples) * STEP_S):
        assert sum(sample[0] for sample in samples) == pytest.approx(levels[-1][1], abs=len(samples) + 1)


@pytest.mark.parametrize(
    ("traffic", "doubts"),
    [
        (TrafficAccount(), []),
        (TrafficAccount(None, 110_000_000, 21_000_000, 0, 0), []),
        (TrafficAccount(cross_rx_bps=9_000_000, cross_tx_bps=1_900_000), []),
        (TrafficAccount(cross_rx_bps=11_000_000), [Doubt.CROSS_TRAFFIC]),
        (TrafficAccount(cross_tx_bps=2_100_000), [Doubt.CROSS_TRAFFIC]),
        (TrafficAccount(None, int(MIN_BYTE_RATIO * 100_000_000) - 1, 20_000_000), [Doubt.BYTES_DISAGREE]),
        (TrafficAccount(None, 0, 0, 0, 0), [Doubt.BYTES_DISAGREE] * 2),
        (TrafficAccount(None, 206_000_000, 20_000_000), [Doubt.BYTES_DISAGREE]),
    ],
)
def test_doubts(traffic: TrafficAccount, doubts: list[Doubt]):
    """Heavy cross traffic and bytes that the kernel did not count are doubts; unknown traffic is none."""
    assert [remark.kind for remark in traffic_remarks(GOOD, traffic, 10)] == doubts


def test_doubts_name_the_figures():
    """The words tell how much, beside how much."""
    (remark,) = traffic_remarks(GOOD, TrafficAccount(cross_rx_bps=50_000_000), 10)
    assert remark.message == "other traffic of 50.0 Mbit/s during a download of 100.0 Mbit/s"
    (remark,) = traffic_remarks(GOOD, TrafficAccount(None, 1_000_000, 20_000_000), 10)
    assert remark.message == "the engine reports a download of 100.0 MB, the kernel counted 1.0 MB"
