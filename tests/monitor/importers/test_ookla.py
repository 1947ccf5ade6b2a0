"""Logs of Ookla's CLI as cron scripts write them: recordings, joined as scripts join them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_helpers import CONTEXT, reasons, run, runs
from places import DATA

from monitor.importers import ookla, readers
from monitor.importers.base import ImportedRun
from monitor.model import FailureKind, NetworkPath, Scope, Server, Status, Trigger

if TYPE_CHECKING:
    from pathlib import Path

DATA = DATA / "ookla"

RESULTS = sorted(DATA.glob("v1*_result_*.json"))

ROW = DATA.joinpath("v1.0_csv_rows_real.csv").read_text().splitlines()[0]

HEADER, WIDE = DATA.joinpath("v1.2_csv_header_and_masked_rows.csv").read_text().splitlines()

RESULT = DATA.joinpath("v1.2_result_2022-11-04_syseleven.json").read_text()

LATER = DATA.joinpath("v1.2_result_2024-06-10_cmc_packetloss_fraction_lossy.json").read_text()

NOON = datetime(2020, 6, 10, 10, tzinfo=UTC)


def log(time: str, message: str = "Configuration - Couldn't resolve host name (HostNotFoundException)") -> str:
    """Return an error as the CLI prints it with `-f json`."""
    return f'{{"type":"log","timestamp":"{time}","message":"{message}","level":"error"}}\n'


def test_a_result():
    """All numbers of a result are taken; it began as long before its time as download and upload took."""
    imported = run(RESULT)
    assert (imported.started_at, imported.finished_at) == (
        datetime(2022, 11, 4, 11, 33, 45, tzinfo=UTC),
        datetime(2022, 11, 4, 11, 33, 59, tzinfo=UTC),
    )
    assert (imported.download_bps, imported.upload_bps, imported.latency_ms) == (84670091 * 8, 78355241 * 8, 1.356)
    assert (imported.status, imported.trigger, imported.path, imported.probe) == (
        Status.OK,
        Trigger.IMPORT,
        NetworkPath.HOST,
        "home",
    )
    assert (imported.engine, imported.healthy, imported.isp) == ("ookla", True, "Internet bolaget Sverige AB")
    assert imported.server == Server(
        "30593", "Inter.link GmbH", "Berlin", "Germany", "speed1.syseleven.net", "203.0.113.17"
    )


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.name)
def test_every_recorded_result_is_taken(file: Path):
    """Each recording of a result is one measured run."""
    assert run(file.read_text()).status is Status.OK


def test_the_same_result_has_the_same_id_in_any_file():
    """In JSON, in CSV, of whatever probe and at whatever time: the provider's id decides."""
    imported = run(RESULT)
    row = f'2022-11-04 12:33:00,"x","1","1","1","0","5","6","7","8","{imported.result_url}"'
    assert run(row).id == imported.id
    assert run(LATER).id != imported.id


def test_layouts_of_json():
    """Concatenated, pretty-printed, with noise between, and with an object that was cut off."""
    pretty = LATER.replace(',"', ',\n  "')
    text = f"starting\n{RESULT.strip()}{pretty}\n" + '{"type":"result","timestamp":"20\n' + RESULT
    assert [imported.id for imported in runs(text)] == [run(RESULT).id, run(LATER).id, run(RESULT).id]
    assert [line for line, _ in reasons(text)] == [1, text.splitlines().index('{"type":"result","timestamp":"20') + 1]


def test_the_events_of_a_test_are_one_run():
    """`-f jsonl` prints an object a moment; the last one counts."""
    imported = run(DATA.joinpath("v1.2_jsonl_stream_synthetic_full_shape.jsonl").read_text())
    assert (imported.status, imported.download_bps) == (Status.OK, 11644000 * 8)


