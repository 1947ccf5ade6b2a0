"""What makes a result doubtful: the wrong path, cross traffic, byte counts that disagree.

A doubtful result is stored with a remark for each reason, and left out of every statistic.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor.model import Doubt, NetworkPath, Remark
from netns.entry.enter import PASTA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.collect.counters import TrafficAccount
    from monitor.config.settings import Settings
    from monitor.engines.base import LocalEnd
    from monitor.model import Measurement


# Engines count within their own measuring windows; the kernel also counts requests, latency tests and retransmissions.
# Much less than the engine reports means that its traffic took another path; much more is traffic of others.
MIN_BYTE_RATIO, MAX_BYTE_RATIO, SLACK_BYTES = 0.8, 2.0, 5_000_000


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
