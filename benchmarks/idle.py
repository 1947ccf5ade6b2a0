"""What `speedmon serve` costs while nothing happens: memory and processor time.

Budget: 60 MiB of its own and 0.1 % of a core. Memory of its own is what no other process shares and the kernel cannot
read again from a file (Private_Dirty). RSS also counts shared pages, PSS a share of them.

    python benchmarks/idle.py [SECONDS]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from made_up import month

from monitor.model import Attempt
from monitor.store import write
from monitor.store.connection import open_writer

SPEEDMON = str(Path(sys.executable).with_name("speedmon"))

PAGES = ("", "api/v1/runs", "api/v1/buckets")

PICTURES = ("graph.png?days=1", "graph.png?days=7", "graph.png?days=30")


def memory(pid: int) -> str:
    """Return the memory of a process in MiB, as in https://docs.kernel.org/filesystems/proc.html."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    mib = {name: int(kib.split()[0]) / 1024 for name, _, kib in (line.partition(":") for line in lines)}
    return f"its own {mib['Private_Dirty']:.1f}, PSS {mib['Pss']:.1f}, RSS {mib['Rss']:.1f}"


def on_a_processor_s(pid: int) -> float:
    """Return the processor time of a process's threads in seconds (schedstat is in ns)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def ask(url: str, pages: tuple[str, ...]) -> None:
    """Fetch pages as a browser would."""
    for page in pages:
        with urllib.request.urlopen(url + page) as answer:  # noqa: S310  our own daemon
            answer.read()


def measure(pid: int, url: str, seconds: float) -> None:
    """Print the figures of a daemon that has just started."""
    print(f"started, MiB: {memory(pid)}")
    ask(url, PAGES)
    print(f"page and API were asked for, MiB: {memory(pid)}")
    before = on_a_processor_s(pid)
    time.sleep(seconds)
    spent = on_a_processor_s(pid) - before
    print(f"idle for {seconds:.0f} s: {spent * 1000:.0f} ms on a processor, {spent / seconds:.3%} of a core")
    begin = time.perf_counter()
    ask(url, PICTURES)
    each = (time.perf_counter() - begin) * 1000 / len(PICTURES)
    print(f"pictures were drawn, {each:.0f} ms each, MiB: {memory(pid)}")


def main(seconds: float) -> None:
    """Serve a month of runs whose next test is far away."""
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/speedmon.db"
        with open_writer(database) as connection:
            write.add_attempts(connection, map(Attempt, month()))
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "SPEEDMON_DATABASE_URL": database,
            "SPEEDMON_SCHEDULE__CRON": "0 0 29 2 *",
            "SPEEDMON_WEB__PORT": "0",
        }
        with subprocess.Popen([SPEEDMON, "serve"], env=environ, stdout=subprocess.PIPE, text=True) as daemon:
            assert daemon.stdout
            measure(daemon.pid, daemon.stdout.readline().split()[-1], seconds)
            daemon.terminate()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
