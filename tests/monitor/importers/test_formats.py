"""Files whose every row or object is a run: each made to the format's rules, recordings where there are any."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime

import pytest
from import_helpers import reasons, run, runs
from places import DATA

from monitor.model import FailureKind, Measurement, Run, Scope, Server, Status

OOKLA = DATA.joinpath("ookla", "v1.2_result_speedtest-tracker_factory.json").read_text().strip()

CLI_HEADER = DATA.joinpath("speedtest-cli", "csv_header_produced_here.csv").read_text()

CLI_ROW = '5029,AT&T,"New York, NY",2020-01-19T22:05:10.986822Z,5.9,15.015,62739979.9,11754874.4,,203.0.113.7\n'

CLI_JSON = DATA.joinpath("speedtest-cli", "success_2.1.2_json_2020-01-19_spectrum.json").read_text()

LIBRE_HEADER = "Timestamp,Server Name,Address,Ping,Jitter,Download,Upload,Share,IP\n"

LIBRE_ROW = '2026-08-18T02:09:50.1Z,"Frankfurt, Germany",http://fra.example.net/backend,10,1,20.5,10.25,,203.0.113.42\n'

A_HEADER = "ID,Service,Status,Scheduled,Healthy,Created at,Updated at,Comments"

A_DATA = (
    "Ping jitter,Ping latency,Download bandwidth,Download latency iqm,Upload bandwidth,Packet loss,Isp,"
    "Server id,Server name,Result url,Timestamp"
)

A_ROW = (
    "7,ookla,completed,Yes,Yes,2024-03-01 00:59:00,2024-03-01 01:00:01,,"
    "1.878,19.133,115625000,104.125,113750000,0,Speedtest Communications,1234,Speedtest,"
    "https://www.speedtest.net/result/c/00000000-0000-4000-8000-000000000011,2024-03-01T01:00:00Z"
)

H_HEADER = "id,ping,download,upload,server_id,server_name,server_host,url,scheduled,failed,created_at,updated_at\n"

H_ROW = "3,11.5,93.25,17.5,1234,Example,speed.example.net:8080,,1,0,2021-06-01 12:00:00,2021-06-01 12:00:00\n"

MY_HEADER = "id,serverId,ping,download,upload,error,type,time,created,jitter,resultId,isp\r\n"

MY_ROW = '1,"1234",12,93.25,17.5,"","auto",21,"2023-06-01T12:00:00.000Z",0.5,"abc-12345678","Say \\"Hi\\", Ltd"\r\n'


@pytest.mark.parametrize(
    "text", [CLI_HEADER + CLI_ROW, CLI_ROW, CLI_HEADER + CLI_ROW.replace(",", ";").replace("York;", "York,")]
)
def test_speedtest_cli_csv(text: str):
    """bit/s and UTC, with and without the header, with another delimiter where there is a header."""
    imported = run(text if ";" not in text else text.replace(CLI_HEADER, CLI_HEADER.replace(",", ";")))
    assert (imported.engine, imported.started_at) == ("speedtest-cli", datetime(2020, 1, 19, 22, 5, 10, tzinfo=UTC))
    assert (imported.download_bps, imported.upload_bps, imported.latency_ms) == (62739980, 11754874, 15.015)
    assert (imported.server, imported.external_ip) == (Server("5029", "AT&T", "New York, NY"), "203.0.113.7")


def test_speedtest_cli_json():
    """Its objects are told from those of others by their rates, which are numbers."""
    imported = run(CLI_JSON)
    assert (imported.engine, imported.download_bps, imported.isp) == ("speedtest-cli", 62739980, "Spectrum")


def test_a_repeated_header_is_not_a_rejected_line():
    """A script that prints it before every row makes no noise; an error in between is reported."""
    text = CLI_HEADER + CLI_ROW + "ERROR: <urlopen error [Errno 111] Connection refused>\n" + CLI_HEADER + CLI_ROW
    assert len(runs(text)) == 2
    assert reasons(text) == [(3, "not a row of 10 columns: 'ERROR: <urlopen error [Errno 111] Connection refused>'")]


@pytest.mark.parametrize("text", [CLI_ROW.replace("62739979.9", "0.0"), CLI_JSON.replace("62739979.93993792", "0.0")])
def test_speedtest_cli_that_moved_nothing_failed(text: str):
    """A rate of 0.0 means that every transfer failed."""
    imported = run(text)
    assert (imported.status, imported.download_bps, imported.upload_bps) == (Status.FAILED, None, None)


@pytest.mark.parametrize(
    "text",
    [
        LIBRE_HEADER + LIBRE_ROW,
        LIBRE_ROW,
        DATA.joinpath("librespeed", "json_shape_from_source_72c2c59.json").read_text(),
    ],
)
def test_librespeed(text: str):
    """Mbit/s, whatever its help says."""
    imported = run(text)
    assert (imported.engine, imported.started_at) == ("librespeed", datetime(2026, 8, 18, 2, 9, 50, tzinfo=UTC))
    assert imported.download_bps in {20_000_000, 20_500_000}


def tracker(**changes: object) -> dict[str, object]:
    """Return a row of today's speedtest-tracker as its API returns it."""
    row = {
        "id": 7,
        "service": "ookla",
        "ping": 19.133,
        "download": 115625000,
        "upload": 113750000,
        "status": "completed",
    }
    return row | {"data": json.loads(OOKLA), "created_at": "2024-03-01 00:59:00", "comments": None} | changes


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"data": [tracker()], "links": {}, "meta": {}}),
        json.dumps({"data": tracker(), "message": "ok"}),
        json.dumps([tracker()]),
        json.dumps(tracker(data=OOKLA)),
        f"{A_HEADER},{A_DATA}\n{A_ROW}\n",
        f"{A_HEADER},{A_DATA}\n{A_ROW}\n".replace("Created at", "created_at").replace("Ping latency", "pingLatency"),
    ],
)
def test_speedtest_tracker(text: str):
    """The API's pages and single answers and the CSV export give what the CLI printed at the test's end, in UTC."""
    imported = run(text)
    assert (imported.engine, imported.finished_at) == ("ookla", datetime(2024, 3, 1, 1, tzinfo=UTC))
    assert (imported.download_bps, imported.upload_bps) == (115625000 * 8, 113750000 * 8)
    assert (imported.latency_ms, imported.jitter_ms, imported.download_latency_ms) == (19.133, 1.878, 104.125)
    assert (imported.isp, imported.packet_loss_pct) == ("Speedtest Communications", 0)


