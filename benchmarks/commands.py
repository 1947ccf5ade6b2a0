"""Time and peak memory of whole commands.

Budgets: --help 100 ms; collect 120 ms before the engine starts, 500 ms in all beyond the engine, 45 MiB; graph of 30
days from cold 1.0 s. collect takes turns with a shell pipeline that stores the same line with Debian's
sqlite3 program.

    python benchmarks/commands.py [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from made_up import month
from pairs import in_turn, milliseconds
from tools import need

from monitor.model import Attempt
from monitor.store import write
from monitor.store.connection import open_writer

SPEEDMON = str(Path(sys.executable).with_name("speedmon"))

RESULT = Path(__file__).parents[1] / "tests/data/ookla/v1.2_result_2022-08-17_airtel_bufferbloat.json"

# Records when it was started and ends at once, so the rest of the time is speedmon's own.
STAND_IN = """#!/bin/bash
case "$*" in *--version*) echo "Speedtest by Ookla 1.2.0.84 (stand-in)"; exit;; esac
echo $EPOCHREALTIME > {folder}/started
printf '%s\\n' "$(<{result})"
"""

# What people run from cron: it stores the line and the time, and checks and explains nothing.
PIPELINE = """
line=$({folder}/speedtest --format=json) && printf "PRAGMA synchronous=FULL; CREATE TABLE IF NOT EXISTS runs (at, line);
INSERT INTO runs VALUES (strftime('%%s'), '%s');" "$line" | sqlite3 {folder}/pipeline.db
"""


class Cost(NamedTuple):
    """One run of a command: ms of wall time and MiB of peak memory."""

    ms: float
    mib: float


def cost(arguments: list[str], environ: dict[str, str]) -> Cost:
    """Run speedmon and return its cost as the kernel reports it."""
    begin = time.perf_counter()
    child = subprocess.Popen([SPEEDMON, *arguments], env=environ, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    spent = (time.perf_counter() - begin) * 1000
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, arguments
    return Cost(spent, usage.ru_maxrss / 1024)


def median(figures: list[float]) -> str:
    """Return the median and the range as text."""
    return f"{statistics.median(figures):.0f} ({min(figures):.0f} to {max(figures):.0f})"


def help_page(rounds: int, environ: dict[str, str]) -> None:
    """Time `--help` against an interpreter that imports click and nothing else."""
    bare = milliseconds(lambda: subprocess.run([sys.executable, "-c", "import click"], check=True))
    pairs = in_turn(lambda: cost(["--help"], environ).ms, bare, rounds)
    print(f"--help against `import click`, ms: {pairs}")


def collect(rounds: int, environ: dict[str, str], folder: Path) -> None:
    """Time `collect -q` with an engine that ends at once."""
    before, whole = [], []
    for _ in range(rounds):
        begin = time.time()
        whole.append(cost(["collect", "-q", "--no-retry", "--anyway"], environ))
        before.append((float((folder / "started").read_text()) - begin) * 1000)
    print(f"collect, ms before the engine starts: {median(before)}")
    print(f"collect, ms in all: {median([each.ms for each in whole])}; MiB: {median([each.mib for each in whole])}")


def beside_a_pipeline(rounds: int, environ: dict[str, str], folder: Path) -> None:
    """Time collect in turn with the shell pipeline."""
    shell = ["sh", "-ec", PIPELINE.format(folder=folder)]
    pairs = in_turn(
        lambda: cost(["collect", "-q", "--no-retry", "--anyway"], environ).ms,
        milliseconds(lambda: subprocess.run(shell, check=True, stdout=subprocess.DEVNULL)),
        rounds,
    )
    print(f"collect against a shell pipeline with sqlite3, ms: {pairs}")


def graph(rounds: int, environ: dict[str, str], folder: Path) -> None:
    """Time the graph of a month that ends at the last run."""
    url = f"sqlite:///{folder}/month.db"
    with open_writer(url) as connection:
        for run in month():
            write.add_attempt(connection, Attempt(run))
    window = ["--since", "2026-10-24T16:40:00Z", "--until", "2026-11-23T16:40:00Z"]
    command = ["graph", *window, "--path", "ip4only", "--output", str(folder / "month.png"), "-q"]
    drawn = [cost(command, {**environ, "SPEEDMON_DATABASE_URL": url}) for _ in range(rounds)]
    print(f"graph of 30 days, ms: {median([each.ms for each in drawn])}; MiB: {median([each.mib for each in drawn])}")


def main(rounds: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = folder / "speedtest"
        engine.write_text(STAND_IN.format(folder=folder, result=RESULT))
        engine.chmod(0o755)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": name,
            "SPEEDMON_DATABASE_URL": f"sqlite:///{folder}/speedmon.db",
            "SPEEDMON_COLLECT__PATH": "host",
            "SPEEDMON_COLLECT__LOCK_FILE": f"{folder}/lock",
            "SPEEDMON_OOKLA__BINARY": str(engine),
            "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
        }
        cost(["db", "upgrade"], environ)
        help_page(rounds, environ)
        collect(rounds, environ, folder)
        beside_a_pipeline(rounds, environ, folder)
        graph(rounds, environ, folder)


if __name__ == "__main__":
    need("sqlite3:sqlite3")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
