"""Draws the kernel's byte counters during one test: the rate of the test itself and of other traffic, as a PNG.

Pure apart from reading fonts. Rates are those of payload, as in `monitor.counters`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from monitor.graph import style
from monitor.graph.data import Metric
from monitor.graph.paint import KEPT, RC
from monitor.graph.scale import Scale, scale
from monitor.graph.sheet import Pen, Sheet
from monitor.graph.words import NAMES, number, round_number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from monitor.model import Run, Trace

SIZE = (1000, 620)
CROSS = "#d55e00"
HEADING = Pen(style.TEXT_SIZE, style.INK, bold=True)
UNIT = Pen(style.TEXT_SIZE, style.QUIET)
LABEL = Pen(style.SMALL_SIZE, style.QUIET, align="right")
TICK = Pen(style.SMALL_SIZE, style.INK, align="center")
NOTE = Pen(style.SMALL_SIZE, style.QUIET)
MOST_TICKS = 12
TOP, GAP, BOTTOM = 96, 40, 64


@dataclass(frozen=True, slots=True)
class Strip:
    """One direction: rates in bit/s of the test and of the uplink by interval, and the rate the engine reported."""

    metric: Metric
    test: tuple[float, ...]
    uplink: tuple[float, ...]
    reported: int | None


def strips(run: Run, trace: Trace) -> tuple[Strip, Strip]:
    """Return download and upload of a trace; the uplink carries at least what the test does."""
    bits_per_kbyte_second = 8000 / trace.interval_ms
    rx, tx, up_rx, up_tx = (
        [value * bits_per_kbyte_second for value in column] for column in zip(*trace.samples, strict=True)
    )
    return (
        Strip(Metric.DOWNLOAD, tuple(rx), tuple(map(max, rx, up_rx)), run.download_bps),
        Strip(Metric.UPLOAD, tuple(tx), tuple(map(max, tx, up_tx)), run.upload_bps),
    )


def render(run: Run, trace: Trace, zone: ZoneInfo, size: tuple[int, int] = SIZE) -> bytes:
    """Return a PNG of a trace that has at least one sample."""
    with mpl.rc_context():
        mpl.rcParams.update({key: value for key, value in mpl.rcParamsDefault.items() if key not in KEPT} | RC)
        canvas = Sheet(*size, 1.0)
        title = f"One test, {run.started_at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
        canvas.text((style.EDGE, style.TITLE_Y), title, Pen(style.TITLE_SIZE, style.INK, bold=True))
        canvas.text((style.EDGE, style.TITLE_Y + 22), _facts(run), NOTE, canvas.width - 2 * style.EDGE)
        height = (canvas.height - TOP - GAP - BOTTOM) / 2
        for row, strip in enumerate(strips(run, trace)):
            _draw(canvas, strip, trace.interval_ms / 1000, TOP + row * (height + GAP), height)
        _time_axis(canvas, len(trace.samples) * trace.interval_ms / 1000)
        return canvas.file(title)


def _facts(run: Run) -> str:
    server = run.server.name if run.server and run.server.name else None
    failure = f"failed: {run.failure.kind}" if run.failure else None
    return ", ".join(filter(None, (run.engine, run.path, run.isp, server, failure)))


def _draw(canvas: Sheet, strip: Strip, step_s: float, top: float, height: float) -> None:
    axis = scale(strip.metric, np.array(strip.uplink, np.float64), strip.reported)
    seconds = len(strip.test) * step_s
    area = canvas.area((style.LEFT, top, canvas.width - style.LEFT - style.RIGHT, height), (0, seconds), (0, axis.top))
    area.lines([[(0, level), (seconds, level)] for level in axis.ticks], style.GRID, 1, zorder=1)
    if any(uplink_bps > test_bps for test_bps, uplink_bps in zip(strip.test, strip.uplink, strict=True)):
        area.shapes([_stairs(strip.uplink, step_s)], CROSS, edge=0, alpha=0.45, zorder=2)
    color = style.METRICS[strip.metric]
    # White underneath, so that the colour of the test does not mix with that of other traffic.
    area.shapes([_stairs(strip.test, step_s)], style.PAPER, edge=0, alpha=1, zorder=2.5)
    area.shapes([_stairs(strip.test, step_s)], color, edge=0, alpha=0.55, zorder=3)
    _label(canvas, strip, axis, top, height)


def _stairs(values: tuple[float, ...], step_s: float) -> list[tuple[float, float]]:
    steps = (((index * step_s, value), ((index + 1) * step_s, value)) for index, value in enumerate(values))
    return [(0, 0), *chain.from_iterable(steps), (len(values) * step_s, 0)]


def _label(canvas: Sheet, strip: Strip, axis: Scale, top: float, height: float) -> None:
    name = NAMES[strip.metric]
    canvas.text((style.LEFT, top - 9), name, HEADING)
    x = style.LEFT + canvas.width_of(name, HEADING) + 6
    canvas.text((x, top - 9), axis.unit, UNIT)
    x += canvas.width_of(axis.unit, UNIT) + 24
    for text, color in _legend(strip, axis):
        text_style = Pen(style.SMALL_SIZE, color)
        canvas.text((x, top - 9), text, text_style)
        x += canvas.width_of(text, text_style) + 18
    for tick in axis.ticks:
        y = top + height * (1 - tick / axis.top)
        canvas.text((style.LEFT - 8, y + 4), round_number(tick / axis.divisor), LABEL)
    if strip.reported:
        y, right = top + height * (1 - strip.reported / axis.top), canvas.width - style.RIGHT
        canvas.rules([((style.LEFT, y), (right, y))], style.PLAN, "--")
        canvas.text((right + 6, y + 4), number(strip.reported / axis.divisor), Pen(style.SMALL_SIZE, style.PLAN))


def _legend(strip: Strip, axis: Scale) -> Iterator[tuple[str, str]]:
    yield "■ this test", style.METRICS[strip.metric]
    yield "■ others on the uplink", CROSS
    if strip.reported:
        yield f"- - the engine's result, {number(strip.reported / axis.divisor)}", style.PLAN


def _time_axis(canvas: Sheet, seconds: float) -> None:
    left, right, bottom = style.LEFT, canvas.width - style.RIGHT, canvas.height - BOTTOM
    step = next(step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600) if seconds / step <= MOST_TICKS)
    for at in range(0, ceil(seconds + 1e-9), step):
        x = left + (right - left) * at / seconds
        canvas.rules([((x, bottom), (x, bottom + 5))], style.AXIS)
        canvas.text((x, bottom + 19), f"{at} s", TICK)
    note = "Payload as the kernel counted it on the test's own link and on the uplink."
    canvas.text((style.EDGE, canvas.height - 14), note, NOTE)
