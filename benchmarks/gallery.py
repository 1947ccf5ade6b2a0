"""Make docs/gallery.md and its pictures, from generated runs: one of each kind of graph, and the themes.

python benchmarks/gallery.py docs
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path as File
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import long_ago
from made_up import DAYS, END, PLAN, month, two_paths
from PIL import Image
from report_page import page as report_page
from tools import need

from monitor.graph import braille, setup, sparkline
from monitor.graph.data import Window
from monitor.graph.kinds import KINDS, render
from monitor.graph.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.columns import Columns
    from monitor.model import Run

WINDOW = Window(END - DAYS, END)
TERMS = Terms(ZoneInfo("Europe/Berlin"), PLAN, "Internet speed at home (generated)")
# A page is read over slow lines too; a graph has few colours.
COLOURS, MOST_BYTES = 64, 120_000
HEAD = """# Gallery

Every kind of `speedmon graph`, drawn from generated runs: nobody measured them. `make gallery` makes this page anew.

"""
MORE = {
    "throughput": """Over more tests than the picture has pixels, a line is the median of each bucket, in a band from
the lowest to the highest test; the caption says how long a bucket is. Hollow diamonds are doubtful results (much
cross traffic, the wrong path): they are in no number, and the caption counts them.""",
    "latency": """The grade is that of [DSLReports](https://www.dslreports.com/faq/17930): the mean of what download and
upload add to the idle latency, A+ below 5 ms, A below 30, B below 60, C below 200, D below 400, else F; a
picture grades the median of its runs. The dotted lines are these limits above the idle median.""",
    "heatmap": "Share of the plan; Mbit/s where there is no plan. Each cell is the median of its tests.",
    "distribution": "How many tests were no faster than that, and how many reached the plan or most of it.",
    "availability": """A row a day, up to two months; a longer window is a calendar with a cell a day. An outage is as
`speedmon incidents` has it; what two paths saw at once is one.""",
    "servers": "The bars reach from the 5th to the 95th percentile.",
    "compare": """Paths, probes and engines side by side, here the namespace and the host. It takes all paths unless
`--path` says otherwise.""",
    "dashboard": "A poster to print, best as a PDF: `--output poster.pdf`.",
}


REPORT = """## The report

    speedmon report --days 30

The first page as a browser shows it; the plan, tables, outages, the rules and all tests follow. The PDF is the same,
on A4.

![the first page of a report](gallery/report.png)

"""


class Picture(NamedTuple):
    """A picture of the page: its kind and theme, and the command that draws the like."""

    kind: str
    theme: str = "light"
    days: int = 30

    @property
    def file(self) -> str:
        """Its name in the folder."""
        span = "" if self.days == DAYS.days else f"-{self.days}d"
        return f"{self.kind}{'' if self.theme == 'light' else f'-{self.theme}'}{span}.png"

    @property
    def command(self) -> str:
        """What a user types."""
        theme = "" if self.theme == "light" else f" --theme {self.theme}"
        return f"speedmon graph --days {self.days} --kind {self.kind}{theme}"

    def made(self, runs: list[Run] | Columns, window: Window) -> bytes:
        """Return the file, with few colours."""
        return _small(render(self.kind, runs, window, TERMS, theme=self.theme))


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

Here one run in five minutes, a million of them. A line is the exact median of each bucket; the plan steps where another
came into force, and each run is held against the one that judged it. Where marks would share a place they grow with
their number, and only failures that last as long as a pixel are shaded: the caption says how long that is.

"""


def page(runs: list[Run]) -> Iterator[str]:
    """Yield the page, part by part."""
    yield HEAD
    for kind in KINDS:
        picture = Picture(kind)
        yield f"## {kind}: {KINDS[kind].shows}\n\n{MORE[kind]}\n\n{_shown(picture)}"
    yield "## Themes\n\n" + "\n".join(_shown(picture) for picture in THEMED)
    yield LONG_TEXT + "\n".join(_shown(picture) for picture in LONG)
    yield REPORT
    yield "## In a terminal\n\n    speedmon graph --days 7 --terminal\n\n```\n"
    week = replace(WINDOW, since=END - DAYS * 7 / 30)
    yield "\n".join(braille.plots([run for run in runs if run.started_at >= week.since], week, TERMS, 100))
    yield "\n```\n\n    speedmon history --sparkline\n\n```\n"
    yield "\n".join(sparkline.sparklines(runs, WINDOW, 80)) + "\n```\n"


def _shown(picture: Picture) -> str:
    return f"    {picture.command}\n\n![{KINDS[picture.kind].shows}, {picture.theme}](gallery/{picture.file})\n\n"


def main(docs: File) -> None:
    """Write the page and its pictures."""
    setup.prepare(os.environ, os.geteuid())
    runs, both = list(month()), list(two_paths())
    (docs / "gallery").mkdir(exist_ok=True)
    for picture in (*map(Picture, KINDS), *THEMED):
        made = picture.made(both if picture.kind == "compare" else runs, WINDOW)
        (docs / "gallery" / picture.file).write_bytes(made)
    years = long_ago.decade()
    for picture in LONG:
        (docs / "gallery" / picture.file).write_bytes(picture.made(years, long_ago.WINDOW))
    (docs / "gallery" / "report.png").write_bytes(_small(report_page(runs, WINDOW, TERMS), 2 * COLOURS))
    (docs / "gallery.md").write_text("".join(page(runs)))


if __name__ == "__main__":
    need("chromium:chromium")
    main(File(sys.argv[1]))
