"""`speedmon report` as a user calls it: three files that belong together, or none."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from example_runs import make_attempt, make_failed_attempt
from pypdf import PdfReader

from monitor.cli.main import main
from monitor.model import NetworkPath
from monitor.store.connection import open_writer
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from private_machine import PrivateMachine

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()"]

# A file can grow to so many bytes: what a full disk does, for whoever is not root too.
LIMITS = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "

LIMITED = [sys.executable, "-c", LIMITS + "from monitor.cli.main import main; main()"]

WINDOW = ("--since", "2026-11-23T00:00Z", "--until", "2026-11-24T00:00Z")

NOBODY_MEASURED = ("--since", "2020-01-01", "--until", "2020-01-02")

BASE = "speedmon-report-20261123T0000-20261124T0000"

RESULT = "https://www.speedtest.net/result/c/1"


class Result(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module", name="environ")
def _environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment with a database of its own."""
    home = tmp_path_factory.mktemp("home")
    with open_writer(f"sqlite:///{home}/s.db") as connection:
        add_attempts(
            connection,
            [
                make_attempt(result_url=RESULT),
                make_failed_attempt(15),
                make_attempt(30),
                make_attempt(45, path=NetworkPath.HOST),
            ],
        )
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{home}/s.db",
        "SPEEDMON_DISPLAY__TIMEZONE": "UTC",
        "SPEEDMON_PLAN__DOWNLOAD_MBPS": "100",
    }


