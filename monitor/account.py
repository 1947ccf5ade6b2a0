"""The kernel's own account of a test, from readings of its counters: a trace, cross traffic, and doubts. Pure."""

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

# Engines count what falls into their own windows; the kernel counts requests, latency probes and retransmissions too.
# Much less than an engine claims means that its traffic went another way; so does much more, for it was not its own.
LEAST, MOST, SLACK_BYTES = 0.8, 2.0, 5_000_000

_Sample = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Account:
    """What the kernel counted; cross traffic is the uplink's less the test's, as a mean in bit/s. None: not seen."""

    trace: Trace | None = None
    received: int | None = None
    sent: int | None = None
    cross_rx_bps: int | None = None
    cross_tx_bps: int | None = None


def account(readings: Sequence[Reading]) -> Account:
    """Return the account of readings in order of time; an empty one of fewer than two."""
    if len(readings) <= 1 or not _moments(readings):
        return Account()
    first, last = readings[0], readings[-1]
    seconds = last.at_s - first.at_s
    test, uplink = _grown(first.test, last.test), _grown(first.uplink, last.uplink)
    cross = _cross(test, uplink, seconds) if test and uplink else (None, None)
    return Account(Trace(INTERVAL_MS, tuple(_samples(readings))), *(test or (None, None)), *cross)


def remarks(measured: Measurement, found: Account, limit_pct: float) -> tuple[Remark, ...]:
    """Return the doubts that the account casts on a result; cross traffic above `limit_pct` of a rate is heavy."""
    return (*_crossed(measured, found, limit_pct), *_disagreements(measured, found))


def _moments(readings: Sequence[Reading]) -> int:
    """Return how many samples the readings give: one for each whole interval."""
    return int((readings[-1].at_s - readings[0].at_s) * 1000) // INTERVAL_MS


def _samples(readings: Sequence[Reading]) -> Iterator[_Sample]:
    """Yield what was counted in each interval; a reading that came late is spread over the time it stands for."""
    moments = [readings[0].at_s + number * INTERVAL_MS / 1000 for number in range(_moments(readings) + 1)]
    levels = [_level(reading) for reading in readings]
    times = [reading.at_s for reading in readings]
    at = [[round(_between(times, column, moment)) for column in zip(*levels, strict=True)] for moment in moments]
    for before, after in pairwise(at):
        rx, tx, up_rx, up_tx = (max(0, new - old) for old, new in zip(before, after, strict=True))
        yield rx, tx, up_rx, up_tx


def _level(reading: Reading) -> _Sample:
    test, uplink = reading.test, reading.uplink
    rx, tx = (test.received, test.sent) if test else (0, 0)
    up_rx, up_tx = (uplink.received, uplink.sent) if uplink else (0, 0)
    return rx, tx, up_rx, up_tx


def _between(times: Sequence[float], values: Sequence[int], moment: float) -> float:
    """Return the value at a moment on the lines between neighbouring readings."""
    right = min(max(1, bisect_right(times, moment)), len(times) - 1)
    left = right - 1
    span = times[right] - times[left]
    share = min(1.0, (moment - times[left]) / span) if span > 0 else 1.0
    return values[left] + share * (values[right] - values[left])


def _grown(first: Traffic | None, last: Traffic | None) -> tuple[int, int] | None:
    """Return what was received and sent meanwhile; None if the link was not there throughout, or was made anew."""
    if first is None or last is None or last.received < first.received or last.sent < first.sent:
        return None
    return last.received - first.received, last.sent - first.sent


def _cross(test: tuple[int, int], uplink: tuple[int, int], seconds: float) -> tuple[int, int]:
    rx, tx = (max(0, round((whole - own) * 8 / seconds)) for own, whole in zip(test, uplink, strict=True))
    return rx, tx


def _crossed(measured: Measurement, found: Account, limit_pct: float) -> Iterator[Remark]:
    for direction, cross, rate in (
        ("download", found.cross_rx_bps, measured.download_bps),
        ("upload", found.cross_tx_bps, measured.upload_bps),
    ):
        if cross is not None and rate and cross * 100 > limit_pct * rate:
            words = f"other traffic of {cross / 1e6:.1f} Mbit/s beside a {direction} of {rate / 1e6:.1f} Mbit/s"
            yield Remark(Doubt.CROSS_TRAFFIC, words)


def _disagreements(measured: Measurement, found: Account) -> Iterator[Remark]:
    for direction, said, counted in (
        ("download", measured.download_bytes, found.received),
        ("upload", measured.upload_bytes, found.sent),
    ):
        if said is None or counted is None:
            continue
        if counted < LEAST * said or counted > MOST * said + SLACK_BYTES:
            words = (
                f"the engine reports a {direction} of {said / 1e6:.1f} MB, the kernel counted {counted / 1e6:.1f} MB"
            )
            yield Remark(Doubt.BYTES_DISAGREE, words)
