"""Attempts for tests of the store and its readers: examples to modify, and Hypothesis strategies for any attempt."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from monitor.model import (
    Attempt,
    Failure,
    FailureKind,
    NetworkPath,
    Plan,
    RawOutput,
    Remark,
    Run,
    Scope,
    Server,
    Status,
    Trace,
    Trigger,
)
from netns.probe.findings import Findings, ProbeAnswer

START = datetime(2026, 11, 23, 13, 17, 3, tzinfo=UTC)

MEASURED = Run(
    id="",
    probe="home",
    started_at=START,
    finished_at=START,
    status=Status.OK,
    trigger=Trigger.CLI,
    path=NetworkPath.IP4ONLY,
    engine="ookla",
    engine_version="1.2.0.84",
    download_bps=95_656_417,
    upload_bps=17_336_336,
    latency_ms=4.2,
    jitter_ms=0.4,
    isp="Verizon Fios",
    external_ip="198.51.100.7",
    ip_family=4,
    server=Server("22774", "DediPath", "Secaucus, NJ", "United States"),
)

DNS = Failure(FailureKind.DNS, Scope.LINE, "configuration", "Could not resolve host", 2)


def run_id(name: str) -> str:
    """Return an id that a test can tell from others; the same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def make_attempt(minutes: float = 0, **changes: Any) -> Attempt:
    """Return the attempt of a measured run that started some minutes after START, with changes to the run.

    A run with another status than ok has no rates unless they are given.
    """
    started = changes.get("started_at", START + timedelta(minutes=minutes))
    usual = {"id": str(uuid.uuid4()), "started_at": started, "finished_at": started + timedelta(seconds=21)}
    if changes.get("status", Status.OK) is not Status.OK:
        usual |= {"download_bps": None, "upload_bps": None}
    return Attempt(
        dataclasses.replace(MEASURED, **(usual | changes)), Plan(100_000_000, None, 20.0), RawOutput("{}", "[e]")
    )


def make_failed_attempt(minutes: float = 0, failure: Failure = DNS) -> Attempt:
    """Return the attempt of a failed run: no results and no server, but a failure."""
    nothing = dict.fromkeys(("download_bps", "upload_bps", "latency_ms", "jitter_ms", "server", "isp", "external_ip"))
    return make_attempt(minutes, status=Status.FAILED, failure=failure, **nothing)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

_NAME = _maybe(_TEXT)

_WHOLE = _maybe(st.integers(0, 2**63 - 1))

_REAL = _maybe(st.floats(0, 1e9))

_CODE = _maybe(st.integers(-255, 255))

_MOMENT = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  zone below
    lambda moment: moment.replace(microsecond=0)
)

_SERVERS = st.builds(Server, _TEXT, _NAME, _NAME, _NAME, _NAME, _NAME)

_FAILURES = st.builds(Failure, st.sampled_from(FailureKind), st.sampled_from(Scope), _NAME, _TEXT, _CODE, _CODE)

_WHOLE_NAMES = "download_bytes upload_bytes download_ms upload_ms cross_rx_bps cross_tx_bps"

_REAL_NAMES = "latency_ms jitter_ms download_latency_ms upload_latency_ms"

_TEXT_NAMES = "engine_version isp external_ip result_url"

_MEASURED = st.fixed_dictionaries({"download_bps": _WHOLE, "upload_bps": _WHOLE, "healthy": _maybe(st.booleans())})


def _as_it_can_be(run: Run, rates: dict[str, Any], seconds: int) -> Run:
    """Return a run with an end, and with rates or a failure, as its status allows."""
    ended = run.started_at + timedelta(seconds=seconds)
    outcome = {"failure": None, **rates} if run.status is Status.OK else {}
    return dataclasses.replace(run, finished_at=ended, **outcome)


_any_run = st.builds(
    Run,
    id=st.uuids(version=4).map(str),
    probe=_TEXT,
    started_at=_MOMENT,
    finished_at=_MOMENT,
    status=st.sampled_from(Status),
    trigger=st.sampled_from(Trigger),
    packet_loss_pct=_maybe(st.floats(0, 100)),
    path=st.sampled_from(NetworkPath),
    engine=_TEXT,
    ip_family=st.sampled_from([None, 4, 6]),
    server=_maybe(_SERVERS),
    failure=_maybe(_FAILURES),
    attempt=st.integers(1, 9),
    retry_of=_maybe(st.uuids(version=4).map(str)),
    remarks=st.lists(st.builds(Remark, _TEXT, _TEXT), max_size=3).map(tuple),
    **dict.fromkeys(_WHOLE_NAMES.split(), _WHOLE),
    **dict.fromkeys(_REAL_NAMES.split(), _REAL),
    **dict.fromkeys(_TEXT_NAMES.split(), _NAME),
)

# A strategy for any run that the schema accepts.
any_run = st.builds(_as_it_can_be, _any_run, _MEASURED, st.integers(0, 3600))

any_attempt = st.builds(
    Attempt,
    any_run,
    st.builds(Plan, _WHOLE, _WHOLE, _REAL),
    st.builds(RawOutput, _TEXT, _TEXT),
    _maybe(st.builds(Findings, addresses=st.tuples(_TEXT), servers=st.tuples(st.builds(ProbeAnswer, _TEXT, _NAME)))),
    _maybe(st.builds(Trace, st.integers(1, 9999), st.lists(st.tuples(*[st.integers(0, 2**63)] * 4)).map(tuple))),
)
