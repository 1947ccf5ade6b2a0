"""Small reference images of fixed runs.

`python tests/support/reference_images.py` writes them again, to be inspected by eye.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import numpy as np
from example_runs import make_attempt, make_failed_attempt
from PIL import Image
from places import DATA
from ten_years import TEN_YEARS, ten_years_of_runs

from monitor.graph.render import GraphContext, render
from monitor.graph.theme import THEMES, RenderOptions
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, NetworkPath, Plan, Run, Scope

FOLDER = DATA / "pictures"

SINCE = datetime(2026, 10, 23, 22, tzinfo=UTC)

WINDOW = Window(SINCE, SINCE + timedelta(hours=24 + 25 + 24))

CONTEXT = GraphContext(ZoneInfo("Europe/Berlin"), Plan(100_000_000, 20_000_000, 30.0), "Reference")

OUTAGE, PROVIDER, PAUSE = range(40, 46), 70, range(90, 100)


def _run(number: int) -> Run:
    at = SINCE + timedelta(minutes=30 * number)
    when = {"started_at": at, "finished_at": at + timedelta(seconds=20)}
    if number in OUTAGE or number == PROVIDER:
        scope = Scope.LINE if number in OUTAGE else Scope.PROVIDER
        return dataclasses.replace(make_failed_attempt(0, Failure(FailureKind.DNS, scope, None, "")).run, **when)
    share = (0.6 if at.hour in range(17, 21) else 0.95) - number * 7 % 10 / 200
    loads = {"latency_ms": 10 / share, "download_latency_ms": 25 / share, "upload_latency_ms": 60 / share}
    rates = {"download_bps": round(100e6 * share), "upload_bps": round(20e6 * share)}
    return make_attempt(0, healthy=number != 20, **when, **rates, **loads).run


RUNS = [_run(number) for number in range(146) if number not in PAUSE]

BOTH = [
    either for run in RUNS for either in (run, dataclasses.replace(run, path=NetworkPath.HOST, download_bps=50_000_000))
]

# By name of the file: the kind, its runs, their window and the theme.
REFERENCES = {
    "throughput": ("throughput", RUNS, WINDOW, "light"),
    "latency": ("latency", RUNS, WINDOW, "dark"),
    "heatmap": ("heatmap", RUNS, WINDOW, "print"),
    "availability": ("availability", RUNS, WINDOW, "light"),
    "compare": ("compare", BOTH, WINDOW, "light"),
    "throughput-decade": ("throughput", ten_years_of_runs(), TEN_YEARS, "light"),
    "availability-decade": ("availability", ten_years_of_runs(), TEN_YEARS, "print"),
}


def draw_small(name: str) -> np.ndarray:
    """Draw a graph and return it at a quarter of its size, in grey, so that font hinting hardly matters."""
    kind, runs, window, theme = REFERENCES[name]
    image = Image.open(BytesIO(render(kind, runs, window, CONTEXT, RenderOptions(theme=THEMES[theme])))).convert("L")
    return np.asarray(image.resize((image.width // 4, image.height // 4), Image.Resampling.BOX), dtype=float)


def load_reference(name: str) -> np.ndarray:
    """Return the reference image of a name."""
    return np.asarray(Image.open(FOLDER / f"{name}.png"), dtype=float)


def largest_block_difference(first: np.ndarray, second: np.ndarray, side: int = 15) -> float:
    """Return the largest mean difference (0 to 255) over blocks of `side` pixels."""
    differences = np.abs(first - second)
    rows, columns = (length // side * side for length in differences.shape)
    blocks = differences[:rows, :columns].reshape(rows // side, side, columns // side, side)
    return float(blocks.mean(axis=(1, 3)).max())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in REFERENCES:
        Image.fromarray(draw_small(name).astype(np.uint8)).save(FOLDER / f"{name}.png", optimize=True)