def test_a_result_of_speedtest_tracker_is_the_one_in_the_clis_log():
    """What the CLI logged and the tracker kept has one id, by the provider's."""
    url = "https://www.speedtest.net/result/c/00000000-0000-4000-8000-000000000011"
    same = json.loads(OOKLA) | {"result": {"url": url}}
    assert run(json.dumps(same)).id == run(f"{A_HEADER},{A_DATA}\n{A_ROW}\n").id


@pytest.mark.parametrize(
    ("changes", "status", "kind", "message"),
    [
        (
            {"status": "failed", "data": {"type": "log", "level": "error", "message": "[0] Cannot open socket"}},
            Status.FAILED,
            FailureKind.UNREACHABLE,
            "[0] Cannot open socket",
        ),
        (
            {"status": "failed", "data": None},
            Status.FAILED,
            FailureKind.UNKNOWN,
            "failed; speedtest-tracker kept no reason",
        ),
        ({"status": "running", "data": None}, Status.INTERRUPTED, FailureKind.INTERRUPTED, "its status is running"),
        ({"status": "skipped", "data": {"message": "quiet hours"}}, Status.SKIPPED, FailureKind.UNKNOWN, "quiet hours"),
        (
            {"download": 0, "upload": 0, "data": None},
            Status.FAILED,
            FailureKind.STAGE_FAILED,
            "without a download rate",
        ),
    ],
)
def test_rows_of_speedtest_tracker_without_a_result(
    changes: dict[str, object], status: Status, kind: FailureKind, message: str
):
    """Failed, stuck and skipped rows are runs without a number, with the reason that was kept."""
    imported = run(json.dumps(tracker(**changes)))
    assert imported.failure is not None
    assert (imported.status, imported.failure.kind, imported.download_bps) == (status, kind, None)
    assert message in imported.failure.message
    assert imported.started_at == datetime(2024, 3, 1, 0, 59, tzinfo=UTC)


