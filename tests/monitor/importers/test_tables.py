"""Tables as people have them: saved again by spreadsheets, put together, damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_helpers import CONTEXT, notes, reasons, records, run, runs

from monitor.importers import importer, tables
from monitor.importers.base import ImportedRun, RejectedPart
from monitor.model import Status

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "Server ID,Sponsor,Server Name,Timestamp,Distance,Ping,Download,Upload,Share,IP Address"

ROW = "90602,Example Hosting,Northtown,2018-07-01T18:42:03.020515Z,50.83,48.377,5888372.207,5121314.07,,192.0.2.7"

SECOND = '90353,"Sample, Ltd",Upon River,2018-07-01T19:42:03.281360Z,53.15,52.077,4786727.87,4315347.46,,192.0.2.7'

OLD_ROW = "90602,Example Hosting,Northtown,2018-07-01T18:42:03.020515,50.827748319535935,48.377,5888372.2,5121314.07"

TEXT = f"{HEADER}\n{ROW}\n{SECOND}\n"

RATES = [5888372, 4786728]


def rates(text: str) -> list[int | None]:
    """Return the download rates of a text."""
    return [found.download_bps for found in runs(text)]


def quoted(text: str) -> str:
    """Return a text with each field in quotes, as some programs save it."""
    rows = [tables.split_line(line, ",") or [] for line in text.splitlines()]
    return "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows)


def reordered(text: str) -> str:
    """Return a text with its columns in reverse order."""
    rows = [tables.split_line(line, ",") or [] for line in text.splitlines()]
    return "".join(";".join(row[::-1]) + "\n" for row in rows)


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff{TEXT}",
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        TEXT.replace("\n", "\n\n,,,,,,,,,\n"),
        TEXT.replace("\n", ",,\n"),
        f"sep=,\n{TEXT}",
        quoted(TEXT),
        reordered(TEXT),
        TEXT.replace("90602", "90602.0"),
        f"{HEADER}\n{ROW}\n\ufeff{HEADER}\n{SECOND}\n",
        f"{HEADER}\n{ROW}\n" + reordered(f"{HEADER}\n{SECOND}\n"),
        f"{HEADER.removesuffix(',Share,IP Address')}\n{OLD_ROW}\n{SECOND}\n",
        f"{OLD_ROW}\n{SECOND}\n",
        f"{ROW}\n{SECOND}\n",
    ],
)
def test_layouts(text: str):
    """No row is lost or changed, and none is refused; ids are whole numbers."""
    assert (rates(text), reasons(text)) == (RATES, [])
    assert [found.server and found.server.id for found in runs(text)] == ["90602", "90353"]


@pytest.mark.parametrize("delimiter", [*";|\t:# x~^"])
def test_any_delimiter(delimiter: str):
    """`--csv-delimiter` takes any character; version 1.0.0 writes its header with commas all the same."""
    rows = [tables.split_line(line, ",") or [] for line in TEXT.splitlines()]
    joined = [delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in row) for row in rows]
    for text in ("\n".join(joined), "\n".join([HEADER, *joined[1:]]), "\n".join(joined[1:])):
        assert (rates(text), reasons(text)) == (RATES, [])


@pytest.mark.parametrize(
    ("cell", "text", "title"),
    [
        ("5888372.207", "5.888.372.207 x", "Download"),
        ("5888372.207", "fast", "Download"),
        ("5888372.207", "-1", "Download"),
        ("5121314.07", "87.31 furlongs", "Upload"),
        ("48.377", "48.377 pears", "Ping"),
        ("2018-07-01T18:42:03.020515Z", "yesterday", "Timestamp"),
    ],
)
def test_a_cell_that_cannot_be_read_refuses_its_row(cell: str, text: str, title: str):
    """Line, column and text are named; it is neither a missing number nor a failed run."""
    ((line, reason),) = reasons(TEXT.replace(cell, text))
    assert (line, reason.startswith(f"column {title!r}: {text!r} is ")) == (2, True)
    assert rates(TEXT.replace(cell, text)) == RATES[1:]


def test_units_and_decimal_commas():
    """They are read, where they are certain."""
    units = ROW.replace("5888372.207", "87.31 Mbit/s").replace("48.377", "48.377 ms")
    imported = run(f"{HEADER}\n{units}\n")
    assert (imported.download_bps, imported.latency_ms) == (87_310_000, 48.377)
    saved = ROW.replace(",", ";").replace("5888372.207", "5.888.372,2").replace("5121314.07", "5121314,07")
    saved = saved.replace("48.377", "48,377").replace("50.83", "50,83")
    imported = run(f"{HEADER.replace(',', ';')}\n{saved}\n")
    assert (imported.download_bps, imported.latency_ms, imported.status) == (5_888_372, 48.377, Status.OK)


def test_a_missing_rate_is_no_failure():
    """A transfer that was left out is missing; without any rate there is no run; 0.0 is a transfer that failed."""
    left_out = TEXT.replace("5888372.207", "0").replace("4786727.87", "")
    assert [(found.status, found.download_bps) for found in runs(left_out)] == [(Status.OK, None)] * 2
    neither = TEXT.replace("5888372.207", "").replace("5121314.07", "")
    assert reasons(neither) == [(2, "no rate: neither download nor upload")]
    assert [found.status for found in runs(TEXT.replace("5888372.207", "0.0"))] == [Status.FAILED, Status.OK]


def test_a_quote_that_is_not_closed_costs_its_own_line():
    """The lines after it are read."""
    text = f"{HEADER}\n{ROW.replace('Example', chr(34) + 'Example')}\n{ROW}\n{SECOND}\n"
    assert rates(text) == RATES
    ((line, reason),) = reasons(text)
    assert (line, reason.startswith("a quote is not closed")) == (2, True)


def test_a_quote_inside_of_a_field_is_a_quote():
    """`5" disk` is complete."""
    imported = run(f"{HEADER}\n{ROW.replace('Northtown', 'North 5' + chr(34))}\n")
    assert imported.server is not None
    assert imported.server.location == 'North 5"'


@pytest.mark.parametrize("filler", ["x" * 60_000, "x" * 60_000 + "\n"])
def test_a_field_without_an_end(filler: str):
    """It ends at a limit, is named, and the rows around it are read."""
    pieces = [f"{HEADER}\n", f"{ROW}\n", '90602,"', *[filler] * 90, f"\n{SECOND}\n"]
    recognized = importer.find_reader(pieces[:3])
    assert recognized is not None
    found = [*recognized[1](pieces, CONTEXT)]
    assert [record.attempt.run.download_bps for record in found if isinstance(record, ImportedRun)][:1] == RATES[:1]
    first = next(record for record in found if isinstance(record, RejectedPart))
    assert first.line == 3
    assert "longer than" in first.reason or "not closed" in first.reason


_NUMBER = st.floats(1e4, 1e9, allow_nan=False).map(lambda rate: round(rate, 3))

_GARBAGE = st.sampled_from(["x", "1.2.3", "--5", "12:30", "5 Mbit", "5 apples", "#REF!", "1,5,", "٣٣"])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(_NUMBER, _NUMBER, st.none() | _GARBAGE, st.booleans()), min_size=1, max_size=8), st.booleans()
)
def test_no_readable_row_is_lost_and_no_garbage_is_taken(
    rows: list[tuple[float, float, str | None, bool]], commas: bool
):
    """Each row is its run or a reason with its line; a cell that is garbage is neither a number nor a failure."""
    lines = [HEADER.replace(",", ";")]
    for number, (down, up, garbage, is_first) in enumerate(rows):
        cells = [f"{down:.3f}", f"{up:.3f}"]
        if commas:
            cells = [cell.replace(".", ",") for cell in cells]
        if garbage is not None:
            cells[0 if is_first else 1] = garbage
        lines.append(f"1;A;B;2018-07-01T18:{number:02}:03Z;5{',' if commas else '.'}25;;{cells[0]};{cells[1]};;")
    found = records("\n".join(lines) + "\n")
    expected = [(number, row) for number, row in enumerate(rows, 2) if row[2] is None or row[2] == "5 Mbit"]
    taken = {record.line: record.attempt.run for record in found if isinstance(record, ImportedRun)}
    assert [*taken] == [number for number, _ in expected]
    assert {found_run.status for found_run in taken.values()} <= {Status.OK}
    for number, (down, up, garbage, _) in expected:
        if garbage is None:
            assert (taken[number].download_bps, taken[number].upload_bps) == (round(down), round(up))


def test_text_of_windows(tmp_path: Path):
    """What is not UTF-8 is read as Windows writes it; UTF-16 is recognized with and without its mark."""
    text = TEXT.replace("Northtown", "Nürnberg")
    for encoding in ("cp1252", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        file = tmp_path / encoding
        file.write_bytes(text.encode(encoding))
        with importer.open_source(file, CONTEXT) as source:
            servers = [record.attempt.run.server for record in source.records if isinstance(record, ImportedRun)]
        assert [server and server.location for server in servers] == ["Nürnberg", "Upon River"], encoding


def test_a_number_at_the_end_that_may_be_cut_is_noted():
    """A file that was copied while it was written ends in the middle of a row; with a line end it does not."""
    header, row = "Date,Time,Download (Mbps),Upload (Mbps)\n", "2024-01-13,15:12,47.40,94.10\n"
    cut = header + row + row.replace("15:12", "15:13").replace("94.10", "9").rstrip()
    assert notes(cut) == [(3, "the file ends with this row and no line end: is its last number cut?")]
    assert notes(cut + "\n") == notes(header + row + row.replace("15:12", "15:13").rstrip()) == []
