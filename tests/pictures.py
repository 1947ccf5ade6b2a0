"""Small pictures of fixed runs to compare with: `python tests/pictures.py` writes them anew, to be looked at by eye."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path as File
from zoneinfo import ZoneInfo

import numpy as np
from attempts import attempt, failed
from decade import DECADE, decade
from PIL import Image

from monitor.graph.data import Window
from monitor.graph.kinds import render
from monitor.graph.terms import Terms
from monitor.graph.theme import THEMES, RenderOptions
from monitor.model import Failure, Kind, Path, Plan, Run, Scope

FOLDER = File(__file__).parent / "data/pictures"
SINCE = datetime(2026, 10, 23, 22, tzinfo=UTC)
WINDOW = Window(SINCE, SINCE + timedelta(hours=24 + 25 + 24))
TERMS = Terms(ZoneInfo("Europe/Berlin"), Plan(100_000_000, 20_000_000, 30.0), "Reference")
OUTAGE, PROVIDER, PAUSE = range(40, 46), 70, range(90, 100)


def _run(number: int) -> Run:
    at = SINCE + timedelta(minutes=30 * number)
    when = {"started_at": at, "finished_at": at + timedelta(seconds=20)}
    if number in OUTAGE or number == PROVIDER:
        scope = Scope.LINE if number in OUTAGE else Scope.PROVIDER
        return dataclasses.replace(failed(0, Failure(Kind.DNS, scope, None, "")).run, **when)
    share = (0.6 if at.hour in range(17, 21) else 0.95) - number * 7 % 10 / 200
    loads = {"latency_ms": 10 / share, "download_latency_ms": 25 / share, "upload_latency_ms": 60 / share}
    rates = {"download_bps": round(100e6 * share), "upload_bps": round(20e6 * share)}
    return attempt(0, healthy=number != 20, **when, **rates, **loads).run


RUNS = [_run(number) for number in range(146) if number not in PAUSE]
BOTH = [run for each in RUNS for run in (each, dataclasses.replace(each, path=Path.HOST, download_bps=50_000_000))]
REFERENCES = {
    "throughput": ("throughput", RUNS, WINDOW, "light"),
    "latency": ("latency", RUNS, WINDOW, "dark"),
    "heatmap": ("heatmap", RUNS, WINDOW, "print"),
    "availability": ("availability", RUNS, WINDOW, "light"),
    "compare": ("compare", BOTH, WINDOW, "light"),
    "throughput-decade": ("throughput", decade(), DECADE, "light"),
    "availability-decade": ("availability", decade(), DECADE, "print"),
}
"""By name of the file: the kind, its runs, their window and the theme."""


def small(name: str) -> np.ndarray:
    """Return a picture at a quarter of its size, in grey: a hinted glyph more or less is hardly seen in it."""
    kind, runs, window, theme = REFERENCES[name]
    made = Image.open(BytesIO(render(kind, runs, window, TERMS, RenderOptions(theme=THEMES[theme])))).convert("L")
    return np.asarray(made.resize((made.width // 4, made.height // 4), Image.Resampling.BOX), dtype=float)


def stored(name: str) -> np.ndarray:
    """Return the reference of a name."""
    return np.asarray(Image.open(FOLDER / f"{name}.png"), dtype=float)


def worst_block(one: np.ndarray, other: np.ndarray, side: int = 15) -> float:
    """Return the mean difference, of 255, in the block of pixels where it is largest."""
    apart = np.abs(one - other)
    rows, columns = (length // side * side for length in apart.shape)
    blocks = apart[:rows, :columns].reshape(rows // side, side, columns // side, side)
    return float(blocks.mean(axis=(1, 3)).max())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in REFERENCES:
        Image.fromarray(small(name).astype(np.uint8)).save(FOLDER / f"{name}.png", optimize=True)