def report(
    environ: dict[str, str], here: Path, *argv: str, command: list[str] = COMMAND
) -> subprocess.CompletedProcess[str]:
    """Run the program as a process of its own, in a folder."""
    return subprocess.run(
        [*command, "report", *argv], env=environ, cwd=here, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module", name="made")
def _made(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which all files of a report were written."""
    here = tmp_path_factory.mktemp("made")
    done = report(environ, here, *WINDOW)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{BASE}.html", f"{BASE}.pdf", f"{BASE}.csv"]
    return here


@pytest.fixture
def speedmon(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Return the command `report` in this process, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("SPEEDMON_", "MPL"))]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["speedmon", "report", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Result(ended.value.code, *capfd.readouterr())

    return run


def names(folder: Path) -> list[str]:
    """Return the names of what was written there, hidden files too."""
    return sorted(file.name for file in folder.iterdir())


def test_three_files_that_name_each_other(made: Path):
    """Both documents have the hash of the data that lies beside them, its name, and the link of the result."""
    assert names(made) == [f"{BASE}.csv", f"{BASE}.html", f"{BASE}.pdf"]
    digest = hashlib.sha256((made / f"{BASE}.csv").read_bytes()).hexdigest()
    page = (made / f"{BASE}.html").read_text()
    paper = "".join("".join(page.extract_text() for page in PdfReader(made / f"{BASE}.pdf").pages).split())
    assert all(digest in document and f"{BASE}.csv" in document for document in (page, paper))
    assert f'href="{RESULT}"' in page
    assert page.count("<img ") == 5


def test_the_data_is_that_of_an_export(made: Path, environ: dict[str, str]):
    """The same columns and rows, those of the path that the report is of."""
    export = subprocess.run([*COMMAND, "export", *WINDOW], env=environ, capture_output=True, check=True, timeout=60)
    all_rows = list(csv.DictReader(io.StringIO(export.stdout.decode(), newline="")))
    rows = list(csv.DictReader(io.StringIO((made / f"{BASE}.csv").read_bytes().decode(), newline="")))
    assert rows == [row for row in all_rows if row["path"] == "ip4only"]
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("argv", "written"),
    [
        (["--output", "a.html"], ["a.csv", "a.html"]),
        (["--output", "a.PDF"], ["a.PDF", "a.csv"]),
        (["--output", "a", "--format", "pdf"], ["a", "a.csv"]),
        (["--format", "html"], [f"{BASE[:16]}20200101T0000-20200102T0000.{form}" for form in ("csv", "html")]),
        (
            ["--output-dir", "."],
            [f"latest-20200101T0000-20200102T0000-report.{form}" for form in ("csv", "html", "pdf")],
        ),
    ],
)
def test_names(speedmon: Callable[..., Result], tmp_path: Path, argv: list[str], written: list[str]):
    """The file that was named, one for the window, or one that stays; the data always lies beside it."""
    assert speedmon("-q", *NOBODY_MEASURED, *argv)[:2] == (0, "")
    assert names(tmp_path) == written


def test_a_folder_gets_names_that_stay(speedmon: Callable[..., Result], tmp_path: Path):
    """Whoever links to the report needs to know one name; the second time replaces the first."""
    (tmp_path / "www").mkdir()
    for _ in range(2):
        assert speedmon("--output-dir", "www", "--last", "1m", "-q").code == 0
    assert names(tmp_path / "www") == [f"latest-1m-report.{form}" for form in ("csv", "html", "pdf")]


def test_a_window_without_runs_is_a_report_that_says_so(speedmon: Callable[..., Result], tmp_path: Path):
    """No error, one line on stderr, and data that is a header."""
    ended = speedmon(*NOBODY_MEASURED, "--output", "a.html")
    assert ended == (0, "a.html\na.csv\n", "speedmon: no runs in this window; the report says so\n")
    assert "No test was made" in (tmp_path / "a.html").read_text()
    assert (tmp_path / "a.csv").read_bytes().count(b"\n") == 1


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--output", "a.html", "--output-dir", "."], "--output-dir"),
        (["--output", "a.txt"], "FILE.html or FILE.pdf"),
        (["--output", "-"], "FILE.html or FILE.pdf"),
        (["--output", "a.csv", "--format", "html"], "FILE.html or FILE.pdf"),
        (["--output", "a.html", "--format", "both"], "FILE.html or FILE.pdf"),
        (["--days", "0"], "--days"),
        (["--until", "0001-01-02"], "window"),
        (["--zone", "Europe/Berlim"], "--zone"),
        (["--format", "odt"], "--format"),
        (["--probe", "nobody"], "nobody"),
        (["--rules", "missing.toml"], "missing.toml"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(
    speedmon: Callable[..., Result], tmp_path: Path, argv: list[str], named: str
):
    """A mistake ends with 2, says which argument is meant, and writes nothing."""
    ended = speedmon(*argv)
    assert (ended.code, named in ended.err, "Traceback" in ended.err) == (2, True, False)
    assert names(tmp_path) == []


def test_a_mistake_in_the_rules_is_named_by_its_key(speedmon: Callable[..., Result], tmp_path: Path):
    """A rule file is checked before anything is written."""
    (tmp_path / "rules.toml").write_text('name = "mine"\nnotice = "n"\ncolour = "red"\nconditions = []\n')
    ended = speedmon("--rules", "rules.toml")
    assert ended.code == 2
    assert re.search(r"rules\.toml: .*(colour|conditions)", ended.err)
    assert names(tmp_path) == ["rules.toml"]


def test_the_example_of_rules_is_a_beginning(speedmon: Callable[..., Result], tmp_path: Path):
    """What is printed is a rule file that is taken."""
    shown = speedmon("--show-rules")
    assert (shown.code, shown.err) == (0, "")
    (tmp_path / "rules.toml").write_text(shown.out.replace('name = "Example', 'name = "My own example', 1))
    assert speedmon("--rules", "rules.toml", "--output", "a.html", *NOBODY_MEASURED).code == 0
    assert "My own example" in (tmp_path / "a.html").read_text()


def test_a_disk_that_is_full_leaves_the_old_files(environ: dict[str, str], tmp_path: Path):
    """Where there is no room for a document the error names it, and what was there stays, the data as well."""
    for name in ("a.csv", "a.html"):
        (tmp_path / name).write_text("old")
    done = report(environ, tmp_path, "--output", "a.html", *WINDOW, command=LIMITED)
    words = "speedmon: a.html: cannot be written: File too large; name another file\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", words)
    assert [(file.name, file.read_text()) for file in sorted(tmp_path.iterdir())] == [
        ("a.csv", "old"),
        ("a.html", "old"),
    ]


def test_no_room_for_the_pdf(environ: dict[str, str], made: Path, machine: PrivateMachine):
    """On a device where the data and the page fit, but not the PDF, none of the three is left."""
    data, page, paper = ((made / f"{BASE}.{form}").stat().st_size for form in ("csv", "html", "pdf"))
    room = data + page + paper // 2
    machine.run(["sh", "-c", f"mkdir /run/small && mount -t tmpfs -o size={room},mode=777 small /run/small"])
    done = machine.run([*COMMAND, "report", *WINDOW, "--output-dir", "/run/small"], env=environ, check=False)
    assert done.returncode == 1
    assert "report.pdf: cannot be written: No space left on device" in done.stderr
    assert list(machine.path("/run/small").iterdir()) == []


@pytest.mark.parametrize("place", ["missing/a", "file/a"])
def test_a_place_that_cannot_be_written_ends_with_one_line(speedmon: Callable[..., Result], tmp_path: Path, place: str):
    """The line names the place; the exit code is 1."""
    (tmp_path / "file").touch()
    ended = speedmon(*NOBODY_MEASURED, "--output", f"{place}.pdf")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert re.match(rf"speedmon: {place}\.(pdf|csv): cannot be written: ", ended.err)


def test_what_changed_since_the_time_before(speedmon: Callable[..., Result], tmp_path: Path):
    """The window of equal length before is read too."""
    before = ("--since", "2026-11-24T00:00Z", "--until", "2026-11-25T00:00Z")
    assert speedmon(*before, "--compare-previous", "--output", "a.html").code == 0
    assert re.search(r"23 Nov 2026.*24 Nov 2026", (tmp_path / "a.html").read_text())


def test_help_imports_nothing_heavy():
    """Neither reportlab, jinja2, matplotlib nor the store is loaded to print the help."""
    heavy = "{'reportlab', 'jinja2', 'matplotlib', 'numpy', 'PIL', 'sqlalchemy'}"
    code = f"import sys; from monitor.cli import report; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"
