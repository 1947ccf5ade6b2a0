"""What makes a result doubtful: the wrong path, cross traffic, byte counts that disagree, a wrong clock. Pure.

A doubtful result is stored with a remark for each reason, and left out of every statistic.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from monitor.model import Doubt, NetworkPath, Remark
from monitor.output.units import format_duration
from netns.entry.enter import PASTA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.collect.counters import TrafficAccount
    from monitor.config.settings import Settings
    from monitor.engines.base import LocalEnd
    from monitor.model import Measurement
    from monitor.system.clock import ClockReading


# Engines count within their own measuring windows; the kernel also counts requests, latency tests and retransmissions.
# Much less than the engine reports means that its traffic took another path; much more is traffic of others.
MIN_BYTE_RATIO, MAX_BYTE_RATIO, SLACK_BYTES = 0.8, 2.0, 5_000_000

# By so much the wall clock may differ from the time since boot over a test, in seconds and as a share of its length:
# programs that synchronise clocks slew them.
MAX_DRIFT_S, MAX_DRIFT = 2.0, 0.1

# No clock that is right shows an earlier time, nor one that is not synchronised a time so long after the newest run.
EARLIEST, MAX_PAUSE = datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=365)


def traffic_remarks(measurement: Measurement, traffic: TrafficAccount, limit_pct: float) -> tuple[Remark, ...]:
    """Return the doubts that the traffic casts on a result; cross traffic is doubtful above `limit_pct` of a rate."""
    return (*_cross_traffic_remarks(measurement, traffic, limit_pct), *_byte_count_remarks(measurement, traffic))


def _cross_traffic_remarks(measurement: Measurement, traffic: TrafficAccount, limit_pct: float) -> Iterator[Remark]:
    for direction, cross, rate in (
        ("a download", traffic.cross_rx_bps, measurement.download_bps),
        ("an upload", traffic.cross_tx_bps, measurement.upload_bps),
    ):
        if cross is not None and rate and cross * 100 > limit_pct * rate:
            text = f"other traffic of {cross / 1e6:.1f} Mbit/s during {direction} of {rate / 1e6:.1f} Mbit/s"
            yield Remark(Doubt.CROSS_TRAFFIC, text)


def _byte_count_remarks(measurement: Measurement, traffic: TrafficAccount) -> Iterator[Remark]:
    for direction, reported, counted in (
        ("a download", measurement.download_bytes, traffic.received),
        ("an upload", measurement.upload_bytes, traffic.sent),
    ):
        if reported is None or counted is None:
            continue
        if counted < MIN_BYTE_RATIO * reported or counted > MAX_BYTE_RATIO * reported + SLACK_BYTES:
            text = (
                f"the engine reports {direction} of {reported / 1e6:.1f} MB, the kernel counted {counted / 1e6:.1f} MB"
            )
            yield Remark(Doubt.BYTES_DISAGREE, text)


@dataclass(frozen=True, slots=True)
class ClockEvidence:
    """What is known of the wall clock at the end of a test.

    Attributes:
        start, end: both clocks before and after it.
        synchronised: whether the kernel says that the wall clock is; None: not known.
        last: start of the run stored last; None without one, or if that had a doubtful clock itself.
        newest: the latest start of the stored runs whose clock was not doubtful; None without one.
    """

    start: ClockReading
    end: ClockReading
    synchronised: bool | None = None
    last: datetime | None = None
    newest: datetime | None = None

    @property
    def jumped(self) -> bool:
        """Whether the wall clock was set during the test."""
        limit_s = max(MAX_DRIFT_S, MAX_DRIFT * self.start.elapsed_s(self.end))
        return abs(self.start.jump_s(self.end)) > limit_s

    def times(self) -> tuple[datetime, datetime]:
        """Return when the test started and ended: its length is that of the clock that nobody sets.

        If the clock was set meanwhile and is synchronised now, it is right now; else it is as it was at the start.
        """
        elapsed_s = self.start.elapsed_s(self.end)
        if self.jumped and self.synchronised:
            return self.end.after(-elapsed_s), self.end.wall
        return self.start.wall, self.start.after(elapsed_s)


def clock_remarks(clock: ClockEvidence) -> tuple[Remark, ...]:
    """Return the doubt that the wall clock casts on a run; without one it can be right."""
    reason = next((text for text in _clock_faults(clock) if text), None)
    if reason is None:
        return ()
    kernel = {True: "is", False: "is not", None: "may or may not be"}[clock.synchronised]
    return (Remark(Doubt.CLOCK, f"{reason}; the clock {kernel} synchronised now"),)


def _clock_faults(clock: ClockEvidence) -> Iterator[str]:
    now, unsynchronised = clock.end.wall, clock.synchronised is False
    if clock.jumped:
        jump_s = clock.start.jump_s(clock.end)
        way = "forward" if jump_s > 0 else "back"
        yield f"the clock of this machine was set {way} by {format_duration(abs(jump_s))} during the test"
    if now < EARLIEST:
        yield f"the clock of this machine shows {now:%d %B %Y}"
    stored = clock.newest if unsynchronised and clock.newest else clock.last
    if stored and now < stored - timedelta(seconds=MAX_DRIFT_S):
        behind = format_duration((stored - now).total_seconds())
        yield f"the clock of this machine is {behind} behind the newest stored run"
    if unsynchronised and clock.newest and now > clock.newest + MAX_PAUSE:
        ahead = format_duration((now - clock.newest).total_seconds())
        yield f"the clock of this machine is {ahead} ahead of the newest stored run"


@dataclass(frozen=True, slots=True)
class ExpectedPath:
    """What a result over the right path has; None or empty: anything.

    `family` is that of the external address, `link` the interface that the engine uses, `isp` a part of the ISP's name.
    `proxy` names the proxy between the engine and the line, which no result reports.
    """

    family: int | None = None
    link: str | None = None
    isp: str = ""
    proxy: str = ""


def expected_path(path: NetworkPath, settings: Settings) -> ExpectedPath:
    """Return what a result over a path must have now: in the namespace IPv4, and its own interface."""
    isp = settings.plan_at(datetime.now(UTC)).isp if settings.dated_plans else settings.plan.isp
    if path is NetworkPath.HOST:
        return ExpectedPath(isp=isp)
    if settings.namespace.way == PASTA:
        return ExpectedPath(4, isp=isp, proxy=PASTA)
    return ExpectedPath(4, f"{settings.namespace.name}-ns", isp)


def path_remarks(measurement: Measurement, local: LocalEnd | None, expected: ExpectedPath) -> tuple[Remark, ...]:
    """Return what in a result differs from what is expected; what an engine does not report is no difference."""
    return (
        *_check_family(measurement, expected),
        *_check_interface(local, expected),
        *_check_isp(measurement, expected),
        *_check_proxy(expected),
    )


def _check_family(measurement: Measurement, expected: ExpectedPath) -> Iterator[Remark]:
    if expected.family and measurement.ip_family not in {None, expected.family}:
        text = f"measured over IPv{measurement.ip_family} from {measurement.external_ip}, not over IPv{expected.family}"
        yield Remark(Doubt.WRONG_FAMILY, text)


def _check_interface(local: LocalEnd | None, expected: ExpectedPath) -> Iterator[Remark]:
    if expected.link and local and local.link not in {None, expected.link}:
        yield Remark(Doubt.WRONG_INTERFACE, f"measured over interface {local.link}, not over {expected.link}")


def _check_isp(measurement: Measurement, expected: ExpectedPath) -> Iterator[Remark]:
    if expected.isp and measurement.isp and expected.isp.casefold() not in measurement.isp.casefold():
        yield Remark(Doubt.WRONG_ISP, f"measured through {measurement.isp}, not through {expected.isp} (plan.isp)")


def _check_proxy(expected: ExpectedPath) -> Iterator[Remark]:
    if expected.proxy:
        yield Remark(
            Doubt.PROXY,
            f"measured through {expected.proxy}, a proxy on this machine, which may be what limits the rate",
        )