def test_what_speedtest_tracker_made_up():
    """Rows of its service for demonstrations are reported and left out."""
    assert reasons(json.dumps(tracker(service="faker"))) == [(1, "demo data made up by speedtest-tracker")]


def test_an_export_whose_first_row_was_a_failure_lacks_the_rates():
    """Its columns are those of the first row; the others are reported, not called failures."""
    text = f"{A_HEADER},Type,Message\n1,ookla,failed,Yes,,2024-03-01 00:59:00,,,log,Cannot open socket\n"
    text += "2,ookla,completed,Yes,,2024-03-01 01:59:00,,,,\n"
    (imported,) = runs(text)
    assert imported.status is Status.FAILED
    ((line, reason),) = reasons(text)
    assert line == 3
    assert "import the SQLite file instead" in reason


@pytest.mark.parametrize(
    "text",
    [H_HEADER + H_ROW, json.dumps([dict(zip(H_HEADER.strip().split(","), H_ROW.strip().split(","), strict=True))])],
)
def test_the_older_speedtest_tracker(text: str):
    """Mbit/s, and times of the zone that is passed in."""
    imported = run(text)
    assert (imported.started_at, imported.download_bps, imported.upload_bps) == (
        datetime(2021, 6, 1, 10, tzinfo=UTC),
        93_250_000,
        17_500_000,
    )
    assert imported.server == Server("1234", "Example", host="speed.example.net:8080")


@pytest.mark.parametrize("row", ["4,0,0,0,,,,,1,1,2021-06-01 12:05:00,\n", "4,0,0,0,,,,,1,0,2021-06-01 12:05:00,\n"])
def test_nothing_three_times_is_a_failure(row: str):
    """0, 0, 0 is the older speedtest-tracker's word for a failed test, whether it says so or not."""
    imported = run(H_HEADER + row)
    assert imported.failure is not None
    assert (imported.status, imported.failure.scope, imported.latency_ms) == (Status.FAILED, Scope.UNKNOWN, None)


def test_the_oldest_columns():
    """Six columns are enough."""
    imported = run("id,ping,download,upload,created_at,updated_at\n1,5.5,90.1,9.9,2019-06-01 12:00:00,\n")
    assert (imported.download_bps, imported.server) == (90_100_000, None)


MY_JSON = {"id": 1, "serverId": 1234, "ping": 12, "download": 93.25, "upload": 17.5, "error": None, "type": "auto"} | {
    "time": 21,
    "created": "2023-06-01T12:00:00.000Z",
    "jitter": 0.5,
    "resultId": "abc-12345678",
    "isp": 'Say "Hi", Ltd',
}


@pytest.mark.parametrize("text", [MY_HEADER + MY_ROW, json.dumps([MY_JSON]), json.dumps([MY_JSON], indent=2)])
def test_myspeed(text: str):
    """Mbit/s; in the CSV each field is JSON, with JSON's escapes; it began as long ago as it took."""
    imported = run(text)
    assert (imported.started_at, imported.finished_at) == (
        datetime(2023, 6, 1, 11, 59, 39, tzinfo=UTC),
        datetime(2023, 6, 1, 12, tzinfo=UTC),
    )
    assert (imported.download_bps, imported.upload_bps, imported.jitter_ms) == (93_250_000, 17_500_000, 0.5)
    assert (imported.isp, imported.result_url) == ('Say "Hi", Ltd', "https://www.speedtest.net/result/c/abc-12345678")


