"""How long a report takes from cold, and in how much memory: 30 days of a test every 15 minutes, a year of one every 5.

python benchmarks/reports.py

On a busy machine, trust the processor time more than the wall time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from made_up import PLAN, month

from monitor.model import Attempt
from monitor.store.connection import open_writer
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    from collections.abc import Iterator


WINDOWS = ((30, 15), (365, 5))

FORMS = ("html", "pdf", "both")

KIB, MIB = 1024, 1024**2

COMMAND = [sys.executable, "-c", "from monitor.cli.main import main; main()", "report", "-q"]


def attempts(days: int, minutes: int) -> Iterator[Attempt]:
    """Yield the generated month repeatedly, with another interval between tests, up to now."""
    runs, count = list(month()), days * 1440 // minutes
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)
    for number in range(count):
        at = begin + timedelta(minutes=minutes * number)
        run = runs[number % len(runs)]
        link = f"https://www.speedtest.net/result/c/{number}" if run.download_bps else None
        name = f"00000000-0000-4000-8000-{number:012d}"
        moved = replace(run, id=name, started_at=at, finished_at=at + timedelta(seconds=24), result_url=link)
        yield Attempt(moved, PLAN)


def measure(folder: str, days: int, form: str) -> str:
    """Return a line with the cost of one report."""
    begin = time.perf_counter()
    asked = ["--days", str(days), "--format", form, "--output-dir", folder]
    process = subprocess.Popen([*COMMAND, *asked], env=os.environ | {"SPEEDMON_DATABASE_URL": _url(folder, days)})
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    took = time.perf_counter() - begin
    sizes = sum(file.stat().st_size for file in Path(folder).glob(f"latest-{days}d-report.*"))
    processor = used.ru_utime + used.ru_stime
    return (
        f"{form:5} {took:5.1f} s, processor {processor:5.1f} s, {used.ru_maxrss // KIB:4} MiB, {sizes / MIB:6.1f} MiB"
    )


def _url(folder: str, days: int) -> str:
    return f"sqlite:///{folder}/{days}.db"


def main() -> None:
    """Print a line for each window and format."""
    with tempfile.TemporaryDirectory() as folder:
        for days, minutes in WINDOWS:
            with open_writer(_url(folder, days)) as connection:
                stored = list(attempts(days, minutes))
                add_attempts(connection, stored)
            print(f"{days} days, {len(stored):,} tests")
            for form in FORMS:
                print("  " + measure(folder, days, form))


if __name__ == "__main__":
    main()
