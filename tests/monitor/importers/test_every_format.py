"""What holds in every format: nothing twice, no readable row lost, no unreadable cell a number or a failure."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from import_formats import WRITTEN_FORMATS, WrittenFormat, WrittenTest, write_database
from import_helpers import CONTEXT

from monitor.importers import importer, storing
from monitor.importers.base import ImportedRun, RejectedPart
from monitor.importers.quantities import MISSING_WORDS
from monitor.model import Status

if TYPE_CHECKING:
    from monitor.importers.base import Record

FIRST = datetime(2023, 6, 1, 12, tzinfo=UTC)

# In steps of 0.01 Mbit/s, which each format can write.
STEP_BPS = 10_000

ROWS = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 90_000)), min_size=1, max_size=5)

# What people, spreadsheets and programs leave in a cell of numbers: nothing that is certainly one, nor a word for none.
JUNK = st.sampled_from(
    [
        *("fast", "#REF!", "?", "error", "true", "inf", "-inf", "1e999", "=1+1", "~87", "<1", "-7"),
        *("1,2,3", "12:30", "1.2.3", "0x1F", "1 2", "--5", "5-", "1/2", "4_000", "1.000.00", "87 parsec"),
        *("\u0665\u0666", "\u00bd"),
    ]
) | st.text("abcxyz#?!~\u00e9\u4e2d%&", min_size=1, max_size=12)


def read(known: WrittenFormat, tests: list[WrittenTest]) -> list[Record]:
    """Return the records of a file of a format."""
    lines = io.StringIO(known.write(tests), newline="").readlines()
    reader = (
        importer.find_mapped_reader(lines, known.column_map, Path("own.csv"))
        if known.column_map
        else importer.find_reader(lines)
    )
    assert reader is not None
    return [*reader[1](lines, CONTEXT)]


def to_cell(steps: int, bits_each: int) -> str:
    """Return a rate as a format writes it."""
    bits = steps * STEP_BPS
    return f"{bits / bits_each:.2f}" if bits_each > STEP_BPS else str(bits // bits_each)


def to_tests(known: WrittenFormat, rows: list[tuple[int, int, int]]) -> list[WrittenTest]:
    """Return tests, ten minutes apart."""
    return [
        WrittenTest(
            FIRST + number * timedelta(minutes=10),
            to_cell(down, known.bits_each),
            to_cell(up, known.bits_each),
            f"{ping / 1000:.3f}",
        )
        for number, (down, up, ping) in enumerate(rows)
    ]


def runs_of(records: list[Record]) -> list[tuple[int | None, int | None]]:
    """Return the rates of the measured runs."""
    return [
        (record.attempt.run.download_bps, record.attempt.run.upload_bps)
        for record in records
        if isinstance(record, ImportedRun) and record.attempt.run.status is Status.OK
    ]


@pytest.mark.parametrize("name", WRITTEN_FORMATS)
@settings(max_examples=20)
@given(rows=ROWS)
def test_no_readable_row_is_lost(name: str, rows: list[tuple[int, int, int]]):
    """Each is a run with its rates in bit/s, its latency and its time; nothing is refused."""
    known = WRITTEN_FORMATS[name]
    records = read(known, to_tests(known, rows))
    assert runs_of(records) == [(down * STEP_BPS, up * STEP_BPS) for down, up, _ in rows]
    runs = [record.attempt.run for record in records if isinstance(record, ImportedRun)]
    assert [run.latency_ms for run in runs] == [ping / 1000 for *_, ping in rows]
    duration = timedelta(seconds=21 if name == "myspeed" else 0)
    assert [run.started_at for run in runs] == [
        FIRST + number * timedelta(minutes=10) - duration for number in range(len(rows))
    ]
    assert not [record for record in records if isinstance(record, RejectedPart)]


@pytest.mark.parametrize("name", WRITTEN_FORMATS)
@settings(max_examples=40)
@given(cell=st.sampled_from(["download", "upload", "ping"]), rows=ROWS, junk=JUNK, place=st.integers(0, 4))
def test_no_unreadable_cell_becomes_a_number_or_a_failure(
    name: str, cell: str, rows: list[tuple[int, int, int]], junk: str, place: int
):
    """Its row is refused with the text of the cell, and the other rows are runs."""
    assume(junk.lower() not in MISSING_WORDS)
    known = WRITTEN_FORMATS[name]
    tests, place = to_tests(known, rows), place % len(rows)
    tests[place] = replace(tests[place], **{cell: junk})
    records = read(known, tests)
    kept = [(down * STEP_BPS, up * STEP_BPS) for number, (down, up, _) in enumerate(rows) if number != place]
    assert runs_of(records) == kept
    assert not [record for record in records if isinstance(record, ImportedRun)][len(kept) :]
    (refused,) = (record for record in records if isinstance(record, RejectedPart))
    assert "column" in refused.reason


@pytest.mark.parametrize("name", [*WRITTEN_FORMATS, "myspeed database", "pihole database", "tracker database"])
def test_nothing_is_stored_twice(name: str, tmp_path: Path):
    """A file imported again, and a longer one, add only what is new; so for each probe."""
    tables = {"myspeed database": "speedtests", "pihole database": "speedtest", "tracker database": "results"}
    sources = {"myspeed database": "myspeed", "pihole database": "pihole", "tracker database": "speedtest-tracker"}
    known = WRITTEN_FORMATS[sources.get(name, name)]
    file, url = tmp_path / "file", f"sqlite:///{tmp_path}/speedmon.db"
    stored = []
    for length, probe in ((2, "home"), (2, "home"), (3, "home"), (3, "shed"), (3, "shed")):
        text = known.write(to_tests(known, [(100 + number, 50, 12_500) for number in range(length)]))
        file.unlink(missing_ok=True)
        if name in tables:
            write_database(file, tables[name], text)
        else:
            file.write_text(text, newline="")
        counts = storing.ImportCounts()
        with importer.open_source(file, replace(CONTEXT, probe=probe), column_map=known.column_map) as opened:
            for batch in storing.split_batches(opened.records, counts):
                storing.store_batch(url, batch, counts)
        stored.append((counts.stored, counts.existing, counts.rejected))
    assert stored == [(2, 0, 0), (0, 2, 0), (1, 2, 0), (3, 0, 0), (0, 3, 0)]
