"""The runs that rows stand for. The id of a run is derived from the probe and the content. Pure."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import fields
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

from monitor.diagnosis.classify import classify
from monitor.engines.base import ParsedOutput
from monitor.importers.base import UnusableRowError
from monitor.model import Attempt, Failure, FailureKind, Measurement, Run, Scope, Server, Status, Trigger
from monitor.system.process import ProcessResult

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.engines.base import Engine
    from monitor.importers.base import ImportContext
    from monitor.importers.rows import Row


# Chosen once. A different namespace would store every run anew that has been imported before.
_RUN_ID_NAMESPACE = uuid.UUID("6f3f0f5e-2f0b-5b8e-9c53-0b6b1d1f7a10")

_RESULT_URL = re.compile(r"/result/(?:[a-z]+/)?([0-9a-fA-F-]{8,})/?$")

# The values of a measurement, which `Run` has in the same order behind its own first fields.
_measured_values = attrgetter(*(field.name for field in fields(Measurement)))

_NAMESPACE_HASH = hashlib.sha1(_RUN_ID_NAMESPACE.bytes, usedforsecurity=False)

# The digit of a UUID that has its variant.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def measured_attempt(
    engine: str, ended: datetime, measured: Measurement, row: Row, duration_s: float | None = None
) -> Attempt:
    """Return a measured run; `duration_s` is how long it took, if the file says so.

    Raises:
        UnusableRowError: there is neither rate, or one is 0.
    """
    if measured.download_bps is None and measured.upload_bps is None:
        raise UnusableRowError("no rate: neither download nor upload")
    if 0 in (measured.download_bps, measured.upload_bps):
        raise UnusableRowError("a rate of 0, and the file does not say that the test failed")
    context = row.source.context
    began = ended - timedelta(seconds=round(duration_s)) if duration_s else ended
    result_id = parse_result_id(measured.result_url)
    key = f"{context.probe}|{result_id}" if result_id else _content_key(ended, measured, context)
    head = (_derive_id(f"{engine}|{key}"), context.probe, began, ended, Status.OK, Trigger.IMPORT, context.path, engine)
    # mypy cannot know how many values there are.
    return Attempt(Run(*head, *_measured_values(measured), healthy=True))  # type: ignore[misc]


def failed_attempt(
    engine: str,
    at: datetime,
    failure: Failure,
    row: Row,
    *,
    server: Server | None = None,
    status: Status = Status.FAILED,
) -> Attempt:
    """Return a run without a result."""
    context = row.source.context
    key = _content_key(at, Measurement(server=server), context)
    head = (_derive_id(f"{engine}|{key}"), context.probe, at, at, status, Trigger.IMPORT, context.path, engine)
    return Attempt(Run(*head, server=server, failure=failure))


def former_id(run: Run) -> str | None:
    """Return the id that a run had while the ids of results did not depend on the probe; None if it is the same."""
    result_id = parse_result_id(run.result_url) if run.trigger is Trigger.IMPORT else None
    return _derive_id(f"{run.engine}|{result_id}") if result_id else None


def id_for_probe(run_id: str, probe: str) -> str:
    """Return the id of a run of an export that is imported as the run of another probe."""
    return _derive_id(f"export|{probe}|{run_id}")


def _derive_id(text: str) -> str:
    """Return the UUID of version 5 of a text; `uuid.uuid5` takes eight times as long."""
    digest = _NAMESPACE_HASH.copy()
    digest.update(text.encode())
    name = digest.hexdigest()
    return f"{name[:8]}-{name[8:12]}-5{name[13:16]}-{_VARIANT[name[16]]}{name[17:20]}-{name[20:32]}"


def to_failure(engine: Engine, complaints: list[str], stage: str | None = None) -> Failure:
    """Return the failure that an engine's error messages describe."""
    return classify(engine, ProcessResult(), ParsedOutput(complaints=tuple(complaints), stage=stage), None, 0)


def unexplained_failure(program: str) -> Failure:
    """Return the failure of a row that has no reason for it."""
    return Failure(FailureKind.UNKNOWN, Scope.UNKNOWN, None, f"failed; {program} kept no reason")


def parse_result_id(url: str | None) -> str | None:
    """Return the provider's id of a result, the last part of its URL."""
    match = _RESULT_URL.search(url) if url else None
    return match[1].lower() if match else None


def transfer_seconds(measured: Measurement) -> float | None:
    """Return how long download and upload took together; None unless both are known."""
    if measured.download_ms is None or measured.upload_ms is None:
        return None
    return (measured.download_ms + measured.upload_ms) / 1000


def _content_key(at: datetime, measured: Measurement, context: ImportContext) -> str:
    """Return a key for runs without a result's id: probe, second, server and rates."""
    server = measured.server
    parts = (server and (server.id or server.name), measured.download_bps, measured.upload_bps)
    texts = ("" if part is None else str(part) for part in parts)
    return "|".join((context.probe, str(int(at.timestamp())), *texts))
