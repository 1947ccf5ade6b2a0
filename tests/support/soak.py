"""Many collects with random faults, killed at random moments: what the store has of them afterwards.

    python tests/support/soak.py [ENGINES] [SEED]

It goes on until so many engines were started: a collect that is killed before it starts its engine was no test. Each
collect has a probe's name of its own, so that its row is known, and its engine prints numbers of its own.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.model import Run, Status
from monitor.store import read
from monitor.store.connection import open_reader

SPEEDMON = str(Path(sys.executable).with_name("speedmon"))

RESULT = {"type": "result", "upload": {"bandwidth": 1}, "isp": "Example", "server": {"id": 1, "name": "Near"}}

# What an engine may do after it has noted that it was started; `{good}` is a complete result.
FAULTS = {
    "good": "echo '{good}'",
    "noisy": "echo '[error] Cannot read: Resource temporarily unavailable' >&2; echo '{good}'",
    "dns": "echo '[error] Error: [0] Cannot resolve host name. Host not found' >&2; exit 2",
    "limited": "echo '[error] Limit reached: Too many requests received' >&2; exit 173",
    "half": "printf '%.40s' '{good}'; exit 1",
    "crash": "kill -SEGV $$",
    "silent": "exit 1",
    "zero": """echo '{{"type": "result", "download": {{"bandwidth": 0}}, "upload": {{"bandwidth": -1}}}}'""",
}

GOOD = {"good", "noisy"}

# For each engine that is to start, before something must be wrong with the installation.
MAX_COLLECTS = 4

ENGINE = """#!/bin/sh
case "$*" in *--version*) echo "Speedtest by Ookla 1.2.0.84 (stand-in)"; exit;; esac
echo {number} >> {folder}/started
sleep {pause}
{fault}
"""


@dataclass(frozen=True)
class SoakRun:
    """One collect: what its engine was made to do, and whether it was killed."""

    number: int
    fault: str
    killed: bool

    @property
    def bandwidth(self) -> int:
        """The engine's own number, in bytes/s."""
        return 1_000_000 + self.number


class Soak:
    """An installation of its own below one folder, and the collects that were made there."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)  # noqa: S311  faults, not secrets
        self.tries: list[SoakRun] = []
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "STATE_DIRECTORY": str(folder / "state"),
            "SPEEDMON_DATABASE_URL": f"sqlite:///{folder}/speedmon.db",
            "SPEEDMON_COLLECT__PATH": "host",
            "SPEEDMON_COLLECT__ENGINE": "ookla",
            "SPEEDMON_COLLECT__PROBE_FAILURES": "false",
            "SPEEDMON_COLLECT__LOCK_FILE": str(folder / "lock"),
            "SPEEDMON_OOKLA__BINARY": str(folder / "speedtest"),
            "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
        }

    def run(self, engines: int, longest_s: float = 0.7) -> None:
        """Collect until so many engines were started, and once more without a fault, which finds what the others left.

        A third of the collects is killed within `longest_s`.
        """
        while len(self.started()) < engines:
            if len(self.tries) > MAX_COLLECTS * engines:
                raise RuntimeError(
                    f"{len(self.tries)} collects started {len(self.started())} engines: not worth going on"
                )
            fault = self.chance.choice([*FAULTS])
            self._collect(fault, self.chance.uniform(0, longest_s) if self.chance.random() < 1 / 3 else None)
        self._collect("good", None)

    def _collect(self, fault: str, kill_after: float | None) -> None:
        number = len(self.tries)
        made = SoakRun(number, fault, killed=False)
        self._write_engine(made)
        argv = [SPEEDMON, "collect", "-q", "--no-retry", "--anyway"]
        environ = self.environ | {"SPEEDMON_PROBE__NAME": f"c{number}"}
        process = subprocess.Popen(argv, env=environ, stderr=subprocess.DEVNULL)
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            made = SoakRun(number, fault, killed=True)
        self.tries.append(made)

    def _write_engine(self, made: SoakRun) -> None:
        good = json.dumps(RESULT | {"download": {"bandwidth": made.bandwidth}})
        engine, fresh = self.folder / "speedtest", self.folder / "fresh"
        pause = self.chance.choice([0, 0, 0.05])
        text = ENGINE.format(
            number=made.number, folder=self.folder, pause=pause, fault=FAULTS[made.fault].format(good=good)
        )
        fresh.write_text(text)
        fresh.chmod(0o755)
        fresh.replace(engine)  # the one of a collect that was killed may still be running

    def rows(self) -> list[Run]:
        """Return every stored run."""
        until = datetime.now(UTC) + timedelta(days=1)
        with open_reader(self.environ["SPEEDMON_DATABASE_URL"]) as connection:
            return [*read.read_runs(connection, read.RunFilter(until - timedelta(days=9), until))]

    def started(self) -> set[int]:
        """Return the collects whose engine was started."""
        noted = self.folder / "started"
        return {int(line) for line in noted.read_text().split()} if noted.exists() else set()

    def faults(self) -> list[str]:
        """Return what is wrong with the store, a line each: a row lost, double or with numbers that nobody measured."""
        counted = Counter(run.probe for run in self.rows())
        by_name = {f"c{made.number}": made for made in self.tries}
        started = self.started() | {made.number for made in self.tries if not made.killed}
        lost = [f"{name}: no row" for name, made in by_name.items() if made.number in started and not counted[name]]
        double = [f"{name}: {count} rows" for name, count in counted.items() if count > 1]
        return lost + double + [line for run in self.rows() for line in _invented_values(run, by_name[run.probe])]


def _invented_values(run: Run, made: SoakRun) -> list[str]:
    """Return the values of a row that its engine did not print."""
    measured = made.fault in GOOD
    numbers = (run.download_bps, run.upload_bps)
    if run.status is Status.OK:
        right = measured and numbers == (made.bandwidth * 8, 8)
        return [] if right else [f"{run.probe}: {made.fault} gave {numbers}"]
    wrong = [f"{run.probe}: {run.status} with {numbers}"] if numbers != (None, None) else []
    return wrong + ([] if made.killed or not measured else [f"{run.probe}: {made.fault} became {run.status}"])


def main(engines: int, seed: int) -> None:
    """Print the result of so many engines."""
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), seed)
        soak.run(engines)
        rows, faults = soak.rows(), soak.faults()
        killed = sum(made.killed for made in soak.tries)
        counts = ", ".join(f"{status} {count}" for status, count in Counter(run.status for run in rows).items())
        lines = [
            f"{len(soak.tries)} collects, {killed} killed, {len(soak.started())} engines started: {len(rows)} rows",
            counts,
            *(faults or ["none lost, none double, none invented"]),
        ]
        sys.stdout.write("\n".join([*lines, ""]))
        sys.exit(bool(faults))


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["1000", "1"][len(sys.argv) - 1 :])))