def test_minus_one_three_times_is_a_failure():
    """MySpeed's -1 is not a number, and its error is reported."""
    nothing = dict.fromkeys(("ping", "download", "upload"), -1)
    imported = run(json.dumps([MY_JSON | nothing | {"error": "Network unreachable", "jitter": None}]))
    assert imported.failure is not None
    assert (imported.status, imported.failure.kind, imported.failure.scope) == (
        Status.FAILED,
        FailureKind.UNREACHABLE,
        Scope.LINE,
    )
    assert (imported.download_bps, imported.latency_ms) == (None, None)


def test_averages_are_not_measurements():
    """They are left out, and that is reported."""
    assert reasons(json.dumps([MY_JSON | {"type": "average"}])) == [(1, "an average of other rows, not a measurement")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CLI_HEADER + CLI_ROW.replace("2020-01-19T22:05:10.986822Z", "T"), "column 'Timestamp': 'T' is not a time"),
        (
            H_HEADER + H_ROW.replace("2021-06-01 12:00:00", "0000-00-00 00:00:00"),
            "column 'created_at': '0000-00-00 00:00:00' is not a time",
        ),
        (json.dumps([MY_JSON | {"created": None}]), "column 'created': no time"),
        (json.dumps(tracker(created_at="", data=None)), "column 'created_at': no time"),
    ],
)
def test_a_row_without_a_time_is_rejected(text: str, words: str):
    """It gives no run, in any format; line, column and text are named."""
    assert reasons(text) == [(text.count("\n") or 1, words)]


@pytest.mark.parametrize(
    "text",
    [
        MY_HEADER.replace(",", ";") + "1;1234.0;12;93,25;17,5;;auto;21;01.06.2023 14:00;0,5;abc-12345678;x\r\n",
        H_HEADER.replace(",", ";") + "3;12;93,25;17,5;1234.0;x;y;;1;0;01.06.2023 14:00;\n",
        H_HEADER + '3,12,"93,25",17.50 Mbit/s,1234,x,y,,1,0,6/1/2023 2:00 PM,6/13/2023 2:00 PM\n',
        LIBRE_HEADER.replace(",", ";") + "2023-06-01 12:00:00 UTC;x;http://y;12 ms;0,5;93,25;17,5;;203.0.113.42\n",
    ],
)
def test_saved_again_by_a_spreadsheet(text: str):
    """Decimal commas, units, whole ids and dates of the country are read in every format."""
    imported = run(text)
    assert (imported.download_bps, imported.upload_bps, imported.latency_ms) == (93_250_000, 17_500_000, 12)
    assert imported.finished_at == datetime(2023, 6, 1, 12, tzinfo=UTC)
    assert imported.server is None or imported.server.id in {"1234", None}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CLI_HEADER + CLI_ROW.replace("15.015", '"15,015"'), "column 'Ping': '15,015' is not clear"),
        (H_HEADER + H_ROW.replace("93.25", "n/k"), "column 'download': 'n/k' is not a number"),
        (MY_HEADER + MY_ROW.replace("93.25", '"fast"'), "column 'download': 'fast' is not a number"),
        (LIBRE_HEADER + LIBRE_ROW.replace("20.5", "20.5.1"), "column 'Download': '20.5.1' is not a number"),
        (
            f"{A_HEADER},{A_DATA}\n{A_ROW}\n".replace("115625000", "115 x"),
            "column 'download.bandwidth': '115 x' is not",
        ),
        (json.dumps(tracker(data=OOKLA.replace("115625000", '"x"'))), "column 'data.download.bandwidth': 'x' is not"),
        (CLI_JSON.replace("62739979.93993792", '"62,739"'), "column 'download': '62,739' is not clear"),
        (OOKLA.replace("115625000", '"quick"'), "column 'download.bandwidth': 'quick' is not a number"),
    ],
)
def test_a_cell_that_cannot_be_read_in_any_format(text: str, words: str):
    """It refuses its row, with the column and the text."""
    ((_, reason),) = reasons(text)
    assert (runs(text), reason.startswith(words)) == ([], True), reason


