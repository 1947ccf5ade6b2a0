"""Bad days: collects that are killed, full disks, two daemons, lost databases, moved clocks, few resources. As root.

    python tests/support/chaos.py [--collects 1000] [--minutes 60] [--seed 1] [SCENARIO ...]

Two lines, each with its database, share one state directory. Each collect has a name of its own as probe, and an engine
of its own that notes the number it is about to print. Afterwards each test that was started has exactly one row, in the
database of its line, with the numbers of its engine or none. Everything happens in mounts of its own. Exit code 1: a
row was lost, doubled, invented or in the wrong place.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SPEEDMON = str(Path(sys.executable).with_name("speedmon"))

LINES = ("home", "office")

# Draws a number, notes it, and prints it as a result.
ENGINE = """#!/bin/sh
case "$*" in *--version*) echo "Speedtest by Ookla 1.2.0.84 (stand-in)"; exit;; esac
number=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
echo {name} $number >>{folder}/started
{pause}
echo '{{"type":"result","download":{{"bandwidth":'$number'}},"upload":{{"bandwidth":1000}},"ping":{{"latency":3}}}}'
"""

# Moves the clock of a program, which LD_PRELOAD loads it into, by CHAOS_CLOCK seconds.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) { const char *text = getenv("CHAOS_CLOCK"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, now);
  if (clock == CLOCK_REALTIME) now->tv_sec += shift();
  return result;
}
int gettimeofday(struct timeval *now, void *zone) {
  struct timespec exact;
  int result = clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec; now->tv_usec = exact.tv_nsec / 1000; (void)zone;
  return result;
}
time_t time(time_t *to) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (to) *to = exact.tv_sec;
  return exact.tv_sec;
}
"""

DAY_S = 86_400


@dataclass
class Collected:
    """A collect: the name of its probe, its line, its exit code, and whether it was killed."""

    name: str
    line: str
    code: int | None = None
    killed: bool = False


@dataclass
class Site:
    """Two lines that share a state directory below one folder, and the collects that were made there."""

    folder: Path
    chance: random.Random
    made: list[Collected] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    ends: float = float("inf")

    def database(self, line: str) -> Path:
        """Return the file of a line's database."""
        return self.folder / line / "speedmon.db"

    def environ(self, line: str, name: str) -> dict[str, str]:
        """Return the environment of a collect."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "STATE_DIRECTORY": str(self.folder / "state"),
            "SPEEDMON_DATABASE_URL": f"sqlite:///{self.database(line)}",
            "SPEEDMON_PROBE__NAME": name,
            "SPEEDMON_COLLECT__PATH": "host",
            "SPEEDMON_COLLECT__ENGINE": "ookla",
            "SPEEDMON_COLLECT__PROBE_FAILURES": "false",
            "SPEEDMON_COLLECT__LOCK_FILE": str(self.folder / f"{line}.lock"),
            "SPEEDMON_CROSS__WAIT_S": "0",
            "SPEEDMON_OOKLA__BINARY": str(self.make_engine(name)),
            "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        }

    def make_engine(self, name: str, pause: str = "") -> Path:
        """Write the engine of a collect."""
        (self.folder / "engines").mkdir(exist_ok=True)
        engine = self.folder / "engines" / name
        if not engine.exists():
            engine.write_text(ENGINE.format(name=name, folder=self.folder, pause=pause))
            engine.chmod(0o755)
        return engine

    def collect(
        self, line: str, kill_after: float | None = None, prefix: Iterable[str] = (), **extra: str
    ) -> Collected:
        """Run one collect, and kill it after some seconds if it has not ended."""
        one = Collected(f"{line}-{len(self.made)}", line)
        self.made.append(one)
        self.make_engine(one.name, self.chance.choice(["", "", "sleep 0.05"]))
        argv = [*prefix, SPEEDMON, "collect", "-q", "--no-retry", "--anyway"]
        process = subprocess.Popen(argv, env=self.environ(line, one.name) | extra, stderr=subprocess.PIPE, cwd="/")
        try:
            errors = process.communicate(timeout=kill_after)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            errors, one.killed = process.communicate()[1], True
        one.code = process.returncode
        if b"Traceback" in errors or b"unexpected" in errors:
            self.problems.append(f"{one.name}: {errors.decode(errors='replace').strip().splitlines()[-1]}")
        return one

    def settle(self) -> None:
        """Let each line find what the others left."""
        for line in LINES:
            self.collect(line)

    def started(self) -> dict[str, list[int]]:
        """Return the numbers that the engines noted, by probe."""
        numbers: dict[str, list[int]] = {}
        with suppress(FileNotFoundError):
            for text in (self.folder / "started").read_text().splitlines():
                name, number = text.split()
                numbers.setdefault(name, []).append(int(number))
        return numbers

    def rows(self, line: str) -> list[tuple[str, str, str, int | None]]:
        """Return the rows of a line's database: probe, id, status, bytes/s."""
        query = "SELECT p.name, r.id, r.status, r.download_bps / 8 FROM runs r JOIN probes p ON p.pk = r.probe_pk"
        with closing(sqlite3.connect(self.database(line))) as connection:
            return connection.execute(query).fetchall()

    def faults(self, gone: Iterable[str] = ()) -> list[str]:
        """Return what is wrong, a line each; the rows of probes that are `gone` went with their database."""
        started, faults, stored = self.started(), list(self.problems), Counter[str]()
        ok = {one.name for one in self.made if one.code == 0}
        measured: set[str] = set()
        for line in LINES:
            if not self.database(line).exists():
                continue
            for probe, run_id, status, number in self.rows(line):
                stored[probe] += 1
                if not probe.startswith(f"{line}-"):
                    faults.append(f"{run_id} of {probe} is in the database of {line}")
                if status == "ok":
                    measured.add(probe)
                    if number not in started.get(probe, []):
                        faults.append(f"{run_id} of {probe} has numbers that nobody measured")
        faults += [f"{probe}: {count} rows" for probe, count in stored.items() if count > 1]
        absent = set(gone) | self.refused
        faults += [f"{probe}: started, but no row" for probe in started if not stored[probe] and probe not in absent]
        return faults + [f"{probe}: measured, but no result" for probe in ok - measured - absent]


