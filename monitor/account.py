"""What the kernel counted during a test: a trace, cross traffic, and the doubts that it casts on a result. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from monitor.counters import INTERVAL_MS
from monitor.model import Doubt, Remark, Trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.counters import Reading, Traffic
    from monitor.model import Measurement

# Engines count within their own measuring windows; the kernel also counts requests, latency tests and retransmissions.
# Much less than the engine reports means that its traffic took another path; much more is traffic of others.
LEAST, MOST, SLACK_BYTES = 0.8, 2.0, 5_000_000

_Sample = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Account:
    """Bytes of the test; cross traffic, the uplink's minus the test's, as a mean in bit/s. None: not known."""

    trace: Trace | None = None
    received: int | None = None
    sent: int | None = None
    cross_rx_bps: int | None = None
    cross_tx_bps: int | None = None


def account(readings: Sequence[Reading]) -> Account:
    """Return what was counted between readings, which are in order of time; nothing if there are fewer than two."""
    if len(readings) <= 1 or not _moments(readings):
        return Account()
    first, last = readings[0], readings[-1]
    seconds = last.at_s - first.at_s
    test, uplink = _grown(first.test, last.test), _grown(first.uplink, last.uplink)
    cross = _cross(test, uplink, seconds) if test and uplink else (None, None)
    return Account(Trace(INTERVAL_MS, tuple(_samples(readings))), *(test or (None, None)), *cross)


def remarks(measurement: Measurement, traffic: Account, limit_pct: float) -> tuple[Remark, ...]:
    """Return the doubts that the traffic casts on a result; cross traffic is doubtful above `limit_pct` of a rate."""
    return (*_crossed(measurement, traffic, limit_pct), *_disagreements(measurement, traffic))


def _moments(readings: Sequence[Reading]) -> int:
    """Return how many samples the readings give: one for each whole interval."""
    return int((readings[-1].at_s - readings[0].at_s) * 1000) // INTERVAL_MS


def _samples(readings: Sequence[Reading]) -> Iterator[_Sample]:
    """Yield the bytes of each interval; those of a late reading are spread evenly over its time."""
    times_s = [readings[0].at_s + number * INTERVAL_MS / 1000 for number in range(_moments(readings) + 1)]
    totals = [_level(reading) for reading in readings]
    times = [reading.at_s for reading in readings]
    at = [[round(_between(times, column, time_s)) for column in zip(*totals, strict=True)] for time_s in times_s]
    for before, after in pairwise(at):
        rx, tx, up_rx, up_tx = (max(0, new - old) for old, new in zip(before, after, strict=True))
        yield rx, tx, up_rx, up_tx


def _level(reading: Reading) -> _Sample:
    test, uplink = reading.test, reading.uplink
    rx, tx = (test.received, test.sent) if test else (0, 0)
    up_rx, up_tx = (uplink.received, uplink.sent) if uplink else (0, 0)
    return rx, tx, up_rx, up_tx


def _between(times: Sequence[float], values: Sequence[int], time_s: float) -> float:
    """Return the value at a time, interpolated linearly between the readings around it."""
    right = min(max(1, bisect_right(times, time_s)), len(times) - 1)
    left = right - 1
    span = times[right] - times[left]
    share = min(1.0, (time_s - times[left]) / span) if span > 0 else 1.0
    return values[left] + share * (values[right] - values[left])


def _grown(first: Traffic | None, last: Traffic | None) -> tuple[int, int] | None:
    """Return the bytes received and sent; None if the link did not exist all the time, or was created again."""
    if first is None or last is None or last.received < first.received or last.sent < first.sent:
        return None
    return last.received - first.received, last.sent - first.sent


def _cross(test: tuple[int, int], uplink: tuple[int, int], seconds: float) -> tuple[int, int]:
    rx, tx = (max(0, round((total - own) * 8 / seconds)) for own, total in zip(test, uplink, strict=True))
    return rx, tx


def _crossed(measurement: Measurement, traffic: Account, limit_pct: float) -> Iterator[Remark]:
    for direction, cross, rate in (
        ("a download", traffic.cross_rx_bps, measurement.download_bps),
        ("an upload", traffic.cross_tx_bps, measurement.upload_bps),
    ):
        if cross is not None and rate and cross * 100 > limit_pct * rate:
            text = f"other traffic of {cross / 1e6:.1f} Mbit/s during {direction} of {rate / 1e6:.1f} Mbit/s"
            yield Remark(Doubt.CROSS_TRAFFIC, text)


def _disagreements(measurement: Measurement, traffic: Account) -> Iterator[Remark]:
    for direction, reported, counted in (
        ("a download", measurement.download_bytes, traffic.received),
        ("an upload", measurement.upload_bytes, traffic.sent),
    ):
        if reported is None or counted is None:
            continue
        if counted < LEAST * reported or counted > MOST * reported + SLACK_BYTES:
            text = (
                f"the engine reports {direction} of {reported / 1e6:.1f} MB, the kernel counted {counted / 1e6:.1f} MB"
            )
            yield Remark(Doubt.BYTES_DISAGREE, text)
