"""`speedmon import` as a person and as a script call it: what is imported, what is printed, and nothing twice."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import uuid
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from places import DATA

from monitor.cli.main import main
from monitor.model import Plan
from monitor.output import export
from monitor.store import read
from monitor.store.connection import open_reader

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()"]

RESULT = DATA.joinpath("ookla", "v1.2_result_2022-11-04_syseleven.json").read_text()

OTHER = DATA.joinpath("ookla", "v1.2_result_2024-06-10_cmc_packetloss_fraction_lossy.json").read_text()

CLI = DATA / "speedtest-cli" / "success_2.1.2_json_2020-01-19_spectrum.json"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a database of its own and nobody's configuration."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/speedmon.db",
        "SPEEDMON_DISPLAY__TIMEZONE": "America/New_York",
        "SPEEDMON_PROBE__NAME": "attic",
    }


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of three results, one of them twice, with noise and a failure."""
    file = tmp_path / "speedtest.log"
    error = (
        '{"type":"log","timestamp":"2023-09-13T15:01:08Z","message":"Timeout occurred in connect.","level":"error"}\n'
    )
    file.write_text(f"hello\n{RESULT}{error}{OTHER}{RESULT}")
    return file


@dataclass(frozen=True)
class Done:
    """How a call of the program ended."""

    returncode: object
    stdout: str
    stderr: str