def test_a_test_that_ends_without_a_result_is_a_failed_run():
    """Events that no result follows show when it was, how far it came and against which server."""
    events = DATA.joinpath("v1.2_jsonl_stream_synthetic_full_shape.jsonl").read_text().splitlines(keepends=True)
    (imported,) = runs("".join(events[:4]))
    assert (imported.status, imported.started_at) == (Status.FAILED, datetime(2026, 9, 17, 8, tzinfo=UTC))
    assert imported.failure is not None
    assert imported.failure.stage == "download"
    assert imported.server is not None
    assert imported.server.id == "1234"


@pytest.mark.parametrize(
    ("name", "kind", "scope", "at"),
    [
        ("fail_dns_exit2_2020-03-22.txt", FailureKind.DNS, Scope.LINE, "2020-03-22T13:37:01"),
        ("fail_cannot_bind_interface_2026-09-22.txt", FailureKind.BIND, Scope.CONFIG, "2026-09-22T14:20:20"),
        ("fail_rate_limited_exit173_2026.txt", FailureKind.RATE_LIMITED, Scope.PROVIDER, "2026-08-19T10:21:51"),
    ],
)
def test_recorded_failures(name: str, kind: FailureKind, scope: Scope, at: str):
    """All lines of a failure are one failed run; UTC of an object goes before a local time of the lines."""
    (imported,) = runs(DATA.joinpath(name).read_text())
    assert imported.failure is not None
    assert (imported.status, imported.failure.kind, imported.failure.scope) == (Status.FAILED, kind, scope)
    assert imported.started_at == datetime.fromisoformat(at).replace(tzinfo=UTC)


def test_errors_of_different_moments_are_different_failures():
    """Of eleven recorded lines two are five seconds apart, and so of one test."""
    imported = runs(DATA.joinpath("fail_log_lines_stderr_collection.jsonl").read_text())
    assert len(imported) == 10
    assert len({failed.id for failed in imported}) == 10


def test_errors_before_a_result_belong_to_it():
    """A test that complains and then gives a result has succeeded; one that only complains has failed."""
    text = log("2022-11-04T11:33:50Z") + RESULT + log("2022-11-04T12:33:50Z") + LATER
    assert [imported.status for imported in runs(text)] == [Status.OK, Status.FAILED, Status.OK]


def test_a_failure_without_a_time_is_rejected():
    """An `error` object alone says nothing of when."""
    text = RESULT + '{"error":"Cannot open socket"}\n'
    assert reasons(text) == [(2, "a failure without a time: 'Cannot open socket'")]


@pytest.mark.parametrize(
    "text",
    [
        f'"2020-06-10 12:00:00",{ROW}',
        f"2020-06-10 12:00:00,{ROW}",
        f'"Wed Jun 10 12:00:00 CEST 2020",{ROW}',
        f"1, 2020-06-10 12:00:00, {ROW}",
        f"1,2020-06-10 120000 ,{ROW}",
        f"1,2020-06-10,12:00:00,{ROW}",
        f'{ROW},"2020-06-10 12:00:00"',
        f"1591783200,{ROW}",
        f"Wed Jun 10 12:00:00 CEST 2020\n{ROW}",
        f"{HEADER}\n2020-06-10 12:00:00,{ROW}\n",
        "2020-06-10 12:00:00\t" + ROW.replace(",", "\t"),
        f'"2020-06-10 12:00:00",{ROW},"1"',
    ],
)
def test_rows_with_their_dates(text: str):
    """A row of `-f csv` or `-f tsv` is taken wherever a script put the date."""
    imported = run(text)
    assert (imported.finished_at, imported.download_bps, imported.upload_bps) == (NOON, 2415723 * 8, 2817351 * 8)
    assert (imported.latency_ms, imported.jitter_ms, imported.packet_loss_pct) == (24.602, 0.994, 0)
    assert imported.server == Server("31117", "Connect Telecomunicaçoes", "Pedro Leopoldo")


