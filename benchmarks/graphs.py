"""What graphs of 30 days and of ten years cost, compared with `rrdtool graph` on the same data, and where time goes.

Each is a whole process, in turn. rrdtool draws one panel of averages that it consolidated while they were stored;
speedmon reads every run and draws three panels with failures, medians, percentiles, the plan and changes. The budget:
30 days 1.0 s; ten years, 1.05 M runs, 1.3 times that and 130 MiB. Filling both databases takes a few minutes.

    apt-get install rrdtool
    python benchmarks/graphs.py [ROUNDS]
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import store
from commands import SPEEDMON, median
from made_up import DAYS, END, STEP, month
from tools import need

from monitor.graph.render import KINDS
from monitor.model import Attempt
from monitor.store import write
from monitor.store.connection import open_writer

if TYPE_CHECKING:
    from collections.abc import Iterable


KINDS_DRAWN = list(KINDS)

RRDTOOL = shutil.which("rrdtool") or "rrdtool"
SERIES = {"down": "download_bps", "up": "upload_bps", "latency": "latency_ms"}
COLOURS = {"down": "0072b2", "up": "009e73", "latency": "8e4b8e"}

# Steps in processes of their own would hide what they share, so one process reports the time of each.
PHASES = """
import os, sys, time
marks = [("", time.perf_counter())]
note = lambda name: marks.append((name, time.perf_counter()))
from datetime import datetime
from zoneinfo import ZoneInfo
from monitor.graph import render
from monitor.store.connection import open_reader
from monitor.store.read import RunFilter
note("import the store (SQLAlchemy)")
from monitor.store.columnar import read_columns
note("import numpy")
since, until = map(datetime.fromisoformat, sys.argv[2:4])
with open_reader(sys.argv[1]) as connection:
    runs = read_columns(connection, RunFilter(since, until), render.required_metrics([render.DEFAULT_KIND]))
note(f"read {len(runs):,} runs")
render.prepare_matplotlib(os.environ, os.geteuid())
from monitor.graph.figure_canvas import FigureCanvas
from monitor.localtime import Window
from monitor.model import Plan
render.KINDS[render.DEFAULT_KIND].load()
note("import matplotlib and what draws")
to_file = FigureCanvas.file
def note_and_write(*arguments):
    note("find segments, spans and changes, count, lay out")
    return to_file(*arguments)
FigureCanvas.file = note_and_write
context = render.GraphContext(ZoneInfo("Europe/Berlin"), Plan(100_000_000, 20_000_000), "Title")
render.render(render.DEFAULT_KIND, runs, Window(since, until), context)
note("rasterise and compress")
for (_, before), (name, after) in zip(marks, marks[1:]):
    print(f"{1000 * (after - before):6.0f} ms  {name}")
