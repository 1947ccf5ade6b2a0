"""Export, import into an empty database, export again: the same bytes, from any database and in every format."""

from __future__ import annotations

import dataclasses
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from example_runs import MEASURED

from monitor.cli.main import cli
from monitor.model import (
    Attempt,
    Doubt,
    Failure,
    FailureKind,
    NetworkPath,
    Plan,
    Remark,
    Run,
    Scope,
    Server,
    Status,
    Trigger,
)
from monitor.store.connection import open_writer
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    from pathlib import Path

SEED, RUNS = 20_241_027, 250

# What spreadsheets, CSV, JSON, terminals and databases each take for something else.
HOSTILE = (
    '=HYPERLINK("http://example.net","x")',
    "+49 30 1234",
    "-1+1|cmd",
    "@SUM(A1)",
    "'=already marked",
    "'quoted",
    "''",
    "'",
    "\t=1",
    "\r\n=1",
    "\uff1d1+1",
    'a "quoted, text"',
    '"',
    "a,b;c\td|e",
    "two\nlines",
    "carriage\rreturn",
    "a\u2028b\x0bc\x1cd\x85e",
    "nul\0inside",
    "\ufeffmark first",
    " spaces ",
    "null",
    "N/A",
    "-",
    "1,234",
    "1e999",
    "true",
    "2024-10-27T02:30:00Z",
    "\\: \\; kind: message; other: x",
    "ä€😀\u202etext",
    "{}",
    "[error] x",
    "x" * 5000,
)

BERLIN = ZoneInfo("Europe/Berlin")

# The hours around both changes of the clock, in which local times are skipped and repeated.
NIGHTS = tuple(
    datetime(2024, month, day, hour, minute, tzinfo=UTC)
    for month, day in ((3, 31), (10, 27))
    for hour in (0, 1, 2)
    for minute in (0, 30)
)


def random_run(chance: random.Random, number: int) -> Run:
    """Return a run of any kind."""

    def maybe(value: object) -> object:
        return value if chance.random() < 0.7 else None

    def text() -> str:
        return chance.choice(HOSTILE)

    started = chance.choice(NIGHTS) + timedelta(seconds=chance.choice([0, 0, chance.randrange(10**7)]))
    status = chance.choice([*Status])
    run = dataclasses.replace(
        MEASURED,
        id=f"{number:08x}-0000-4000-8000-{chance.randrange(16**12):012x}",
        probe=chance.choice(["home", "=away, the 'other'"]),
        started_at=started,
        finished_at=started + timedelta(seconds=chance.randrange(100)),
        status=status,
        trigger=chance.choice([*Trigger]),
        path=chance.choice([*NetworkPath]),
        engine=chance.choice(["ookla", text()]),
        engine_version=maybe(text()),
        packet_loss_pct=maybe(chance.choice([0.0, 100.0, 1e-9, chance.uniform(0, 100)])),
        latency_ms=maybe(chance.choice([0.0, 1234.567, 1e-7, chance.uniform(0, 5000)])),
        jitter_ms=maybe(chance.expovariate(1)),
        download_bytes=maybe(chance.randrange(2**63)),
        upload_ms=maybe(chance.randrange(10**6)),
        isp=maybe(text()),
        external_ip=maybe(text()),
        ip_family=chance.choice([None, 4, 6]),
        server=maybe(Server(str(chance.randrange(10**6)), maybe(text()), maybe(text()), host=maybe(text()))),
        result_url=maybe(text()),
        attempt=chance.randrange(1, 5),
        retry_of=maybe(f"ffffffff-0000-4000-8000-{chance.randrange(16**12):012x}"),
        remarks=tuple(Remark(chance.choice([*Doubt, text()]), text()) for _ in range(chance.randrange(3))),
    )
    if status is Status.OK:
        rates = {"download_bps": maybe(chance.randrange(10**10)), "upload_bps": maybe(chance.randrange(10**10))}
        return dataclasses.replace(run, healthy=chance.choice([True, False]), **rates)
    codes = maybe(chance.randrange(-255, 255)), maybe(chance.randrange(64))
    failure = Failure(chance.choice([*FailureKind]), chance.choice([*Scope]), maybe(text()), text(), *codes)
    return dataclasses.replace(run, download_bps=None, upload_bps=None, failure=maybe(failure))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a database of runs of every kind, of two probes."""
    chance = random.Random(SEED)  # noqa: S311  to be the same each time
    made = f"sqlite:///{tmp_path_factory.mktemp('made')}/speedmon.db"
    with open_writer(made) as connection:
        add_attempts(connection, [Attempt(random_run(chance, number), Plan(10**8)) for number in range(RUNS)])
    return made


def speedmon(url: str, *argv: str) -> str:
    """Run the program with a database, in a zone that has clock changes; return what it prints."""
    environ = {"SPEEDMON_DATABASE_URL": url, "SPEEDMON_DISPLAY__TIMEZONE": BERLIN.key, "SPEEDMON_PROBE__NAME": "third"}
    done = CliRunner(env=environ).invoke(cli, argv)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_export_is_the_same_after_an_import(url: str, kind: str, tmp_path: Path):
    """Byte for byte; no row is refused, and a second import adds none."""
    first, second = tmp_path / f"first.{kind}", tmp_path / f"second.{kind}"
    other = f"sqlite:///{tmp_path}/other.db"
    speedmon(url, "export", "--output", str(first))
    printed = speedmon(other, "import", str(first))
    assert f"runs imported: {RUNS}, already stored: 0, rejected: 0" in printed
    speedmon(other, "export", "--output", str(second))
    assert first.read_bytes() == second.read_bytes()
    assert f"runs imported: 0, already stored: {RUNS}, rejected: 0" in speedmon(other, "import", str(second))


def test_no_text_of_a_csv_is_a_formula(url: str, tmp_path: Path):
    """A field that begins with a sign of a formula is a number."""
    import csv  # noqa: PLC0415  only here

    file = tmp_path / "runs.csv"
    speedmon(url, "export", "--output", str(file))
    csv.field_size_limit(10**7)
    with file.open(newline="", encoding="utf-8") as opened:
        fields = [field for row in csv.reader(opened) for field in row]
    formulas = [field for field in fields if field.strip()[:1] in {*"=+-@\uff1d\uff0b\uff0d\uff20"} and field.strip()]
    assert all(field.removeprefix("-").isdecimal() for field in formulas)