def test_a_row_of_version_1_2():
    """Its loaded latencies are taken, a date after its 21 columns is found."""
    imported = run(f"{HEADER}\n{WIDE},2020-06-10 12:00:00\n")
    assert (imported.finished_at, imported.download_latency_ms, imported.upload_latency_ms) == (NOON, 1.23456, 1.23456)


def test_what_awk_leaves_of_a_row():
    """Epoch, latency, loss and the rates."""
    imported = run("1591790400,29.8,0,11547518,4056234\n")
    assert (imported.latency_ms, imported.download_bps, imported.upload_bps) == (29.8, 92380144, 32449872)


def test_a_loss_that_is_not_available_is_missing():
    """`N/A` is not a number."""
    text = DATA.joinpath("v1.0_csv_with_header_packetloss_NA.csv").read_text()
    assert run(text.replace('"ISP', '2020-06-10 12:00:00,"ISP')).packet_loss_pct is None


def test_errors_between_rows():
    """A date that no row follows is a failed run, with the words that stand beside it."""
    text = (
        f"2020-06-10 11:00:00,{ROW}\n"
        '"2020-06-10 12:00:00",\n'
        "[2020-06-10 12:00:05.564] [error] Configuration - Couldn't resolve host name (HostNotFoundException)\n"
        f"2020-06-10 13:00:00,{ROW.replace('0001', '0002')}\n"
    )
    imported = runs(text)
    assert [one.status for one in imported] == [Status.OK, Status.FAILED, Status.OK]
    assert imported[1].failure is not None
    assert (imported[1].started_at, imported[1].failure.kind) == (NOON, FailureKind.DNS)


def test_a_date_after_each_result_is_not_a_failure():
    """A script that prints the date last does not make runs of it."""
    text = f"{RESULT}Fri Nov  4 11:34:02 UTC 2022\n{LATER}Mon Jun 10 02:02:59 UTC 2024\n"
    assert [imported.status for imported in runs(text)] == [Status.OK, Status.OK]


def test_a_row_without_a_date_is_rejected():
    """Numbers that nobody knows the time of are not taken."""
    assert reasons(ROW) == [(1, "a result with no time: neither with it nor on a line before it")]


def test_rates_of_nothing_are_a_failure():
    """0 bytes/s both ways is a test that failed."""
    imported = run(RESULT.replace("84670091", "0").replace("78355241", "0"))
    assert (imported.status, imported.download_bps, imported.healthy) == (Status.FAILED, None, None)
    assert imported.failure is not None
    assert imported.failure.message == "result without a download rate"


_LINES = st.sampled_from(
    [
        RESULT,
        LATER,
        ROW,
        f"2020-06-10 12:00:00,{ROW}\n",
        log("2022-11-04T11:33:50Z"),
        '{"error":"x"}\n',
        '"2020-06-10 12:00",\n',
        "{\n",
    ]
)


@settings(deadline=None)
@given(st.lists(_LINES | st.text(max_size=20), max_size=12))
def test_nothing_raises(parts: list[str]):
    """Whatever stands in a log, each record is a run with a time, or a reason with a line."""
    text = "\n".join(parts)
    lines = max(1, len(text.splitlines()))
    for record in ookla.read_log(readers.read_items(text.splitlines(keepends=True)), CONTEXT):
        assert 1 <= record.line <= lines


@pytest.mark.parametrize("file", sorted(DATA.glob("fail_*")), ids=lambda file: file.name)
def test_no_recorded_failure_is_a_measured_run(file: Path):
    """Whatever is in a recording of a failure, none of its lines becomes a result."""
    imported = [*ookla.read_log(readers.read_items(file.read_text().splitlines(keepends=True)), CONTEXT)]
    assert imported
    assert {record.attempt.run.status for record in imported if isinstance(record, ImportedRun)} <= {Status.FAILED}


def test_two_probes_failed_in_the_same_second():
    """Runs without a result's id are of their probe."""
    text = log("2022-11-04T11:33:50Z")
    assert run(text).id != run(text, replace(CONTEXT, probe="away")).id
