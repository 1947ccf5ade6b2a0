"""Write docs/gallery.md and its pictures from generated runs: each kind of graph, and the themes.

python benchmarks/gallery.py docs
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import long_ago
from made_up import DAYS, END, PLAN, month, two_paths
from PIL import Image
from report_page import page as report_page
from tools import need

from monitor.graph import render as graph_render
from monitor.graph import terminal
from monitor.graph.render import KINDS, GraphContext, render
from monitor.graph.theme import THEMES, RenderOptions
from monitor.localtime import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.analysis.columns import Columns
    from monitor.model import Run


WINDOW = Window(END - DAYS, END)

CONTEXT = GraphContext(ZoneInfo("Europe/Berlin"), PLAN, "Internet speed at home (generated)")

# The page is also read over slow lines, and a graph has few colours.
COLOURS, MOST_BYTES = 64, 120_000

HEAD = """# Gallery

Every kind of `speedmon graph`, drawn from generated data. [Graphs](graphs.md) explains how to draw and read them.
`make gallery` writes this page.

"""

MORE = {
    "throughput": """If there are more tests than pixels, the line is the median of each bucket, in a band from the
lowest to the highest test; the caption says how long a bucket is. Hollow diamonds are doubtful results, such as those
with much cross traffic or over the wrong path: they are left out of every statistic, and the caption counts them.""",
    "latency": """The grade is that of [DSLReports](https://www.dslreports.com/faq/17930): the mean of what download and
upload add to the idle latency, A+ below 5 ms, A below 30, B below 60, C below 200, D below 400, else F. The
graph grades the median of its runs. The dotted lines are these limits, above the idle median.""",
    "heatmap": """Each cell is the median of its tests, as a share of the plan; without a plan, in Mbit/s. What falls
short strikes the eye: an hour that meets the plan (`display.plan_met_pct`) is calm.""",
    "distribution": "For each speed: the share of tests at or below it, and how many reached the plan or most of it.",
    "availability": """One row for each day, up to two months; a longer window is a calendar with a cell for each day.
The outages are those of `speedmon incidents`; one that was seen on two paths at once counts once.""",
    "servers": "The bars reach from the 5th to the 95th percentile.",
    "compare": """Here the namespace and the host side by side. All paths are shown unless `--path` says otherwise.""",
    "dashboard": "A poster to print, best as a PDF: `--output poster.pdf`.",
}

REPORT = """## The report

    speedmon report --days 30

The first page in a browser; the plan, tables, outages, the rules and all tests follow. The PDF has the same on A4.

![the first page of a report](gallery/report.png)

"""


class Picture(NamedTuple):
    """A picture on the page: its kind and theme, and the command that draws one like it."""

    kind: str
    theme: str = "light"
    days: int = 30

    @property
    def file(self) -> str:
        """The file's name in the folder."""
        span = "" if self.days == DAYS.days else f"-{self.days}d"
        return f"{self.kind}{'' if self.theme == 'light' else f'-{self.theme}'}{span}.png"

    @property
    def command(self) -> str:
        """The command that a user types."""
        theme = "" if self.theme == "light" else f" --theme {self.theme}"
        return f"speedmon graph --days {self.days} --kind {self.kind}{theme}"

    def draw(self, runs: list[Run] | Columns, window: Window) -> bytes:
        """Return the file, with few colours."""
        return _small(render(self.kind, runs, window, CONTEXT, RenderOptions(theme=THEMES[self.theme])))


def _small(png: bytes, colours: int = COLOURS) -> bytes:
    """Return a picture with few colours."""
    small = BytesIO()
    drawn = Image.open(BytesIO(png)).convert("RGB")
    drawn.quantize(colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    assert len(small.getvalue()) < MOST_BYTES
    return small.getvalue()


THEMED = (Picture("throughput", "dark"), Picture("availability", "print"))

LONG = (Picture("throughput", days=3650), Picture("availability", days=3650))

LONG_TEXT = """## Ten years

A run every five minutes, a million of them. The line is the exact median of each bucket. The plan line steps when the
plan changes, and each run is compared with the plan in force when it ran. Marks that would overlap are drawn as one,
larger mark, and only failures that last as long as a pixel are shaded; the caption says how long that is.

"""


def page(runs: list[Run]) -> Iterator[str]:
    """Yield the page, part by part."""
    yield HEAD
    for kind in KINDS:
        picture = Picture(kind)
        yield f"## {kind}: {KINDS[kind].description}\n\n{MORE[kind]}\n\n{_shown(picture)}"
    yield "## Themes\n\n" + "\n".join(_shown(picture) for picture in THEMED)
    yield LONG_TEXT + "\n".join(_shown(picture) for picture in LONG)
    yield REPORT
    yield "## In a terminal\n\n    speedmon graph --days 7 --terminal\n\n```\n"
    week = replace(WINDOW, since=END - DAYS * 7 / 30)
    yield "\n".join(terminal.plot_runs([run for run in runs if run.started_at >= week.since], week, CONTEXT, 100))
    yield "\n```\n\n    speedmon history --sparkline\n\n```\n"
    yield "\n".join(terminal.draw_sparklines(runs, WINDOW, 80)) + "\n```\n"


def _shown(picture: Picture) -> str:
    return f"    {picture.command}\n\n![{KINDS[picture.kind].description}, {picture.theme}](gallery/{picture.file})\n\n"


def main(docs: Path) -> None:
    """Write the page and its pictures."""
    graph_render.prepare_matplotlib(os.environ, os.geteuid())
    runs, both = list(month()), list(two_paths())
    (docs / "gallery").mkdir(exist_ok=True)
    for picture in (*map(Picture, KINDS), *THEMED):
        png = picture.draw(both if picture.kind == "compare" else runs, WINDOW)
        (docs / "gallery" / picture.file).write_bytes(png)
    years = long_ago.decade()
    for picture in LONG:
        (docs / "gallery" / picture.file).write_bytes(picture.draw(years, long_ago.WINDOW))
    (docs / "gallery" / "report.png").write_bytes(_small(report_page(runs, WINDOW, CONTEXT), 2 * COLOURS))
    (docs / "gallery.md").write_text("".join(page(runs)))


if __name__ == "__main__":
    need("chromium:chromium")
    main(Path(sys.argv[1]))