def run_tool(*argv: object) -> None:
    """Run a program of the system."""
    subprocess.run([str(word) for word in argv], check=True)


def kill(site: Site, collects: int) -> str:
    """Kill a third of the collects at random moments of the time that one takes here, two lines at once."""
    began = time.monotonic()
    site.settle()
    longest_s = (time.monotonic() - began) / len(LINES) * 1.5

    def work(line: str) -> None:
        for _ in range(collects // len(LINES)):
            if time.monotonic() >= site.ends:
                break
            killed = site.chance.random() < 1 / 3
            site.collect(line, site.chance.uniform(0, longest_s) if killed else None)

    threads = [threading.Thread(target=work, args=(line,)) for line in LINES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.settle()
    return f"{sum(one.killed for one in site.made)} killed"


def full_disk(site: Site, _collects: int) -> str:
    """Fill the disk of state and databases, at ten sizes, and make room again."""
    disk = site.folder / "disk"
    for folder in ("disk", "state", *LINES):
        (site.folder / folder).mkdir(exist_ok=True)
    run_tool("mount", "-t", "tmpfs", "-o", "size=8m", "disk", disk)
    for folder in ("state", *LINES):
        (disk / folder).mkdir()
        run_tool("mount", "--bind", disk / folder, site.folder / folder)
    site.settle()
    for kilobytes in (0, 4, 8, 16, 32, 64, 96, 128, 192, 256):
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        with (disk / "filler").open("r+b") as filler:
            filler.truncate(max(0, (disk / "filler").stat().st_size - 1024 * kilobytes))
        for line in LINES:
            site.collect(line)
        if kilobytes % 64 == 0:
            (disk / "filler").unlink()
            site.settle()
    (disk / "filler").unlink(missing_ok=True)
    site.settle()
    return "10 sizes"


def start_daemon(site: Site, line: str, port: int, name: str) -> subprocess.Popen[bytes]:
    """Start a daemon that tests every few seconds."""
    environ = site.environ(line, name) | {"SPEEDMON_SCHEDULE__EVERY_S": "10", "SPEEDMON_SCHEDULE__JITTER_S": "0"}
    argv = [SPEEDMON, "serve", "--port", str(port)]
    return subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")


def end_daemon(daemon: subprocess.Popen[bytes]) -> None:
    """Stop a daemon as systemd does."""
    daemon.send_signal(signal.SIGTERM)
    daemon.communicate(timeout=120)


def two_daemons(site: Site, _collects: int) -> str:
    """Run two daemons on one database and collects beside them; kill one in between."""
    for line in LINES:
        site.collect(line)
    daemons = [start_daemon(site, "home", 18_801 + k, f"home-daemon{k}") for k in range(2)]
    for round_number in range(4):
        for _ in range(3):
            for line in LINES:
                site.collect(line)
        if round_number == 1:
            daemons[0].kill()
            daemons[0].communicate()
            daemons[0] = start_daemon(site, "home", 18_801, "home-daemon2")
    for daemon in daemons:
        end_daemon(daemon)
    site.settle()
    return "4 rounds"


def check_daemon_rows(site: Site) -> list[str]:
    """Return what is wrong with the rows of the daemons, of which each has many."""
    started, faults = site.started(), []
    rows = [row for row in site.rows("home") if row[0].startswith("home-daemon")]
    numbers = Counter(number for _, _, status, number in rows if status == "ok")
    faults += [f"{number}: {count} rows" for number, count in numbers.items() if count > 1]
    for probe in {row[0] for row in rows} | {name for name in started if "daemon" in name}:
        mine = [row for row in rows if row[0] == probe]
        lost = len(set(started.get(probe, []))) - sum(status != "skipped" for _, _, status, _ in mine)
        faults += [f"{probe}: {lost} tests without a row"] if lost > 0 else []
    return faults


def lost_database(site: Site, _collects: int) -> tuple[str, set[str]]:
    """Delete, replace and damage the database under a daemon whose page is read."""
    site.settle()
    daemon, file = start_daemon(site, "office", 18_803, "office-daemon0"), site.database("home")
    page = start_daemon(site, "home", 18_804, "home-daemon9")
    gone: set[str] = set()

    def remove() -> None:
        gone.update(row[0] for row in site.rows("home"))
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)

    for _ in range(3):
        site.collect("home")
        read_page(18_804)
        shutil.copy(backup(site), site.folder / "kept.db")
        remove()
        site.collect("home")
        read_page(18_804)
        remove()
        shutil.copy(site.folder / "kept.db", site.folder / "new.db")
        (site.folder / "new.db").rename(file)
        gone -= {row[0] for row in site.rows("home")}
        site.collect("home")
        whole = file.read_bytes()
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        file.write_bytes(b"garbage" + whole[7:2000])
        site.collect("home")
        read_page(18_804)
        file.write_bytes(whole)
        site.collect("home")
    for one in (daemon, page):
        if one.poll() is not None:
            site.problems.append(f"a daemon ended with {one.returncode}")
        else:
            end_daemon(one)
    site.settle()
    gone |= {name for name in site.started() if "daemon" in name}
    return "3 times deleted, replaced and damaged", gone


def backup(site: Site) -> Path:
    """Return a backup of the home line's database."""
    file = site.folder / "backup.db"
    file.unlink(missing_ok=True)
    argv = [SPEEDMON, "db", "backup", str(file)]
    subprocess.run(argv, env=site.environ("home", "home-backup"), check=True, stdout=subprocess.DEVNULL)
    return file


def read_page(port: int) -> None:
    """Read the page, whatever it answers."""
    with suppress(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).read()


def moved_clock(site: Site, _collects: int) -> str:
    """Move the clock back and forth, beyond what the database holds."""
    library, source = site.folder / "clock.so", site.folder / "clock.c"
    source.write_text(CLOCK)
    run_tool("cc", "-shared", "-fPIC", "-o", library, source, "-ldl")
    shifts = (-1, 1, -DAY_S, DAY_S, -400 * DAY_S, 400 * DAY_S, -3650 * DAY_S, 0, -60, 60)
    for shift in shifts:
        for line in LINES:
            site.collect(line, LD_PRELOAD=str(library), CHAOS_CLOCK=str(shift))
    beyond = site.collect("home", LD_PRELOAD=str(library), CHAOS_CLOCK=str(36_500 * DAY_S))
    if [*(site.folder / "state" / "spool").rglob("*.broken")]:
        site.refused.add(beyond.name)
    site.settle()
    return f"{len(shifts) + 1} clocks"


def few_descriptors(site: Site, _collects: int) -> str:
    """Allow few open files."""
    limits = (*range(4, 24), 32)
    for limit in limits:
        for line in LINES:
            site.collect(line, prefix=["prlimit", f"--nofile={limit}:{limit}"])
    site.problems.clear()  # a program that cannot start says so in its own words
    site.settle()
    return f"{limits[0]} to {limits[-1]}"


def little_memory(site: Site, _collects: int) -> str:
    """Allow little memory."""
    limits = range(20, 160, 7)
    for limit in limits:
        for line in LINES:
            site.collect(line, prefix=["prlimit", f"--as={limit * 1024 * 1024}"])
    site.problems.clear()
    site.settle()
    return f"{limits[0]} to {limits[-1]} MiB"


SCENARIOS: dict[str, Callable[[Site, int], str | tuple[str, set[str]]]] = {
    "kill": kill,
    "full-disk": full_disk,
    "two-daemons": two_daemons,
    "lost-database": lost_database,
    "moved-clock": moved_clock,
    "few-descriptors": few_descriptors,
    "little-memory": little_memory,
}


def run_scenario(name: str, collects: int, seed: int, ends: float) -> list[str]:
    """Run one scenario, print its figures, and return its faults; `ends`: when no more collects are killed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        site = Site(Path(folder), random.Random(seed), ends=ends)  # noqa: S311  faults, not secrets
        for line in LINES:
            (site.folder / line).mkdir()
        done = SCENARIOS[name](site, collects)
        what, gone = done if isinstance(done, tuple) else (done, set())
        daemons = check_daemon_rows(site) if name == "two-daemons" else []
        faults = [fault for fault in site.faults(gone) if "daemon" not in fault] + daemons
        rows = sum(len(site.rows(line)) for line in LINES)
        left = [file for file in (site.folder / "state" / "spool").rglob("*") if file.suffix in {".json", ".started"}]
        faults += [f"{file.name}: still waits" for file in left]
        errors = sum(not one.killed and one.code != 0 for one in site.made)
        started = sum(map(len, site.started().values()))
        run_tool("sh", "-c", f"umount -l {folder}/*/ 2>/dev/null || true")
    verdict = "none lost, doubled, invented or misplaced" if not faults else f"{len(faults)} FAULTS"
    sys.stdout.write(
        f"{name:16} {what:38} {len(site.made):5} collects, {errors:4} errors, {started:5} engines, {rows:5} rows, "
        f"{time.monotonic() - began:5.0f} s: {verdict}\n"
    )
    for fault in faults:
        sys.stdout.write(f"    {fault}\n")
    sys.stdout.flush()
    return faults


def main() -> int:
    """Run the scenarios in mounts of our own; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--collects", type=int, default=1000, help="how many to make, and to kill a third of")
    parser.add_argument("--minutes", type=float, default=60, help="how long collects are killed at most")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if "CHAOS_MOUNTS" not in os.environ:
        argv = ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv]
        return subprocess.run(argv, env=os.environ | {"CHAOS_MOUNTS": "1"}, check=False).returncode
    run_tool("mount", "-t", "tmpfs", "-o", "mode=1777", "shm", "/dev/shm")  # noqa: S108  our own
    names = options.scenarios or [*SCENARIOS]
    ends = time.monotonic() + options.minutes * 60
    faults = {name: run_scenario(name, options.collects, options.seed, ends) for name in names}
    sys.stdout.write(json.dumps({name: len(found) for name, found in faults.items()}) + "\n")
    return int(any(faults.values()))


if __name__ == "__main__":
    sys.exit(main())
