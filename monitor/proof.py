"""Whether a result was measured over the right path: its address family, interface and ISP. Pure.

A result over another path is stored with a remark that makes it doubtful.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.model import Doubt, Path, Remark
from netns.enter import PASTA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.engines.model import Local
    from monitor.model import Measurement
    from monitor.settings import Settings


@dataclass(frozen=True, slots=True)
class Promise:
    """What a result over the right path has; None or empty: anything.

    `family` is that of the external address, `link` the interface that the engine uses, `isp` a part of the ISP's name.
    `proxy` names the proxy between the engine and the line, which no result reports.
    """

    family: int | None = None
    link: str | None = None
    isp: str = ""
    proxy: str = ""


def promise(path: Path, settings: Settings) -> Promise:
    """Return what a result over a path must have: in the namespace IPv4, and its own interface."""
    if path is Path.HOST:
        return Promise(isp=settings.plan.isp)
    if settings.namespace.way == PASTA:
        return Promise(4, isp=settings.plan.isp, proxy=PASTA)
    return Promise(4, f"{settings.namespace.name}-ns", settings.plan.isp)


def remarks(measurement: Measurement, local: Local | None, expected: Promise) -> tuple[Remark, ...]:
    """Return what in a result differs from what is expected; what an engine does not report is no difference."""
    return (*_family(measurement, expected), *_link(local, expected), *_isp(measurement, expected), *_proxy(expected))


def _family(measurement: Measurement, expected: Promise) -> Iterator[Remark]:
    if expected.family and measurement.ip_family not in {None, expected.family}:
        text = f"measured over IPv{measurement.ip_family} from {measurement.external_ip}, not over IPv{expected.family}"
        yield Remark(Doubt.WRONG_FAMILY, text)


def _link(local: Local | None, expected: Promise) -> Iterator[Remark]:
    if expected.link and local and local.link not in {None, expected.link}:
        yield Remark(Doubt.WRONG_INTERFACE, f"measured over interface {local.link}, not over {expected.link}")


def _isp(measurement: Measurement, expected: Promise) -> Iterator[Remark]:
    if expected.isp and measurement.isp and expected.isp.casefold() not in measurement.isp.casefold():
        yield Remark(Doubt.WRONG_ISP, f"measured through {measurement.isp}, not through {expected.isp} (plan.isp)")


def _proxy(expected: Promise) -> Iterator[Remark]:
    if expected.proxy:
        yield Remark(
            Doubt.PROXY,
            f"measured through {expected.proxy}, a proxy on this machine, which may be what limits the rate",
        )
