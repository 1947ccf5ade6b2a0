"""What a graph of 30 days costs, beside `rrdtool graph` on the same data in the same run, and what the time goes to.

A whole process each time, in turn. rrdtool draws one panel of averages that it consolidated while they came in;
speedmon reads every run and draws three panels with failures, statistics and changes.

    apt-get install rrdtool
    python benchmarks/graphs.py [ROUNDS]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from commands import SPEEDMON, median
from made_up import DAYS, END, STEP, month

from monitor.graph.kinds import KINDS
from monitor.model import Attempt, Status
from monitor.store import write
from monitor.store.open import open_writer

if TYPE_CHECKING:
    from monitor.model import Run

WINDOW = ["--since", str(END - DAYS), "--until", str(END), "--path", "ip4only", "-q"]
RRDTOOL = shutil.which("rrdtool") or "rrdtool"
SERIES = {"down": "download_bps", "up": "upload_bps", "latency": "latency_ms"}
COLOURS = {"down": "0072b2", "up": "009e73", "latency": "8e4b8e"}
# Each step in a process of its own would hide what they share, so one process tells its own times.
PHASES = """
import os, sys, time
marks = [("", time.perf_counter())]
note = lambda name: marks.append((name, time.perf_counter()))
from datetime import datetime
from zoneinfo import ZoneInfo
from monitor.store import read
from monitor.store.open import open_reader
note("import the store (SQLAlchemy)")
since, until = map(datetime.fromisoformat, sys.argv[2:4])
with open_reader(sys.argv[1]) as connection:
    runs = list(read.runs(connection, since=since, until=until))
note(f"read {len(runs)} runs")
from monitor.graph import setup
setup.prepare(os.environ, os.geteuid())
from monitor.graph import picture
from monitor.graph.data import Window, tracks
from monitor.graph.paint import Look, paint
from monitor.graph.sheet import Sheet
from monitor.graph.terms import Terms
from monitor.model import Plan
note("import matplotlib and what draws")
window = Window(since, until)
found = tracks(runs, window)
note("segments, marks, bands")
sheet = Sheet(1200, 860, 1.0)
picture.draw(sheet, found, window, Terms(ZoneInfo("Europe/Berlin"), Plan(100_000_000, 20_000_000), "Title"))
note("lay out, count, percentiles")
sheet.file("Title")
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
    """One run of a command: ms of wall time and of processor time, MiB of memory at the highest."""

    ms: float
    cpu: float
    mib: float


def stored(folder: Path, runs: list[Run]) -> str:
    """Store the runs and return the URL of the database."""
    url = f"sqlite:///{folder}/month.db"
    with open_writer(url) as connection:
        for run in runs:
            write.add(connection, Attempt(run))
    return url


def round_robin(folder: Path, runs: list[Run]) -> Path:
    """Write the same runs into a round-robin database of one row a run."""
    file, step = folder / "month.rrd", int(STEP.total_seconds())
    begin = int((END - DAYS).timestamp()) - step
    sources = [f"DS:{name}:GAUGE:{2 * step}:0:U" for name in SERIES]
    archives = ["RRA:AVERAGE:0.5:1:3000", "RRA:MIN:0.5:8:400", "RRA:MAX:0.5:8:400"]
    subprocess.run([RRDTOOL, "create", file, "-b", str(begin), "-s", str(step), *sources, *archives], check=True)
    lines = [":".join([str(int(run.started_at.timestamp())), *_values(run)]) for run in runs]
    subprocess.run([RRDTOOL, "update", file, *lines], check=True)
    return file


def _values(run: Run) -> list[str]:
    if run.status is not Status.OK:
        return ["U"] * len(SERIES)
    return [str(getattr(run, field)) for field in SERIES.values()]


def rrdtool(folder: Path, file: Path, environ: dict[str, str]) -> Cost:
    """Draw the month with rrdtool."""
    span = ["-s", str(int((END - DAYS).timestamp())), "-e", str(int(END.timestamp())), "-w", "1000", "-h", "600"]
    data = [f"DEF:{name}={file}:{name}:AVERAGE" for name in SERIES]
    lines = [f"LINE1:{name}#{COLOURS[name]}:{name}" for name in SERIES]
    return whole([RRDTOOL, "graph", str(folder / "rrd.png"), *span, *data, *lines], environ)


def ours(kind: str, folder: Path, environ: dict[str, str]) -> Cost:
    """Draw the month with speedmon."""
    return whole([SPEEDMON, "graph", *WINDOW, "--kind", kind, "--output", str(folder / f"{kind}.png")], environ)


def whole(command: list[str], environ: dict[str, str]) -> Cost:
    """Run a command from a process that is small itself: the kernel counts what a child had before its exec."""
    told = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, *command], env=environ, check=True, capture_output=True
    )
    return Cost(*map(float, told.stdout.split()))


def table(name: str, costs: list[Cost]) -> None:
    """Print a row."""
    ms, cpu, mib = (median([getattr(each, field) for each in costs]) for field in Cost._fields)
    print(f"{name:34} {ms:>22} {cpu:>22} {mib:>18}")


def main(rounds: int) -> None:
    """Print the figures."""
    runs = list(month())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url, file = stored(folder, runs), round_robin(folder, runs)
        environ = {"PATH": os.environ["PATH"], "HOME": name, "SPEEDMON_DATABASE_URL": url}
        taken = [(ours("throughput", folder, environ), rrdtool(folder, file, environ)) for _ in range(rounds + 1)]
        pairs = taken[1:]  # the first one warms the caches
        print(f"{len(runs):,} runs in 30 days, median (range) of {rounds} processes each, in turn")
        print(f"{'':34} {'ms':>22} {'ms of processor':>22} {'MiB':>18}")
        table("speedmon graph", [first for first, _ in pairs])
        table("rrdtool graph", [second for _, second in pairs])
        for kind in list(KINDS)[1:]:
            table(f"speedmon graph --kind {kind}", [ours(kind, folder, environ) for _ in range(max(3, rounds // 3))])
        print("What the time goes to, one process:")
        sys.stdout.flush()
        command = [sys.executable, "-c", PHASES, url, str(END - DAYS), str(END)]
        subprocess.run(command, check=True, env=environ)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
