"""`speedmon export`: the same runs as `history`, in three formats, complete or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from example_runs import START, make_attempt, make_failed_attempt

from monitor.cli.main import cli
from monitor.output import export
from monitor.store.connection import open_writer
from monitor.store.write import add_attempts
from monitor.system.installation import install_command

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()"]

NO_PYARROW = [
    sys.executable,
    "-c",
    "import sys; sys.modules['pyarrow'] = None; from monitor.cli.main import main; main()",
]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a database of a measured and a failed run, an hour apart, and a zone."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    with open_writer(url) as connection:
        add_attempts(connection, [make_attempt(isp="Kabel; Süd"), make_failed_attempt(60)])
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SPEEDMON_DATABASE_URL": url,
        "SPEEDMON_DISPLAY__TIMEZONE": "America/New_York",
    }


def run(environ: dict[str, str], *argv: object, command: list[str] = COMMAND) -> subprocess.CompletedProcess[bytes]:
    """Run the program."""
    return subprocess.run([*command, *map(str, argv)], env=environ, capture_output=True, check=False, timeout=60)


def test_csv_and_json_lines_are_those_of_history(environ: dict[str, str]):
    """A run has the same values as in `history`; the oldest comes first."""
    lines = run(environ, "export", "--format", "jsonl").stdout.splitlines()
    history = json.loads(run(environ, "history", "--json", "--days", "36500").stdout)
    assert [json.loads(line) for line in lines] == history[::-1]
    rows = [*csv.DictReader(io.StringIO(run(environ, "export").stdout.decode(), newline=""))]
    expected = [
        *csv.DictReader(io.StringIO(run(environ, "history", "--csv", "--days", "36500").stdout.decode(), newline=""))
    ]
    assert rows == expected[::-1]
    assert [row["status"] for row in rows] == ["ok", "failed"]


@pytest.mark.parametrize(
    ("window", "count"),
    [
        ([], 2),
        (["--until", f"{START + timedelta(minutes=30):%Y-%m-%dT%H:%MZ}"], 1),
        (["--since", f"{START + timedelta(minutes=30):%Y-%m-%dT%H:%MZ}"], 1),
        # Local time of the configured zone, five hours behind.
        (["--since", f"{START - timedelta(hours=4, minutes=30):%Y-%m-%dT%H:%M}"], 1),
        (["--days", "1", "--until", f"{START + timedelta(days=1, minutes=30):%Y-%m-%dT%H:%MZ}"], 1),
    ],
)
def test_windows(environ: dict[str, str], window: list[str], count: int):
    """All runs, or those of a window."""
    done = CliRunner(env=environ).invoke(cli, ["export", "--format", "jsonl", *window])
    assert len(done.stdout.splitlines()) == count


def test_a_reader_that_leaves_early_hears_no_complaint(environ: dict[str, str]):
    """`export | head` ends the query before it closes the database."""
    theirs, ours = os.pipe()
    os.close(theirs)
    called = [*COMMAND, "export", "--format", "jsonl"]
    ended = subprocess.run(called, env=environ, stdout=ours, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(ours)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_the_name_of_the_file_says_the_format(environ: dict[str, str], tmp_path: Path):
    """Unless --format does."""
    for name in ("a.parquet", "a.jsonl", "a.csv"):
        assert CliRunner(env=environ).invoke(cli, ["export", "--output", str(tmp_path / name)]).exit_code == 0
    assert [row["status"] for row in export.read_parquet(tmp_path / "a.parquet")] == ["ok", "failed"]
    assert (tmp_path / "a.jsonl").read_text().startswith('{"id":')
    assert (tmp_path / "a.csv").read_text().startswith("id,probe,")


def test_parquet_goes_through_a_pipe(environ: dict[str, str], tmp_path: Path):
    """`speedmon export --format parquet > FILE` writes a complete file."""
    file = tmp_path / "piped"
    file.write_bytes(run(environ, "export", "--format", "parquet").stdout)
    assert [row["download_bps"] for row in export.read_parquet(file)] == [95_656_417, None]


def test_an_export_that_fails_leaves_the_old_file(environ: dict[str, str], tmp_path: Path):
    """A database that cannot be read costs no export that is there, and leaves nothing beside it."""
    file = tmp_path / "out" / "runs.csv"
    file.parent.mkdir()
    file.write_text("old")
    broken = tmp_path / "broken.db"
    broken.write_text("no database " * 1000)
    done = run(environ | {"SPEEDMON_DATABASE_URL": f"sqlite:///{broken}"}, "export", "--output", file)
    assert done.returncode == 2
    assert (file.read_text(), [*file.parent.iterdir()]) == ("old", [file])


def test_without_pyarrow(environ: dict[str, str], tmp_path: Path):
    """Parquet says what to install, in both directions."""
    file = tmp_path / "runs.parquet"
    done = run(environ, "export", "--output", file, command=NO_PYARROW)
    words = f"speedmon: Parquet needs pyarrow, which is not installed: {install_command('pyarrow')}\n".encode()
    assert (done.returncode, done.stderr, file.exists()) == (2, words, False)
    file.write_bytes(b"PAR1")
    assert run(environ, "import", file, command=NO_PYARROW).stderr == words


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--days", "1", "--since", "2026-01-01"], b"--days and --since exclude each other"),
        (["--since", "2026-02-01", "--until", "2026-01-01"], b"the window is empty"),
        (["--since", "yesterday"], b"'yesterday' is not a date or time"),
        (
            ["--output", "/nonexistent/a.csv"],
            b"cannot be written: there is no folder /nonexistent; make it first",
        ),
    ],
)
def test_mistakes(environ: dict[str, str], argv: list[str], words: bytes):
    """What is wrong is said in words."""
    done = run(environ, "export", *argv)
    assert done.returncode in {1, 2}
    assert words in done.stderr
