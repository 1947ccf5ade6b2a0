"""Proof of the path: what a result says of the way it took, against what the path promises. Pure.

A result that took another way is kept and flagged, never filed as if it had taken the right one.
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
    """What the path of a test promises; None or empty promises nothing.

    `family` is that of the external address, `link` the interface that the engine should have used, `isp` a part of the
    name of the ISP. `proxy` names what stands between the engine and the line, which no result can tell.
    """

    family: int | None = None
    link: str | None = None
    isp: str = ""
    proxy: str = ""


def promise(path: Path, settings: Settings) -> Promise:
    """Return what a test on a path promises: the namespace promises IPv4 and its own link."""
    if path is Path.HOST:
        return Promise(isp=settings.plan.isp)
    if settings.namespace.way == PASTA:
        return Promise(4, isp=settings.plan.isp, proxy=PASTA)
    return Promise(4, f"{settings.namespace.name}-ns", settings.plan.isp)


def remarks(measured: Measurement, local: Local | None, promised: Promise) -> tuple[Remark, ...]:
    """Return what in a result is against the promise; what an engine does not tell is not held against it."""
    return (*_family(measured, promised), *_link(local, promised), *_isp(measured, promised), *_proxy(promised))


def _family(measured: Measurement, promised: Promise) -> Iterator[Remark]:
    if promised.family and measured.ip_family not in {None, promised.family}:
        words = f"measured over IPv{measured.ip_family} from {measured.external_ip}, not over IPv{promised.family}"
        yield Remark(Doubt.WRONG_FAMILY, words)


def _link(local: Local | None, promised: Promise) -> Iterator[Remark]:
    if promised.link and local and local.link not in {None, promised.link}:
        yield Remark(Doubt.WRONG_INTERFACE, f"measured over interface {local.link}, not over {promised.link}")


def _isp(measured: Measurement, promised: Promise) -> Iterator[Remark]:
    if promised.isp and measured.isp and promised.isp.casefold() not in measured.isp.casefold():
        yield Remark(Doubt.WRONG_ISP, f"measured through {measured.isp}, not through {promised.isp} (plan.isp)")


def _proxy(promised: Promise) -> Iterator[Remark]:
    if promised.proxy:
        yield Remark(Doubt.PROXY, f"measured through {promised.proxy}, a proxy on this machine, which may be the limit")
