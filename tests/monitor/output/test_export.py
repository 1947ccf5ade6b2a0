"""Runs as text for programs: every key, every character, streamed."""

from __future__ import annotations

import csv
import io
import itertools
import json
from dataclasses import fields
from typing import TYPE_CHECKING

from example_runs import any_run, make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import Failure, FailureKind, Remark, Run, Scope, Server
from monitor.output import export

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = [
    "id",
    "probe",
    "started_at",
    "finished_at",
    "status",
    "trigger",
    "path",
    "engine",
    "engine_version",
    "download_bps",
    "upload_bps",
    "latency_ms",
    "jitter_ms",
    "packet_loss_pct",
    "download_bytes",
    "upload_bytes",
    "download_ms",
    "upload_ms",
    "download_latency_ms",
    "upload_latency_ms",
    "isp",
    "external_ip",
    "ip_family",
    "server",
    "result_url",
    "cross_rx_bps",
    "cross_tx_bps",
    "healthy",
    "failure",
    "attempt",
    "retry_of",
    "remarks",
    "line_answered",
    "excluded",
]


def as_json(*runs: Run) -> list[dict[str, object]]:
    """Return what a program reads from the JSON text."""
    return json.loads("".join(export.to_json_array(runs)))


def as_csv(*runs: Run) -> list[dict[str, str]]:
    """Return what a program reads from the CSV text."""
    return [*csv.DictReader(io.StringIO("".join(export.to_csv_lines(runs)), newline=""))]


def test_json_has_every_key_of_the_contract():
    """All keys are there in order, whatever the outcome."""
    for exported in as_json(make_attempt().run, make_failed_attempt().run):
        assert [*exported] == KEYS


def test_json_of_a_measured_run():
    """Times end in Z, rates are integers, the server is an object, unknown values are null."""
    (exported,) = as_json(make_attempt().run)
    assert (exported["started_at"], exported["finished_at"]) == ("2026-11-23T13:17:03Z", "2026-11-23T13:17:24Z")
    assert (exported["download_bps"], exported["packet_loss_pct"], exported["failure"]) == (95_656_417, None, None)
    assert exported["server"] == {
        "id": "22774",
        "name": "DediPath",
        "location": "Secaucus, NJ",
        "country": "United States",
        "host": None,
        "ip": None,
    }


def test_json_of_a_failed_run():
    """The cause is an object with all its keys, the server is null."""
    (exported,) = as_json(make_failed_attempt().run)
    assert (exported["status"], exported["server"], exported["download_bps"]) == ("failed", None, None)
    assert exported["failure"] == {
        "kind": "dns",
        "scope": "line",
        "stage": "configuration",
        "message": "Could not resolve host",
        "exit_code": 2,
        "signal": None,
    }


def test_nothing_is_an_empty_array_and_a_header():
    """A program that reads gets a valid document without runs."""
    assert "".join(export.to_json_array([])) == "[]\n"
    assert "".join(export.to_csv_lines([])) == ",".join(export.csv_header()) + "\r\n"


@given(st.lists(any_run, max_size=4))
def test_json_is_one_array_with_an_object_a_run(runs: list[Run]):
    """Any run is valid JSON, one line each."""
    text = "".join(export.to_json_array(runs))
    assert [exported["id"] for exported in json.loads(text)] == [run.id for run in runs]
    assert text.count("\n") == len(runs) + (2 if runs else 1)


def test_the_csv_header_is_flat():
    """The parts of server and failure are columns of their own; each name is there once."""
    header = export.csv_header()
    assert len({*header}) == len(header) == len(fields(Run)) - 2 + len(fields(Server)) + len(fields(Failure))
    assert header[header.index("ip_family") + 1] == "server_id"
    assert header[-11:-5] == [f"failure_{field.name}" for field in fields(Failure)]


def test_csv_values():
    """Rates are bit/s, times end in Z, booleans are lower case, unknown values are empty."""
    good, bad = as_csv(
        make_attempt(healthy=True, remarks=(Remark("wrong_isp", "Other"),) * 2).run, make_failed_attempt().run
    )
    assert good["remarks"] == "wrong_isp: Other; wrong_isp: Other"
    assert (good["download_bps"], good["latency_ms"], good["healthy"]) == ("95656417", "4.2", "true")
    assert (good["started_at"], good["status"], good["failure_kind"]) == ("2026-11-23T13:17:03Z", "ok", "")
    assert (bad["download_bps"], bad["server_id"], bad["failure_kind"], bad["failure_exit_code"]) == (
        "",
        "",
        "dns",
        "2",
    )


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text('",;\r\n ab'))
def test_any_name_survives_csv(name: str, message: str):
    """Commas, quotes and line ends in names and messages come back as they were, formulas with a mark."""
    failure = Failure(FailureKind.UNKNOWN, Scope.UNKNOWN, None, message)
    (row,) = as_csv(make_attempt(isp=name, server=Server(name=name), failure=failure).run)
    fields = [export.from_csv_text(row[column]) for column in ("isp", "server_name", "failure_message")]
    assert fields == [name, name, message]


@given(st.text("'=+-@\t\r\n\v\f\ufeff\uff1d ab"))
def test_no_text_is_a_formula(text: str):
    """Whatever a text begins with, a spreadsheet shows it, and it comes back as it was."""
    field = export.to_csv_text(text)
    assert export.from_csv_text(field) == text
    assert field.strip()[:1] not in {"=", "+", "-", "@"}
    assert field[:1] not in {"\t", "\r", "\n", "\v", "\f"}


def test_text_is_streamed():
    """The first run is written before the second one is asked for."""

    def endless() -> Iterator[Run]:
        yield from itertools.repeat(make_attempt().run)

    assert next(export.to_json_array(endless())).startswith("[\n{")
    assert [*itertools.islice(export.to_csv_lines(endless()), 2)][1].endswith("\r\n")
