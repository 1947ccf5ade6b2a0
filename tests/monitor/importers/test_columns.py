"""Tables that name their columns themselves, and those whose columns the user names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from import_helpers import CONTEXT, reasons, run, runs

from monitor.errors import UsageError
from monitor.importers import importer
from monitor.importers.base import ImportedRun, RejectedPart
from monitor.importers.columns import ColumnMap
from monitor.model import Run, Server, Status

if TYPE_CHECKING:
    from pathlib import Path

TUTORIAL = "Date,Time,Ping (ms),Jitter (ms),Download (Mbps),Upload (Mbps)\n"

EXTRAS = (
    "2017-02-07 00:25:02\t2017-02-07 00:25:29\tExample Net\t192.0.2.7\tExample CZ (Town)\t90.01\t47.129\t55.11\t43.30"
    "\thttp://www.speedtest.net/result/1234567890.png\n"
)

WITH_UNITS = (
    "2017-02-07 00:25:02;2017-02-07 00:25:29;Example Net;192.0.2.7;Example CZ (Town);90.01 km;47.129 ms;55.11 Mbits/s;"
    "43.30 Mbits/s;http://www.speedtest.net/result/1234567890.png\n"
)

OWN = "Timestamp,Upload,Download\n2016-12-13T22:33:02.106582,46616915.066087045,6829336.6209121635\n"


def test_the_csv_of_tutorials():
    """Its units are those of its header, its times local, the order of its dates that of the whole file."""
    text = f"{TUTORIAL}01/04/24,15:12,2.08,0.11,47.40,94.10\n01/13/24,15:26,2.21,1.83,87.53,94.06\n"
    first, second = runs(text)
    assert (first.started_at, second.started_at.day) == (datetime(2024, 1, 4, 14, 12, tzinfo=UTC), 13)
    assert (first.download_bps, first.upload_bps, first.latency_ms, first.jitter_ms) == (
        47_400_000,
        94_100_000,
        2.08,
        0.11,
    )


def test_dates_that_may_be_of_either_order_are_refused():
    """Each with its line and the option that helps."""
    text = f"{TUTORIAL}01/04/24,15:12,2.08,0.11,47.40,94.10\n"
    assert reasons(text) == [
        (2, "column 'Date': '01/04/24 15:12' is not clear: day or month first? Give --date-order dmy or mdy")
    ]


@pytest.mark.parametrize(
    "header",
    [
        "time;download [Mbit/s];upload [Mbit/s];ping [ms]",
        "Timestamp,Download Mbps,Upload Mbps,Ping ms",
        "datetime\tdownload_mbps\tupload_mbps\tlatency_ms",
        "Date and time|Down (Mbit/s)|Up (Mbit/s)|Latency (ms)",
        "when,download (kbit/s),upload (kbit/s),ping (s)",
    ],
)
def test_units_in_any_header(header: str):
    """They may be in brackets or the last word."""
    delimiter = next(mark for mark in ";\t|," if mark in header)
    cells = (
        ["2024-01-13 15:12:00", "47400", "94100", "0.0021"]
        if "kbit" in header
        else ["2024-01-13 15:12:00", "47.40", "94.10", "2.1"]
    )
    imported = run(f"{header}\n{delimiter.join(cells)}\n")
    assert (imported.download_bps, imported.upload_bps, imported.latency_ms) == (47_400_000, 94_100_000, 2.1)


def test_a_unit_that_is_nowhere_refuses_the_row():
    """A number alone is not a rate; one beside which the unit stands is."""
    text = "Date,Time,Ping,Download,Upload\n2024-01-13,15:12,2.08,{},94.10 Mbit/s\n"
    assert reasons(text.format("47.40")) == [(2, "column 'Download': '47.40' is without a unit")]
    assert run(text.format("47.40 Mbit/s")).download_bps == 47_400_000


def test_a_zero_that_nobody_explains_is_no_failure():
    """Only where the source says so is a test failed."""
    ((_, reason),) = reasons(f"{TUTORIAL}2024-01-13,15:12,2.08,0.11,0,0\n")
    assert "the file does not say that the test failed" in reason


@pytest.mark.parametrize(
    "text",
    [
        "start\tstop\tfrom\tfrom_ip\tserver\tserver_dist (km)\tserver_ping (ms)\tdownload (Mbit/s)\tupload (Mbit/s)"
        "\tshare_url\n" + EXTRAS,
        EXTRAS,
        "start;stop;from;from_ip;server;server_dist;server_ping;download;upload;share_url\n" + WITH_UNITS,
        WITH_UNITS,
        WITH_UNITS.replace(".11", ",11").replace(".30 ", ",30 ").replace("47.129", "47,129").replace("90.01", "90,01"),
    ],
)
def test_speedtest_cli_extras(text: str):
    """With its units in the header, beside the numbers or left out with the header; times are local."""
    imported = run(text)
    assert (imported.started_at, imported.finished_at) == (
        datetime(2017, 2, 6, 23, 25, 2, tzinfo=UTC),
        datetime(2017, 2, 6, 23, 25, 29, tzinfo=UTC),
    )
    assert (imported.download_bps, imported.upload_bps, imported.latency_ms) == (55_110_000, 43_300_000, 47.129)
    assert (imported.engine, imported.isp, imported.server) == (
        "speedtest-cli",
        "Example Net",
        Server(None, "Example CZ", "Town"),
    )


def test_a_part_of_the_columns_of_speedtest_cli():
    """A wrapper's floats are in bit/s, its times in UTC; whole numbers may be in any unit."""
    imported = run(OWN)
    assert (imported.started_at, imported.download_bps, imported.upload_bps) == (
        datetime(2016, 12, 13, 22, 33, 2, tzinfo=UTC),
        6_829_337,
        46_616_915,
    )
    for other in ("93.25", "11547518"):
        ((_, reason),) = reasons(OWN.replace("6829336.6209121635", other))
        assert "use --map" in reason


