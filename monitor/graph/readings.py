"""What a reader gets who points at a graph over time: when, each value, and the failures, all as text. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from monitor.graph import labels
from monitor.graph.canvas import Box, Readings, ShownValue
from monitor.graph.panel import line_colors
from monitor.output.units import format_number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.analysis.series import RunSeries
    from monitor.graph.canvas import Canvas
    from monitor.graph.panel import Frame, Panel


def add_readings(
    canvas: Canvas, frame: Frame, panels: Sequence[Panel], all_series: Sequence[RunSeries], names: Sequence[str] = ()
) -> None:
    """Add what stands at each moment with a test to a canvas that readers can point at.

    `names` are those of the series, by default what tells them apart.
    """
    if canvas.is_alive:
        names = names or [labels.series_name(series, all_series) for series in all_series]
        canvas.readings.append(make_readings(frame, panels, all_series, names))


def make_readings(
    frame: Frame, panels: Sequence[Panel], all_series: Sequence[RunSeries], names: Sequence[str]
) -> Readings:
    """Return the readings: one for each bucket where the lines are crowded, else one for each test."""
    lines, line_names, colors = [], [], []
    for panel in panels:
        name = f"{labels.METRIC_NAMES[panel.metric]}, {panel.axis.unit}"
        for series, own, color in zip(all_series, names, line_colors(panel.metric, len(all_series)), strict=True):
            lines.append(_value_texts(panel, series, frame.bucket or 1))
            line_names.append(f"{name}, {own}" if len(all_series) > 1 else name)
            colors.append(color)
    failures = _failure_texts(all_series, frame.bucket or 1)
    moments = sorted({moment for line in lines for moment in line} | {*failures})
    readings = tuple(
        ShownValue(
            _x(frame, moment),
            _when(frame, moment),
            tuple(line.get(moment, "") for line in lines),
            failures.get(moment, ""),
        )
        for moment in moments
    )
    box = Box(frame.left, panels[0].top, frame.width, panels[-1].bottom - panels[0].top)
    return Readings(box, (frame.start, frame.end), tuple(line_names), tuple(colors), readings)


def _value_texts(panel: Panel, series: RunSeries, width: int) -> dict[int, str]:
    """Return a text for each bucket of `width` seconds: the value, or the median with the lowest and the highest."""
    line = series.line(panel.metric)
    if not len(line):
        return {}
    moments, divisor = line.times // width, line.unit * panel.axis.divisor
    starts = np.append(0, np.flatnonzero(moments[1:] != moments[:-1]) + 1)
    parts = [np.sort(part) for part in np.split(line.stored, starts[1:])]
    return {
        int(moment): _spread_text(part, divisor) for moment, part in zip(moments[starts].tolist(), parts, strict=True)
    }


def _spread_text(ordered: NDArray[np.int64], divisor: float) -> str:
    low, high = float(ordered[0]) / divisor, float(ordered[-1]) / divisor
    if len(ordered) == 1:
        return format_number(low)
    middle = (float(ordered[(len(ordered) - 1) // 2]) + float(ordered[len(ordered) // 2])) / 2 / divisor
    return f"{format_number(middle)} ({format_number(low)} to {format_number(high)})"


def _failure_texts(all_series: Sequence[RunSeries], width: int) -> dict[int, str]:
    """Return how many tests failed by whose fault, by bucket."""
    counts: dict[int, Counter[str]] = {}
    for series in all_series:
        for scope, times in series.marks.items():
            for moment in (times // width).tolist():
                counts.setdefault(moment, Counter())[scope.value] += 1
    return {
        moment: ", ".join(f"{scope} {count}" if width > 1 else scope for scope, count in scopes.most_common())
        for moment, scopes in counts.items()
    }


def _x(frame: Frame, moment: int) -> float:
    at = moment if frame.bucket is None else (moment + 0.5) * frame.bucket
    return frame.x(min(max(at, frame.start), frame.end))


def _when(frame: Frame, moment: int) -> str:
    if frame.bucket is None:
        return _local_text(moment, frame.zone)
    first, last = (_local_text(at * frame.bucket, frame.zone) for at in (moment, moment + 1))
    day, _, time = last.rpartition(", ")
    return f"{first} to {time if first.startswith(day) else last}"


def _local_text(at: int, zone: ZoneInfo | None) -> str:
    local = datetime.fromtimestamp(at, zone)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M}"
