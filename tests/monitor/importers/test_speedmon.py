"""What is exported comes back as it was, from every format."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import pytest
from example_runs import any_run, make_attempt, make_failed_attempt
from hypothesis import given, settings
from hypothesis import strategies as st
from import_helpers import CONTEXT, reasons, records, run, runs

from monitor.importers import importer, readers, speedmon
from monitor.importers.base import ImportedRun
from monitor.model import Failure, Remark, Run, Server
from monitor.output import export

if TYPE_CHECKING:
    from pathlib import Path

RUNS = st.lists(any_run.filter(lambda run: run.server != Server()), max_size=4)

some = settings(deadline=None, max_examples=40)

_ALWAYS = {"id", "probe", "engine"}


def without_empty_texts(run: Run) -> Run:
    """Return a run as CSV can hold it: an empty text is a missing one, and a part that has nothing is none."""
    changes = {
        field.name: _none_for_empty(getattr(run, field.name))
        for field in dataclasses.fields(run)
        if field.name not in _ALWAYS
    }
    return dataclasses.replace(run, **changes)


def _none_for_empty(value: object) -> object:
    if isinstance(value, Server):
        server = Server(*(_none_for_empty(part) for part in dataclasses.astuple(value)))
        return None if server == Server() else server
    if isinstance(value, Failure):
        return dataclasses.replace(value, stage=value.stage or None)
    return None if value == "" else value


def lines(text: str) -> list[str]:
    """Return the lines of a text as a file has them: other characters than a line feed end none."""
    return io.StringIO(text, newline="").readlines()


def read(text: str, reader: importer.Reader) -> list[Run]:
    """Return the runs that a reader finds; every record must be one."""
    imported = [*reader(lines(text), CONTEXT)]
    assert all(isinstance(record, ImportedRun) for record in imported), imported
    return [record.attempt.run for record in imported]


@some
@given(RUNS)
def test_json_lines_come_back(given_runs: list[Run]):
    """Every field of any run, remarks and parts too."""
    text = "".join(export.to_json_lines(given_runs))
    assert read(text, lambda pieces, context: readers.read_objects(speedmon.OBJECTS, pieces, context)) == given_runs


@some
@given(RUNS)
def test_the_json_array_comes_back(given_runs: list[Run]):
    """What `history --json` prints is read as well."""
    text = "".join(export.to_json_array(given_runs))
    assert read(text, lambda pieces, context: readers.read_objects(speedmon.OBJECTS, pieces, context)) == given_runs


@some
@given(RUNS)
def test_csv_comes_back(given_runs: list[Run]):
    """Every field of any run, but that CSV has no empty texts."""
    imported = importer.find_reader(lines("".join(export.to_csv_lines(given_runs))))
    assert imported is not None
    text = "".join(export.to_csv_lines(given_runs))
    assert read(text, imported[1]) == [without_empty_texts(run) for run in given_runs]


@some
@given(given_runs=RUNS)
def test_parquet_comes_back(given_runs: list[Run], tmp_path_factory: pytest.TempPathFactory):
    """Every field of any run, with its type."""
    file = tmp_path_factory.getbasetemp() / "runs.parquet"
    with file.open("wb") as opened:
        export.write_parquet(given_runs, opened)
    assert export.count_parquet_rows(file) == len(given_runs)
    imported = [*readers.read_rows(speedmon.ROWS, export.read_parquet(file), CONTEXT)]
    assert [record.attempt.run for record in imported if isinstance(record, ImportedRun)] == given_runs


def test_remarks_with_separators_come_back():
    """Words that look like the end of a remark do not end it."""
    remarks = (Remark("wrong_isp", "A; B: C\\"), Remark("a:b;c", "; x: y"))
    (imported,) = runs("".join(export.to_csv_lines([make_attempt(remarks=remarks).run])))
    assert imported.remarks == remarks


def test_a_named_probe_replaces_that_of_the_export():
    """--probe gives the runs to another probe, under ids of its own; the probe's own runs keep theirs."""
    given_run = make_attempt(retry_of="00000000-0000-4000-8000-000000000001", attempt=2).run
    text = "".join(export.to_json_lines([given_run]))
    imported, again, own = (
        run(text, dataclasses.replace(CONTEXT, probe=probe, replaces_probe=True)) for probe in ("away", "away", "home")
    )
    assert (imported, own) == (again, given_run)
    assert imported == dataclasses.replace(given_run, probe="away", id=imported.id, retry_of=imported.retry_of)
    assert not {imported.id, imported.retry_of} & {given_run.id, given_run.retry_of}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": ""}, "its id '' is not a UUID"),
        ({"download_bps": -1}, "download_bps is impossible"),
        ({"upload_bytes": 2**70}, "out of range|impossible"),
        ({"ip_family": 5}, "ip_family"),
    ],
)
def test_nonsense_is_refused_by_row(changes: dict[str, object], words: str):
    """A row that somebody changed into nonsense is reported with its line; the others are taken."""
    wrong = dataclasses.replace(make_attempt().run, **changes)
    text = "".join(export.to_json_lines([make_failed_attempt().run, wrong, make_attempt().run]))
    assert len(runs(text)) == 2
    ((line, reason),) = reasons(text)
    assert line == 2
    assert any(word in reason for word in words.split("|"))


def test_a_status_that_nobody_knows_is_refused():
    """What is not a valid run says where it is not."""
    text = "".join(export.to_csv_lines([make_attempt().run])).replace(",ok,", ",good,")
    ((line, reason),) = reasons(text)
    assert (line, reason) == (2, "not a valid run: Invalid enum value 'good' - at `$.status`")


def test_one_row_of_two_lines_is_one_run(tmp_path: Path):
    """A line end inside a quoted field belongs to it."""
    text = "".join(export.to_csv_lines([make_attempt(isp='Kabel, "Süd"\nGmbH').run, make_attempt().run]))
    assert [record.line for record in records(text)] == [3, 4]
    assert runs(text)[0].isp == 'Kabel, "Süd"\nGmbH'