def read_mapped(tmp_path: Path, text: str, columns: str) -> tuple[list[Run], list[RejectedPart]]:
    """Return what a file gives with the columns of --map."""
    file = tmp_path / "own.csv"
    file.write_text(text)
    with importer.open_source(file, CONTEXT, column_map=ColumnMap(columns)) as source:
        found = [*source.records]
    return (
        [record.attempt.run for record in found if isinstance(record, ImportedRun)],
        [record for record in found if isinstance(record, RejectedPart)],
    )


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (
            "When;Down;Up;RTT\n2024-01-13 15:12;47,40;94,10;2,08\n",
            "time=When,download=Down [Mbit/s],upload=Up [Mbit/s],ping=RTT",
        ),
        (
            "When,Down [Mbit/s],a,b,Up\n2024-01-13 15:12,47.40,,,94100000\n",
            "time=When, download=Down [Mbit/s], upload=Up [bit/s]",
        ),
        ('When,"Down, Mbit/s",Up\n2024-01-13 15:12,47.40,94.1 Mbps\n', "time=When,download=Down, Mbit/s,upload=Up"),
        ("2024-01-13 15:12|x|47.40|94.10\n", "time=#1,download=#3 [Mbit/s],upload=#4 [Mbit/s]"),
        ("Day,Hour,D,U\n13.1.2024,15:12,47.40,94.10\n", "date=Day,time=Hour,download=D [Mbit/s],upload=U [Mbit/s]"),
    ],
)
def test_a_map(tmp_path: Path, text: str, columns: str):
    """The unit is in the map, in the title or beside the number; without a header, columns have numbers."""
    (imported,), refused = read_mapped(tmp_path, text, columns)
    assert (imported.started_at, imported.download_bps, imported.upload_bps, refused) == (
        datetime(2024, 1, 13, 14, 12, tzinfo=UTC),
        47_400_000,
        94_100_000,
        [],
    )


def test_a_map_with_the_column_of_an_error(tmp_path: Path):
    """A row that has an error and no rate is a test that failed."""
    text = "When,Down,Why\n2024-01-13 15:12,47.40,\n2024-01-13 15:13,,no route to host\n"
    (measured, failed), _ = read_mapped(tmp_path, text, "time=When,download=Down [Mbit/s],error=Why")
    assert (measured.status, failed.status, failed.failure and failed.failure.message) == (
        Status.OK,
        Status.FAILED,
        "no route to host",
    )


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("time=When", "needs a time, and a download or an upload"),
        ("speed=Down", "is not KEY=COLUMN; the keys are time"),
        ("time=When,download=Speed", "no line has the columns When, Speed; the first line is 'When;Down;Up'"),
    ],
)
def test_mistakes_in_a_map(tmp_path: Path, columns: str, words: str):
    """They are named."""
    with pytest.raises(UsageError, match=words):
        read_mapped(tmp_path, "When;Down;Up\n", columns)
