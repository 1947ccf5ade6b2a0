"""Colours, sizes and distances of graphs. Data only; lengths are in pixels at scale 1.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), distinguishable with any colour vision. No
meaning depends on colour alone: each panel, row and line is labelled.
"""

from __future__ import annotations

from typing import Literal

from monitor.graph.data import Metric
from monitor.model import Scope

PAPER = "white"
INK = "#1a1a1a"
QUIET = "#5f6368"
GRID = "#e4e6e8"
FINE_GRID = "#f1f2f3"
AXIS = "#9aa0a6"
PLAN = "#3c4043"
BAND = "#f9dccd"
OTHER_TRACKS = ("#1a1a1a", "#a06000", "#56b4e9")
ENVELOPE_ALPHA = 0.28

METRICS = {Metric.DOWNLOAD: "#0072b2", Metric.UPLOAD: "#009e73", Metric.LATENCY: "#8e4b8e"}
METRICS |= dict.fromkeys((Metric.DOWNLOAD_LATENCY, Metric.UPLOAD_LATENCY), METRICS[Metric.LATENCY])
SCOPES = {
    Scope.LINE: "#d55e00",
    Scope.PROVIDER: "#b8860b",
    Scope.CONFIG: "#3c78b4",
    Scope.LOCAL: "#56a0a0",
    Scope.UNKNOWN: "#5f6368",
}

# A mark of its own for each scope, so that nothing depends on colour alone.
SCOPE_MARKS = {Scope.LINE: "s", Scope.PROVIDER: "^", Scope.CONFIG: "D", Scope.LOCAL: "o", Scope.UNKNOWN: "X"}
DASHES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")

SIZE = (1200, 860)
SMALLEST = (600, 840)
LEFT = 112
RIGHT = 84
EDGE = 24
TITLE_SIZE = 21
BIG_SIZE = 27
TEXT_SIZE = 13
SMALL_SIZE = 12

TITLE_Y = 36
LINE = 20
TILE_HEIGHT = 100
NARROW = 900
ROW = 15
ROWS_TITLE = 20
PANEL_TITLE = 30
LABELS = 46
FOOTER_LINE = 14
PANEL_SHARES = {Metric.DOWNLOAD: 1.25, Metric.UPLOAD: 1.0, Metric.LATENCY: 1.0}
TICK_PIXELS = 62
