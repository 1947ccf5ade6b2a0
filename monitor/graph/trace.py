"""Draws the kernel's byte counters during one test: the rate of the test itself and of other traffic, as a PNG.

Rates are those of payload, as in `monitor.collect.counters`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from monitor.analysis.metrics import Metric
from monitor.graph import labels, theme
from monitor.graph.axes import make_value_axis
from monitor.graph.theme import RenderOptions, TextStyle
from monitor.output.units import format_exact_time, format_number, format_trimmed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from monitor.graph.axes import ValueAxis
    from monitor.graph.canvas import Canvas
    from monitor.model import Run, Trace


SIZE = (1000, 620)
TOP, GAP, BOTTOM = 96, 40, 64
OTHERS_COLOR = "#d55e00"
MAX_TICKS = 12
TICK_STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600)


@dataclass(frozen=True, slots=True)
class TraceStrip:
    """One direction: rates in bit/s of the test and of the uplink by interval, and the rate the engine reported."""

    metric: Metric
    test: tuple[float, ...]
    uplink: tuple[float, ...]
    reported: int | None


def to_strips(run: Run, trace: Trace) -> tuple[TraceStrip, TraceStrip]:
    """Return download and upload of a trace; the uplink carries at least what the test does."""
    bits_per_kbyte_second = 8000 / trace.interval_ms
    rx, tx, up_rx, up_tx = (
        [value * bits_per_kbyte_second for value in column] for column in zip(*trace.samples, strict=True)
    )
    return (
        TraceStrip(Metric.DOWNLOAD, tuple(rx), tuple(map(max, rx, up_rx)), run.download_bps),
        TraceStrip(Metric.UPLOAD, tuple(tx), tuple(map(max, tx, up_tx)), run.upload_bps),
    )


def render_trace(run: Run, trace: Trace, zone: ZoneInfo, size: tuple[int, int] = SIZE) -> bytes:
    """Return a PNG of a trace that has at least one sample."""
    from monitor.graph.figure_canvas import render_canvas  # noqa: PLC0415  loads matplotlib

    title = f"One test, {format_exact_time(run.started_at, zone)}"
    return render_canvas(lambda canvas: _draw_trace(canvas, title, run, trace), RenderOptions(size), title)


def _draw_trace(canvas: Canvas, title: str, run: Run, trace: Trace) -> None:
    canvas.text((theme.MARGIN, theme.TITLE_Y), title, theme.TITLE_STYLE)
    room = canvas.width - 2 * theme.MARGIN
    canvas.text((theme.MARGIN, theme.TITLE_Y + 22), _run_facts(run), theme.NOTE_STYLE, room)
    height = (canvas.height - TOP - GAP - BOTTOM) / 2
    for row, strip in enumerate(to_strips(run, trace)):
        _draw_strip(canvas, strip, trace.interval_ms / 1000, TOP + row * (height + GAP), height)
    _draw_seconds_axis(canvas, len(trace.samples) * trace.interval_ms / 1000)


def _run_facts(run: Run) -> str:
    server = run.server.name if run.server and run.server.name else None
    failure = f"failed: {run.failure.kind}" if run.failure else None
    return ", ".join(filter(None, (run.engine, run.path, run.isp, server, failure)))


def _draw_strip(canvas: Canvas, strip: TraceStrip, step_s: float, top: float, height: float) -> None:
    axis = make_value_axis(strip.metric, np.array(strip.uplink, np.float64), strip.reported)
    seconds = len(strip.test) * step_s
    area = canvas.area(
        (theme.LEFT_MARGIN, top, canvas.width - theme.LEFT_MARGIN - theme.RIGHT_MARGIN, height),
        (0, seconds),
        (0, axis.top),
    )
    area.lines([[(0, level), (seconds, level)] for level in axis.ticks], theme.GRID, 1, zorder=1)
    if any(uplink_bps > test_bps for test_bps, uplink_bps in zip(strip.test, strip.uplink, strict=True)):
        area.shapes([_step_outline(strip.uplink, step_s)], OTHERS_COLOR, edge=0, alpha=0.45, zorder=2)
    color = theme.METRIC_COLORS[strip.metric]
    # White underneath, so that the colour of the test does not mix with that of other traffic.
    area.shapes([_step_outline(strip.test, step_s)], theme.PAPER, edge=0, alpha=1, zorder=2.5)
    area.shapes([_step_outline(strip.test, step_s)], color, edge=0, alpha=0.55, zorder=3)
    _label_strip(canvas, strip, axis, top, height)


def _step_outline(values: tuple[float, ...], step_s: float) -> list[tuple[float, float]]:
    steps = (((index * step_s, value), ((index + 1) * step_s, value)) for index, value in enumerate(values))
    return [(0, 0), *chain.from_iterable(steps), (len(values) * step_s, 0)]


def _label_strip(canvas: Canvas, strip: TraceStrip, axis: ValueAxis, top: float, height: float) -> None:
    x = canvas.heading((theme.LEFT_MARGIN, top - 9), labels.METRIC_NAMES[strip.metric], axis.unit) + 24
    for text, color in _legend_entries(strip, axis):
        text_style = TextStyle(theme.SMALL_SIZE, color)
        canvas.text((x, top - 9), text, text_style)
        x += canvas.width_of(text, text_style) + 18
    for tick in axis.ticks:
        y = top + height * (1 - tick / axis.top)
        canvas.text((theme.LEFT_MARGIN - 8, y + 4), format_trimmed(tick / axis.divisor), theme.VALUE_LABEL_STYLE)
    if strip.reported:
        y, right = top + height * (1 - strip.reported / axis.top), canvas.width - theme.RIGHT_MARGIN
        canvas.rules([((theme.LEFT_MARGIN, y), (right, y))], theme.PLAN, "--")
        canvas.text((right + 6, y + 4), format_number(strip.reported / axis.divisor), theme.PLAN_STYLE)


def _legend_entries(strip: TraceStrip, axis: ValueAxis) -> Iterator[tuple[str, str]]:
    yield "■ this test", theme.METRIC_COLORS[strip.metric]
    yield "■ other traffic on the uplink", OTHERS_COLOR
    if strip.reported:
        yield f"- - the engine's result, {format_number(strip.reported / axis.divisor)}", theme.PLAN


def _draw_seconds_axis(canvas: Canvas, seconds: float) -> None:
    left, right, bottom = theme.LEFT_MARGIN, canvas.width - theme.RIGHT_MARGIN, canvas.height - BOTTOM
    step = next(step for step in TICK_STEPS_S if seconds / step <= MAX_TICKS)
    for at in range(0, ceil(seconds + 1e-9), step):
        x = left + (right - left) * at / seconds
        canvas.rules([((x, bottom), (x, bottom + 5))], theme.AXIS)
        canvas.text((x, bottom + 19), f"{at} s", theme.TIME_STYLE)
    note = "Payload, as counted by the kernel on the test's own link and on the uplink."
    canvas.text((theme.MARGIN, canvas.height - 14), note, theme.NOTE_STYLE)
