"""`speedmon graph` as a user calls it."""

from __future__ import annotations

import dataclasses
import os
import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest
from example_runs import make_attempt, make_failed_attempt

from monitor.cli.main import main
from monitor.graph.render import KINDS
from monitor.graph.theme import DEFAULT_SIZE
from monitor.model import NetworkPath, Plan
from monitor.store import read, statistics
from monitor.store.connection import open_reader, open_writer
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from monitor.model import Attempt

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Result(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: bytes
    err: str


@pytest.fixture
def speedmon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Result]:
    """Return the command line over a store of its own, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SPEEDMON_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SPEEDMON_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    (tmp_path / "config.toml").write_text(
        f'[database]\nurl = "sqlite:///{tmp_path}/s.db"\n[display]\ntimezone = "UTC"\n'
    )

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["speedmon", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfdbinary.readouterr()
        return Result(ended.value.code, out, err.decode())

    return run


def store(tmp_path: Path, *attempts: Attempt) -> None:
    """Store attempts as if they had been made in the last hours."""
    base = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    with open_writer(f"sqlite:///{tmp_path}/s.db") as connection:
        for at, each in enumerate(attempts):
            started = base + timedelta(minutes=at)
            run = dataclasses.replace(each.run, started_at=started, finished_at=started)
            add_attempt(connection, dataclasses.replace(each, run=run))


def test_a_picture_of_the_last_days_is_written(speedmon: Callable[..., Result], tmp_path: Path):
    """The file is named for the days, its name is printed, and nothing else is said."""
    store(tmp_path, make_attempt(), make_failed_attempt(), make_attempt())
    assert speedmon("graph", "--days", "7") == (0, b"speedmon-7d.png\n", "")
    picture = (tmp_path / "speedmon-7d.png").read_bytes()
    assert picture.startswith(SIGNATURE)
    assert struct.unpack(">II", picture[16:24]) == DEFAULT_SIZE


def test_an_empty_store_draws_a_picture_that_says_so(speedmon: Callable[..., Result], tmp_path: Path):
    """No runs are not an error; one line on stderr says so."""
    ended = speedmon("graph")
    assert (ended.code, ended.out) == (0, b"speedmon-30d.png\n")
    assert ended.err == "speedmon: no runs in this window; the graph is empty\n"
    assert (tmp_path / "speedmon-30d.png").read_bytes().startswith(SIGNATURE)


def test_quiet_prints_nothing(speedmon: Callable[..., Result], tmp_path: Path):
    """Cron hears nothing of a picture that was written."""
    store(tmp_path, make_attempt())
    assert speedmon("graph", "-q", "--kind", "line", "--output", "a.png") == (0, b"", "")
    assert (tmp_path / "a.png").exists()


def test_a_dash_writes_to_standard_output(speedmon: Callable[..., Result], tmp_path: Path):
    """The bytes of the PNG and nothing else."""
    store(tmp_path, make_attempt())
    ended = speedmon("graph", "--output", "-")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(SIGNATURE)
    assert ended.out.endswith(b"IEND\xaeB`\x82")
    assert not list(tmp_path.glob("*.png"))


def test_a_window_of_ones_own_names_the_file(speedmon: Callable[..., Result], tmp_path: Path):
    """Local times without an offset, and a name that sorts by time."""
    speedmon("graph", "--since", "2026-10-24", "--until", "2026-10-25T12:30+02:00")
    assert [file.name for file in tmp_path.glob("*.png")] == ["speedmon-20261024T0000-20261025T1030.png"]


@pytest.mark.parametrize(
    ("path", "empty"), [([], False), (["--path=ip4only"], False), (["--path=host"], True), (["--path=all"], False)]
)
def test_the_path_chooses_the_runs(speedmon: Callable[..., Result], tmp_path: Path, path: list[str], empty: bool):
    """Without a word it is the configured path; runs over another path are not mixed in."""
    store(tmp_path, make_attempt(path=NetworkPath.IP4ONLY))
    ended = speedmon("graph", *path)
    assert (ended.code, "no runs" in ended.err) == (0, empty)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--days", "0"), "--days"),
        (("--days", "-3"), "--days"),
        (("--days", "x"), "--days"),
        (("--days", "99999999"), "--days"),
        (("--kind", "pie"), "--kind"),
        (("--path", "ip6"), "--path"),
        (("--since", "yesterday"), "--since"),
        (("--until", "2026-13-01"), "--until"),
        (("--since", "0001-01-01T00:00+14:00"), "--since"),
        (("--until", "0001-01-02"), "window"),
        (("--since", "2026-10-25", "--until", "2026-10-24"), "window"),
        (("--since", "2026-10-25", "--days", "3"), "--since"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(
    speedmon: Callable[..., Result], tmp_path: Path, arguments: tuple[str, ...], named: str
):
    """A mistake ends with 2, says which argument is meant, and writes no picture."""
    ended = speedmon("graph", *arguments)
    assert ended.code == 2
    assert named in ended.err
    assert "Traceback" not in ended.err
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("place", ["missing/a.png", "config.toml/a.png", "/dev/full", "."])
def test_a_place_that_cannot_be_written_ends_with_one_line(speedmon: Callable[..., Result], place: str):
    """The line names the place; the exit code is 1."""
    ended = speedmon("graph", "--output", place)
    lines = [line for line in ended.err.splitlines() if "no runs" not in line]
    assert (ended.code, ended.out, len(lines)) == (1, b"", 1)
    assert lines[0].startswith(f"speedmon: {place}: cannot be written")


def test_an_unknown_zone_is_a_mistake_of_configuration(
    speedmon: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    """The line names the zone and the key."""
    monkeypatch.setenv("SPEEDMON_DISPLAY__TIMEZONE", "Europe/Berlim")
    ended = speedmon("graph")
    assert ended.code == 2
    assert "display.timezone" in ended.err
    assert "'Europe/Berlim'" in ended.err


def test_help_imports_nothing_heavy():
    """Neither matplotlib nor the store is loaded to print the help."""
    code = "import sys; from monitor.cli import graph; print({'matplotlib', 'numpy', 'sqlalchemy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize(("kind", "name"), [("throughput", "latest-30d.png"), ("heatmap", "latest-30d-heatmap.png")])
def test_a_folder_gets_a_name_that_stays(speedmon: Callable[..., Result], tmp_path: Path, kind: str, name: str):
    """Whoever shows the file needs to know one name; the second time replaces the first."""
    (tmp_path / "www").mkdir()
    for _ in range(2):
        assert speedmon("graph", "--kind", kind, "--output-dir", "www", "-q").code == 0
    assert [file.name for file in (tmp_path / "www").iterdir()] == [name]


def test_every_kind_can_be_written_at_once(speedmon: Callable[..., Result], tmp_path: Path):
    """One command a night for a web page, small and in SVG."""
    store(tmp_path, make_attempt(), make_failed_attempt())
    ended = speedmon("graph", "--kind", "all", "--last", "6h", "--format", "svg", "--output-dir", ".")
    names = [f"latest-6h{f'-{kind}' if kind != 'throughput' else ''}.svg" for kind in KINDS]
    assert (ended.code, ended.out.decode().splitlines(), ended.err) == (0, names, "")
    assert all((tmp_path / name).read_bytes().startswith(b"<?xml") for name in names)


@pytest.mark.parametrize(
    ("name", "begin"), [("a.svg", b"<?xml"), ("a.PDF", b"%PDF"), ("a.png", SIGNATURE), ("a", SIGNATURE)]
)
def test_the_format_follows_from_the_name_of_the_file(
    speedmon: Callable[..., Result], tmp_path: Path, name: str, begin: bytes
):
    """Without an ending it is a PNG."""
    speedmon("graph", "--kind", "servers", "--output", name)
    assert (tmp_path / name).read_bytes().startswith(begin)


def test_size_and_dots_are_those_that_were_asked_for(speedmon: Callable[..., Result], tmp_path: Path):
    """At 200 dpi everything is twice as large."""
    speedmon("graph", "--size", "1000x900", "--dpi", "200", "--theme", "dark", "--output", "a.png")
    assert struct.unpack(">II", (tmp_path / "a.png").read_bytes()[16:24]) == (2000, 1800)


def test_compare_takes_every_path(speedmon: Callable[..., Result], tmp_path: Path):
    """The configured path alone would leave nothing to compare."""
    store(tmp_path, make_attempt(path=NetworkPath.HOST))
    assert "no runs" not in speedmon("graph", "--kind", "compare").err


def test_a_plot_in_the_terminal_writes_no_file(speedmon: Callable[..., Result], tmp_path: Path):
    """The picture is on standard output as text, in the zone that was asked for."""
    store(tmp_path, make_attempt(), make_failed_attempt())
    ended = speedmon("graph", "--terminal", "--last", "2h", "--zone", "Asia/Tokyo")
    assert (ended.code, ended.err) == (0, "")
    assert "Asia/Tokyo" in ended.out.decode()
    assert not list(tmp_path.glob("*.png"))


def test_a_change_of_plan_reaches_the_picture(speedmon: Callable[..., Result], tmp_path: Path):
    """The store knows which plan judged each run."""
    other = dataclasses.replace(make_attempt(), plan=Plan(50_000_000))
    store(tmp_path, make_attempt(), make_attempt(), other, other)
    speedmon("graph", "--output", "a.svg", "--last", "2h")
    since = datetime.now(UTC) - timedelta(hours=2)
    with open_reader(f"sqlite:///{tmp_path}/s.db") as connection:
        periods = list(statistics.plan_periods(connection, read.RunFilter(since, since + timedelta(hours=3))))
    assert [plan.download_bps for _, plan in periods] == [100_000_000, 50_000_000]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--last", "6"), "--last"),
        (("--last", "0h"), "--last"),
        (("--last", "6h", "--days", "3"), "--last"),
        (("--size", "big"), "--size"),
        (("--size", "300x300"), "900x700"),
        (("--size", "99999x900"), "--size"),
        (("--dpi", "5000"), "--dpi"),
        (("--zone", "Europe/Berlim"), "--zone"),
        (("--theme", "pink"), "--theme"),
        (("--format", "gif"), "--format"),
        (("--output", "x.gif"), "FILE.png, FILE.svg or FILE.pdf"),
        (("--kind", "all"), "--output-dir"),
        (("--kind", "heatmap", "--terminal"), "--terminal"),
        (("--kind", "line", "--terminal", "--output", "a.png"), "--terminal"),
        (("--output", "a.png", "--output-dir", "."), "--output-dir"),
    ],
)
def test_a_look_that_cannot_be_had_is_named(
    speedmon: Callable[..., Result], tmp_path: Path, arguments: tuple[str, ...], named: str
):
    """A mistake exits with 2, names the option or the fix, and writes nothing."""
    ended = speedmon("graph", *(("--kind", "heatmap") if "--kind" not in arguments else ()), *arguments)
    assert (ended.code, named in ended.err) == (2, True)
    assert not [*tmp_path.glob("*.png"), *tmp_path.glob("*.gif")]