def speedmon(environ: dict[str, str], *argv: object) -> Done:
    """Run the program, in this process: starting an interpreter for each call would take most of the time."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(os, "environ", environ)
        patch.setattr(sys, "argv", ["speedmon", *map(str, argv)])
        with pytest.raises(SystemExit) as ended:
            main()
    return Done(ended.value.code, out.getvalue(), err.getvalue())


def stored(environ: dict[str, str]) -> list[dict[str, object]]:
    """Return what is stored, oldest first."""
    with open_reader(environ["SPEEDMON_DATABASE_URL"]) as connection:
        always = read.RunFilter(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
        runs = read.read_runs(connection, always)
        return [json.loads(line) for line in export.to_json_lines(runs)]


def test_twice_in_a_row(environ: dict[str, str], log: Path):
    """Runs that are already stored are counted and not changed; what cannot be imported is listed with its line."""
    first = speedmon(environ, "import", log)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines()[:-1] == [
        f"{log}: runs imported: 3, already stored: 1, rejected: 1",
        "  line 1: not a result: 'hello'",
        "  4 from 2022-11-04 07:33 to 2024-06-09 22:02 (America/New_York), failed: 1",
    ]
    shown = first.stdout.splitlines()[-1]
    assert shown.startswith(
        "  to see them: speedmon graph --path all --since 2022-11-04 --until 2024-06-11, or speedmon"
    )
    before = stored(environ)
    assert [run["status"] for run in before] == ["ok", "failed", "ok"]
    assert {(run["probe"], run["trigger"], run["path"]) for run in before} == {("attic", "import", "host")}
    assert "runs imported: 0, already stored: 4, rejected: 1" in speedmon(environ, "import", log).stdout
    assert stored(environ) == before


def test_a_dry_run_counts_and_stores_nothing(environ: dict[str, str], log: Path):
    """A dry run prints the same numbers as a real import."""
    done = speedmon(environ, "import", "--dry-run", log)
    assert "runs would be imported: 3, already stored: 1, rejected: 1" in done.stdout
    assert stored(environ) == []


def test_probe_path_and_zone_are_options(environ: dict[str, str], tmp_path: Path):
    """What the file does not say, the command line says."""
    file = tmp_path / "log.csv"
    file.write_text('2020-06-10 12:00:00,"A - B","1","2.5","0.5","0","1000","1000","9","9",""\n')
    done = speedmon(environ, "import", "--probe", "shed", "--path", "ip4only", "--zone", "Europe/Berlin", file)
    assert done.returncode == 0
    (run,) = stored(environ)
    assert (run["probe"], run["path"], run["finished_at"]) == ("shed", "ip4only", "2020-06-10T10:00:00Z")


def test_many_reasons_are_counted(environ: dict[str, str], tmp_path: Path):
    """After twenty the rest is a number."""
    file = tmp_path / "log"
    file.write_text(RESULT + "noise\n" * 30)
    lines = speedmon(environ, "import", file).stdout.splitlines()
    assert lines[0].endswith("runs imported: 1, already stored: 0, rejected: 30")
    assert lines[20:22] == ["  line 21: not a result: 'noise'", "  and 10 more"]


def test_a_file_of_no_format_stops_no_other(environ: dict[str, str], log: Path, tmp_path: Path):
    """Each that cannot be read is one line and exit code 2; the others are taken."""
    odd = tmp_path / "odd"
    odd.write_text("nothing\n")
    done = speedmon(environ, "import", odd, tmp_path / "missing", log)
    assert done.returncode == 2
    assert f"{log}: runs imported: 3" in done.stdout
    odd_line, missing_line = done.stderr.splitlines()
    assert odd_line.startswith(f"speedmon: {odd}: nothing in it has a format that can be imported (known: speedmon,")
    assert missing_line == f"speedmon: {tmp_path}/missing: cannot be read: No such file or directory"


def test_a_row_that_the_store_refuses_stops_no_other(environ: dict[str, str], log: Path, tmp_path: Path):
    """A run that ends before it begins is listed with its line, and its neighbours are stored."""
    speedmon(environ, "import", log)
    runs = stored(environ)
    runs[1]["finished_at"] = "2000-01-01T00:00:00Z"
    file = tmp_path / "export.jsonl"
    file.write_text("".join(json.dumps(run) + "\n" for run in runs))
    elsewhere = environ | {"SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/other.db"}
    done = speedmon(elsewhere, "import", file)
    assert "runs imported: 2, already stored: 0, rejected: 1\n  line 2: run" in done.stdout
    assert "cannot be stored: " in done.stdout
    assert stored(elsewhere) == [runs[0], runs[2]]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_export_is_another_machines_history(environ: dict[str, str], log: Path, tmp_path: Path, kind: str):
    """What one machine exports, another one imports, and both have the same runs."""
    speedmon(environ, "import", log, CLI)
    file = tmp_path / f"runs.{kind}"
    assert speedmon(environ, "export", "--output", file).returncode == 0
    elsewhere = environ | {"SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/other.db", "SPEEDMON_PROBE__NAME": "other"}
    done = speedmon(elsewhere, "import", file, file)
    assert [line for line in done.stdout.splitlines() if line.startswith(str(file))] == [
        f"{file}: runs imported: 4, already stored: 0, rejected: 0",
        f"{file}: runs imported: 0, already stored: 4, rejected: 0",
    ]
    assert stored(elsewhere) == stored(environ)


TUTORIAL = "Date,Time,Ping (ms),Jitter (ms),Download (Mbps),Upload (Mbps)\n"


def test_nothing_taken_is_an_error(environ: dict[str, str], tmp_path: Path):
    """Whether each row was refused, or there is none; a file that is known already is no error."""
    refused, empty, known = (tmp_path / name for name in ("refused.csv", "empty.csv", "known.csv"))
    refused.write_text(f"{TUTORIAL}2024-01-13,15:12,2.08,0.11,fast,94.10\n")
    empty.write_text(TUTORIAL)
    known.write_text(f"{TUTORIAL}2024-01-13,15:12,2.08,0.11,47.40,94.10\n")
    for file in (refused, empty):
        done = speedmon(environ, "import", file)
        assert (done.returncode, done.stderr) == (2, f"speedmon: {file}: nothing was taken from it\n")
    assert "  line 2: column 'Download (Mbps)': 'fast' is not a number" in speedmon(environ, "import", refused).stdout
    assert [speedmon(environ, "import", known).returncode for _ in range(2)] == [0, 0]


def test_a_dry_run_shows_the_first_runs(environ: dict[str, str], tmp_path: Path):
    """Five of them, as they would be stored, also with a map."""
    file = tmp_path / "own.csv"
    file.write_text("When;Down\n" + "".join(f"2024-01-13 15:{minute};{minute},40\n" for minute in range(10, 20)))
    done = speedmon(environ, "import", "--dry-run", "--map", "time=When,download=Down [Mbit/s]", file)
    assert "runs would be imported: 10" in done.stdout
    assert [line.split()[:4] for line in done.stdout.splitlines() if line.startswith("  2024-")] == [
        ["2024-01-13", f"15:{minute}", "ok", f"{minute}.40"] for minute in range(10, 15)
    ]
    assert stored(environ) == []


def test_dates_of_either_order_are_asked_for(environ: dict[str, str], tmp_path: Path):
    """--date-order answers; a row that does not fit it is refused."""
    file = tmp_path / "own.csv"
    file.write_text(f"{TUTORIAL}01/04/24,15:12,2.08,0.11,47.40,94.10\n04/13/24,15:12,2.08,0.11,47.40,94.10\n")
    assert (
        "imported: 1, already stored: 0, rejected: 1" in speedmon(environ, "import", "--date-order", "dmy", file).stdout
    )
    assert [run["started_at"] for run in stored(environ)] == ["2024-04-01T19:12:00Z"]


def test_each_probe_gets_all_of_its_runs(environ: dict[str, str], log: Path, tmp_path: Path):
    """The same log, and the same export, imported for three probes; each twice."""
    probes = ("attic", "shed", "cellar")
    for probe in (*probes, *probes):
        speedmon(environ, "import", "--probe", probe, log)
    by_probe = {probe: [run for run in stored(environ) if run["probe"] == probe] for probe in probes}
    assert [[run["status"] for run in runs] for runs in by_probe.values()] == [["ok", "failed", "ok"]] * 3
    file = tmp_path / "export.jsonl"
    file.write_text("".join(json.dumps(run) + "\n" for run in by_probe["attic"]))
    for probe in ("boat", "barn", "boat", "barn"):
        speedmon(environ, "import", "--probe", probe, file)
    assert [sum(run["probe"] == probe for run in stored(environ)) for probe in ("attic", "boat", "barn")] == [3, 3, 3]


def test_what_an_earlier_version_imported_is_not_doubled(environ: dict[str, str], tmp_path: Path):
    """Its ids of results did not depend on the probe."""
    file = tmp_path / "log"
    file.write_text(RESULT)
    speedmon(environ, "import", file)
    (run,) = stored(environ)
    url = str(run["result_url"])
    former = uuid.uuid5(uuid.UUID("6f3f0f5e-2f0b-5b8e-9c53-0b6b1d1f7a10"), f"ookla|{url.rpartition('/')[2]}")
    elsewhere = environ | {"SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/other.db"}
    (tmp_path / "former.jsonl").write_text(json.dumps(run | {"id": str(former)}))
    speedmon(elsewhere, "import", tmp_path / "former.jsonl")
    for dry_run in ([], ["--dry-run"]):
        assert "imported: 0, already stored: 1" in speedmon(elsewhere, "import", *dry_run, file).stdout
    assert "runs imported: 1" in speedmon(elsewhere, "import", "--probe", "shed", file).stdout


def test_plans_with_dates_apply_to_what_is_imported(environ: dict[str, str], tmp_path: Path):
    """Each run of this probe is compared with the contract of its day; runs of other probes with none."""
    config = tmp_path / "config.toml"
    config.write_text(
        '[[plan]]\ndownload_mbps = 100\n[[plan]]\nsince = "2024-02-01"\ndownload_mbps = 250\nupload_mbps = 40\n'
    )
    file = tmp_path / "own.csv"
    file.write_text(f"{TUTORIAL}2024-01-31,23:59,2,1,90,20\n2024-02-01,00:01,2,1,90,20\n")
    environ = environ | {"SPEEDMON_CONFIG": str(config)}
    speedmon(environ, "import", file)
    speedmon(environ, "import", "--probe", "shed", file)
    with open_reader(environ["SPEEDMON_DATABASE_URL"]) as connection:
        attempts = [read.find_attempt(connection, str(run["id"])) for run in stored(environ)]
    plans = {(attempt.run.probe, f"{attempt.run.started_at:%d %H}"): attempt.plan for attempt in attempts}
    assert plans == {
        ("attic", "01 04"): Plan(100_000_000),
        ("attic", "01 05"): Plan(250_000_000, 40_000_000),
        ("shed", "01 04"): Plan(),
        ("shed", "01 05"): Plan(),
    }


def test_plans_that_are_configured_later_apply_to_what_is_stored(environ: dict[str, str], tmp_path: Path):
    """Whichever command looks at the runs next; other probes and the time before the first plan stay as they are."""
    config, file = tmp_path / "config.toml", tmp_path / "own.csv"
    days = ("01-01", "01-15", "01-29", "02-01", "02-15", "02-29", "03-01")
    rows = [f"2024-{day},{time},2,1,90,20" for day in days for time in ("00:01", "23:59")]
    file.write_text("\n".join([TUTORIAL.strip(), *rows]))
    for probe in ("attic", "shed"):
        speedmon(environ, "import", "--probe", probe, file)
    config.write_text('[[plan]]\nsince = "2024-01-15"\ndownload_mbps = 100\n')
    environ = environ | {"SPEEDMON_CONFIG": str(config)}
    assert speedmon(environ, "history").returncode == 0
    assert _stored_plans(environ, "attic") == [(day, 0 if day < "01-15" else 100) for day in days]
    config.write_text(f'{config.read_text()}[[plan]]\nsince = "2024-02-15"\ndownload_mbps = 250\nupload_mbps = 40\n')
    assert speedmon(environ, "graph", "--days", "9", "--terminal").returncode == 0
    expected = [(day, 0 if day < "01-15" else 100 if day < "02-15" else 250) for day in days]
    assert _stored_plans(environ, "attic") == expected
    assert _stored_plans(environ, "shed") == [(day, 0) for day in days]
    assert speedmon(environ, "db", "check").returncode == 0


def _stored_plans(environ: dict[str, str], probe: str) -> list[tuple[str, int]]:
    """Return the local days on which a probe has runs, each with the download in Mbit/s that is promised to them."""
    plans = set()
    with open_reader(environ["SPEEDMON_DATABASE_URL"]) as connection:
        for run in stored(environ):
            if run["probe"] == probe:
                attempt = read.find_attempt(connection, str(run["id"]))
                day = attempt.run.started_at.astimezone(ZoneInfo("America/New_York"))
                plans.add((f"{day:%m-%d}", (attempt.plan.download_bps or 0) // 1_000_000))
    return sorted(plans)


def test_a_terminal_gets_a_progress_bar(environ: dict[str, str], log: Path):
    """It is drawn on standard error, and only where somebody looks."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, "import", str(log)]
    done = subprocess.run(
        command, env=environ | {"TERM": "xterm"}, stdout=subprocess.PIPE, stderr=theirs, check=False, timeout=60
    )
    os.close(theirs)
    assert (done.returncode, b"100%" in os.read(ours, 65536)) == (0, True)
    os.close(ours)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["import"], "Missing argument 'FILE...'"),
        (["import", "--format", "xml", "x"], "'xml' is not one of 'auto', 'speedmon'"),
        (["import", "--zone", "Mars/Base", "x"], "--zone: unknown time zone 'Mars/Base'"),
    ],
)
def test_mistakes(environ: dict[str, str], argv: list[str], words: str):
    """What is wrong with a call is said in words, with exit code 2."""
    done = speedmon(environ, *argv)
    assert done.returncode == 2
    assert words in done.stderr
