"""What the programs print for people, with the dates that scripts print around it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from import_helpers import notes, reasons, run, runs
from places import DATA

from monitor.model import FailureKind, Server, Status

SIMPLE = "Ping: 27.1 ms\nDownload: 93.25 Mbit/s\nUpload: 17.50 Mbit/s\n"

OOKLA = DATA.joinpath("ookla", "v1.2_human_result_manpage.txt").read_text().partition("\n")[2]

OLDER_OOKLA = DATA.joinpath("ookla", "v1.0_human_result_manpage.txt").read_text().partition("\n")[2]

FAILED = DATA.joinpath("ookla", "fail_human_verbose_v1.0_internet-pi307.txt").read_text()

PEOPLE = DATA.joinpath("speedtest-cli", "human_output_2020.txt").read_text()

DATE, LATER = "Thu Jun  1 12:00:01 UTC 2023\n", "Thu Jun  1 13:00:01 UTC 2023\n"

ERROR = "Cannot retrieve speedtest configuration\nERROR: <urlopen error [Errno -2] Name or service not known>\n"


@pytest.mark.parametrize(
    "text", [DATE + SIMPLE + LATER + SIMPLE, SIMPLE + DATE + SIMPLE + LATER, f"# {DATE}{SIMPLE}\n\n--- {LATER}{SIMPLE}"]
)
def test_simple_blocks_with_a_date_line(text: str):
    """Before each block or after it, in the same way in the whole file."""
    first, second = runs(text)
    assert (first.started_at, second.started_at.hour) == (datetime(2023, 6, 1, 12, 0, 1, tzinfo=UTC), 13)
    assert (first.engine, first.download_bps, first.upload_bps, first.latency_ms) == (
        "speedtest-cli",
        93_250_000,
        17_500_000,
        27.1,
    )
    assert reasons(text) == []


def test_simple_blocks_in_bytes():
    """`--bytes` prints Mbyte/s."""
    assert run(DATE + SIMPLE.replace("Mbit/s", "Mbyte/s")).download_bps == 746_000_000


@pytest.mark.parametrize(
    "text", [DATE + OOKLA, OOKLA + DATE, f"Start: {DATE}{OOKLA}End: {DATE.replace('00:01', '00:40')}"]
)
def test_ooklas_output_for_people(text: str):
    """With its server, its loaded latencies and its bytes."""
    imported = run(text)
    assert (imported.engine, imported.server) == ("ookla", Server("26852", "SUNET", "Stockholm"))
    assert (imported.download_bps, imported.upload_bps, imported.download_bytes) == (
        968_730_000,
        942_130_000,
        117_500_000,
    )
    assert (imported.latency_ms, imported.jitter_ms, imported.download_latency_ms, imported.packet_loss_pct) == (
        5.04,
        0.04,
        12.1,
        0,
    )


def test_the_output_of_older_versions():
    """Of Ookla's 1.0, and of speedtest-cli without --simple."""
    imported = run(DATE + OLDER_OOKLA)
    assert (imported.download_bps, imported.jitter_ms, imported.isp) == (76_820_000, 3.65, "Comcast Cable")
    imported = run(DATE + PEOPLE)
    assert (imported.engine, imported.download_bps, imported.latency_ms) == ("speedtest-cli", 445_780_000, 38.623)
    assert (imported.server, imported.isp) == (Server(None, "SysEleven GmbH", "Berlin"), "Vodafone Kabel Deutschland")


def test_only_what_says_so_has_failed():
    """An error with a date is a failed run; a date alone is a reason."""
    measured, failed, measured_too = runs(DATE + SIMPLE + LATER + ERROR + LATER.replace("13:", "14:") + SIMPLE)
    assert (measured.status, failed.status, measured_too.status) == (Status.OK, Status.FAILED, Status.OK)
    assert (failed.started_at.hour, failed.failure and failed.failure.kind) == (13, FailureKind.DNS)
    assert reasons(DATE + SIMPLE + LATER + LATER.replace("13:", "15:") + SIMPLE) == [
        (5, "a date that neither a result nor an error follows")
    ]
    (failed,) = runs(DATE + FAILED)
    assert (failed.status, failed.engine, failed.download_bps) == (Status.FAILED, "ookla", None)


def test_what_cannot_be_read_is_refused():
    """A test without a date, and a rate that is none."""
    assert reasons(SIMPLE) == [(1, "a test without a time: no line after it has a date")] or reasons(SIMPLE)[0][0] == 1
    text = DATE + SIMPLE.replace("93.25", "9.3.2.5")
    assert reasons(text) == [(1, "column 'download': '9.3.2.5 Mbit/s' is not a number")]


@pytest.mark.parametrize("label", ["Ping: 27.1", "Download: 93.25", "Upload: 17.50"])
def test_a_line_with_an_unreadable_number_refuses_its_test(label: str):
    """It is not a test without that number."""
    unreadable = SIMPLE.replace(label, f"{label.partition(' ')[0]} fast")
    text = DATE + unreadable + LATER + SIMPLE
    ((_, reason),) = reasons(text)
    assert "'fast m" in reason or "'fast Mbit/s' is not a number" in reason
    assert [each.started_at.hour for each in runs(text)] == [13]


def test_the_repeated_hour():
    """Local dates of a log that runs on; one that cannot be known is noted."""
    at = "2021-10-31 0{}:30:00\n" + SIMPLE
    text = "".join(at.format(hour) for hour in (1, 2, 2, 3))
    assert [f"{each.started_at:%d %H}" for each in runs(text)] == ["30 23", "31 00", "31 01", "31 02"]
    ((_, note),) = notes("".join(at.format(hour) for hour in (1, 2, 3)))
    assert "twice" in note