NO_FAILURE = "a rate of 0, and the file does not say that the test failed"

OOKLA_ROW = '2023-06-01T12:00:00Z,"A - B","1","11.2","0.4","0","11000000","2500000","95000000","30000000",""\n'


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        (CLI_JSON.replace("62739979.93993792", "null"), (None, 11_754_874)),
        (CLI_JSON.replace("62739979.93993792", "NaN"), (None, 11_754_874)),
        (OOKLA_ROW.replace("11000000", "N/A"), (None, 20_000_000)),
        (OOKLA_ROW.replace("11000000", ""), (None, 20_000_000)),
        (MY_HEADER + MY_ROW.replace("93.25", '"\u2013"'), (None, 17_500_000)),
        (H_HEADER + H_ROW.replace("93.25", "#N/A"), (None, 17_500_000)),
        (CLI_HEADER + CLI_ROW.replace("62739979.9", "n.a."), (None, 11_754_874)),
    ],
)
def test_a_missing_rate_is_a_missing_rate(text: str, rates: tuple[int | None, int]):
    """The other one is kept, and the test did not fail."""
    imported = run(text)
    assert (imported.status, imported.download_bps, imported.upload_bps) == (Status.OK, *rates)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CLI_HEADER + CLI_ROW.replace("62739979.9", "0.4"), "column 'Download': '0.4' is not a possible value"),
        (CLI_HEADER + CLI_ROW.replace("62739979.9", "1e-400"), "column 'Download': '1e-400' is too small"),
        (CLI_JSON.replace("62739979.93993792", "true"), "column 'download': 'True' is not a number"),
        (CLI_JSON.replace("62739979.93993792", '{"a": 1}'), "column 'download': \"{'a': 1}\" is not a number"),
        (OOKLA_ROW.replace("11000000", "fast"), "column 'download': 'fast' is not a number"),
        (OOKLA_ROW.replace("11000000", "-1"), "column 'download': '-1' is not a possible value"),
        (
            MY_HEADER + MY_ROW.replace("93.25,17.5", "0,0"),
            "a rate of 0, and the file does not say that the test failed",
        ),
        (H_HEADER + H_ROW.replace("93.25", "0"), NO_FAILURE),
        (H_HEADER + H_ROW.replace(",1,0,", ",1,maybe,"), "column 'failed': 'maybe' is neither yes nor no"),
    ],
)
def test_nothing_is_made_of_what_cannot_be_read(text: str, reason: str):
    """A rate of 0 fails a test only where the program writes it for one that failed."""
    assert [why for _, why in reasons(text)] == [reason]
    assert runs(text) == []


def test_an_error_of_myspeed_without_rates_is_a_failure():
    """With rates it is a measured run, whose ping may have a unit."""
    failed = run(MY_HEADER + MY_ROW.replace('93.25,17.5,""', 'null,null,"Network unreachable"'))
    assert (failed.status, failed.failure and failed.failure.message) == (Status.FAILED, "Network unreachable")
    measured = run(MY_HEADER + MY_ROW.replace(",12,", ',"12 ms",'))
    assert (measured.status, measured.latency_ms) == (Status.OK, 12)


def test_a_header_of_ooklas_with_a_date_before_it_is_no_other_table():
    """Its rates are in bytes/s, as those of a row without a header."""
    header = "date,server name,server id,latency,jitter,packet loss,download,upload,download bytes,upload bytes,url\n"
    for first in (header, header.replace("date", "timestamp")):
        imported = run(first + OOKLA_ROW)
        assert (imported.engine, imported.download_bps) == ("ookla", 88_000_000)


def test_a_run_has_the_fields_of_a_measurement_in_one_piece():
    """Imported measurements become runs by their order."""
    measured, of_run = ([field.name for field in fields(kind)] for kind in (Measurement, Run))
    assert of_run[8 : 8 + len(measured)] == measured