"""

LAUNCHER = """
import os, sys, time
begin = time.perf_counter()
child = os.fork()
if not child:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
assert not status, sys.argv
print(1000 * (time.perf_counter() - begin), 1000 * (usage.ru_utime + usage.ru_stime), usage.ru_maxrss / 1024)
"""


class Cost(NamedTuple):
    """One run of a command: ms of wall time and of processor time, MiB of peak memory."""

    ms: float
    cpu: float
    mib: float


class Case(NamedTuple):
    """A window that is drawn from both databases, and where these are."""

    name: str
    since: datetime
    until: datetime
    url: str
    file: Path

    def ours(self, kind: str, environ: dict[str, str]) -> Cost:
        """Draw it with speedmon."""
        window = ["--since", str(self.since), "--until", str(self.until), "--path", "ip4only", "-q"]
        target = ["--kind", kind, "--output", str(self.file.with_suffix(".png"))]
        return measure([SPEEDMON, "graph", *window, *target], environ | {"SPEEDMON_DATABASE_URL": self.url})

    def rrdtool(self, environ: dict[str, str]) -> Cost:
        """Draw it with rrdtool, in the same size."""
        span = ["-s", _seconds(self.since), "-e", _seconds(self.until), "-w", "1000", "-h", "600"]
        data = [f"DEF:{name}={self.file}:{name}:AVERAGE" for name in SERIES]
        lines = [f"LINE1:{name}#{COLOURS[name]}:{name}" for name in SERIES]
        return measure([RRDTOOL, "graph", f"{self.file}.png", *span, *data, *lines], environ)

    def phases(self, environ: dict[str, str]) -> None:
        """Print where the time goes."""
        print(f"{self.name}: what the time goes to, one process")
        sys.stdout.flush()
        command = [sys.executable, "-c", PHASES, self.url, str(self.since), str(self.until)]
        subprocess.run(command, check=True, env=environ)


def month_case(folder: Path) -> Case:
    """Store 30 days with a run every 15 minutes."""
    runs, url = list(month()), f"sqlite:///{folder}/month.db"
    with open_writer(url) as connection:
        write.add_attempts(connection, map(Attempt, runs))
    rows = [(int(run.started_at.timestamp()), *(getattr(run, field) for field in SERIES.values())) for run in runs]
    file = round_robin(folder / "month.rrd", rows, int(STEP.total_seconds()))
    return Case("30 days", END - DAYS, END, url, file)


def decade_case(folder: Path) -> Case:
    """Store ten years with a run every five minutes."""
    url = f"sqlite:///{folder}/decade.db"
    store.build(url, store.SIZES[-1])
    query = f"SELECT started_at, {', '.join(SERIES.values())} FROM runs ORDER BY started_at"  # noqa: S608  our own words
    with closing(sqlite3.connect(folder / "decade.db")) as connection:
        file = round_robin(folder / "decade.rrd", connection.execute(query), store.STEP_S)
    return Case("10 years", store.END - timedelta(days=3650), store.END, url, file)


def round_robin(file: Path, rows: Iterable[tuple[Any, ...]], step: int) -> Path:
    """Write rows of a time and numbers into a round-robin database of ten years, newer rows in finer steps."""
    remaining = iter(rows)
    first = next(remaining)
    sources = [f"DS:{name}:GAUGE:{2 * step}:0:U" for name in SERIES]
    archives = [f"RRA:{kind}:0.5:{steps}:4000" for kind in ("AVERAGE", "MIN", "MAX") for steps in (1, 12, 72, 288)]
    subprocess.run(
        [RRDTOOL, "create", file, "-b", str(first[0] - step), "-s", str(step), *sources, *archives], check=True
    )
    texts = (":".join("U" if value is None else str(value) for value in row) for row in chain([first], remaining))
    while batch := list(islice(texts, 3000)):
        subprocess.run([RRDTOOL, "update", file, *batch], check=True)
    return file


def _seconds(moment: datetime) -> str:
    return str(int(moment.timestamp()))


def measure(command: list[str], environ: dict[str, str]) -> Cost:
    """Run a command from a small process: the kernel's figure includes what a child had before its exec."""
    launcher = [sys.executable, "-S", "-c", LAUNCHER, *command]
    result = subprocess.run(launcher, env=environ, check=True, capture_output=True)
    return Cost(*map(float, result.stdout.split()))


def table(name: str, costs: list[Cost]) -> None:
    """Print a row."""
    ms, cpu, mib = (median([getattr(cost, field) for cost in costs]) for field in Cost._fields)
    print(f"{name:34} {ms:>22} {cpu:>22} {mib:>18}")


def compare(case: Case, rounds: int, environ: dict[str, str]) -> float:
    """Print what drawing a window costs with both; return the median ms of speedmon."""
    taken = [(case.ours(KINDS_DRAWN[0], environ), case.rrdtool(environ)) for _ in range(rounds + 1)]
    pairs = taken[1:]  # the first pair warms the caches
    table(f"speedmon graph, {case.name}", [first for first, _ in pairs])
    table(f"rrdtool graph, {case.name}", [second for _, second in pairs])
    for kind in KINDS_DRAWN[1:]:
        table(f"speedmon graph --kind {kind}", [case.ours(kind, environ) for _ in range(max(3, rounds // 3))])
    return statistics.median(first.ms for first, _ in pairs)


def main(rounds: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        environ = {"PATH": os.environ["PATH"], "HOME": name}
        cases = [month_case(Path(name)), decade_case(Path(name))]
        print(f"median (range) of {rounds} processes each, in turn; other kinds: of {max(3, rounds // 3)}")
        print(f"{'':34} {'ms':>22} {'ms of processor':>22} {'MiB':>18}")
        month_ms, decade_ms = (compare(case, rounds, environ) for case in cases)
        print(f"ten years took {decade_ms / month_ms:.2f} times as long as 30 days")
        for case in cases:
            case.phases(environ)


if __name__ == "__main__":
    need("rrdtool:rrdtool")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
