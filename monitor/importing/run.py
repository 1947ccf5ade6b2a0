"""Makes runs from imported rows. Pure. The id is derived from the content, so that the same row has the same id."""

from __future__ import annotations

import re
import uuid
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from monitor.classify import classify
from monitor.engines import readings
from monitor.engines.model import Parsed
from monitor.importing.model import UnusableError
from monitor.model import Attempt, Failure, Kind, Measurement, Run, Scope, Server, Status, Trigger
from monitor.process import Ended

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.engines.model import Engine
    from monitor.importing.model import Context, Fields

# Chosen once. A different namespace would store every run anew that has been imported before.
_OURS = uuid.UUID("6f3f0f5e-2f0b-5b8e-9c53-0b6b1d1f7a10")
_RESULT = re.compile(r"/result/(?:[a-z]+/)?([0-9a-fA-F-]{8,})/?$")
_NUMBERS = tuple(field.name for field in fields(Measurement))
NO_TIME = "no readable time"


def ok(
    engine: str, ended: datetime | None, measured: Measurement, context: Context, duration_s: float | None = None
) -> Attempt:
    """Return a measured run; `duration_s` is how long it took, if the file says so."""
    if ended is None:
        raise UnusableError(NO_TIME)
    began = ended - timedelta(seconds=round(duration_s or 0))
    key = result_id(measured.result_url) or _content(ended, measured, context)
    numbers = {name: getattr(measured, name) for name in _NUMBERS}
    return Attempt(_run(engine, key, (began, ended), Status.OK, context, healthy=True, **numbers))


def failed(  # noqa: PLR0913  six parameters
    engine: str,
    at: datetime | None,
    failure: Failure,
    context: Context,
    *,
    server: Server | None = None,
    status: Status = Status.FAILED,
) -> Attempt:
    """Return a run without a result."""
    if at is None:
        raise UnusableError(NO_TIME)
    key = _content(at, Measurement(server=server), context)
    return Attempt(_run(engine, key, (at, at), status, context, server=server, failure=failure))


def why(engine: Engine, complaints: list[str], stage: str | None = None) -> Failure:
    """Return the failure that an engine's error messages describe."""
    return classify(engine, Ended(), Parsed(complaints=tuple(complaints), stage=stage), None, 0)


def unsaid(program: str) -> Failure:
    """Return the failure of a row that has no reason for it."""
    return Failure(Kind.UNKNOWN, Scope.UNKNOWN, None, f"failed; {program} kept no reason")


def server_from_fields(fields: Fields) -> Server | None:
    """Return the server that the columns `server_id`, `server_name` and so on describe; None if they are empty."""
    server = Server(
        readings.identifier(fields.get("serverid")),
        readings.text(fields.get("servername")),
        readings.text(fields.get("serverlocation")),
        host=readings.text(fields.get("serverhost")),
    )
    return None if server == Server() else server


def result_id(url: str | None) -> str | None:
    """Return the provider's id of a result, the last part of its URL."""
    match = _RESULT.search(url or "")
    return match[1].lower() if match else None


def seconds(measured: Measurement) -> float | None:
    """Return how long download and upload took together; None unless both are known."""
    if measured.download_ms is None or measured.upload_ms is None:
        return None
    return (measured.download_ms + measured.upload_ms) / 1000


def _content(at: datetime, measured: Measurement, context: Context) -> str:
    """Return a key for runs without a result's id: probe, second, server and rates."""
    server = measured.server or Server()
    parts = (context.probe, int(at.timestamp()), server.id or server.name, measured.download_bps, measured.upload_bps)
    return "|".join("" if part is None else str(part) for part in parts)


def _run(
    engine: str, key: str, times: tuple[datetime, datetime], status: Status, context: Context, **values: Any
) -> Run:
    began, ended = times
    return Run(
        id=str(uuid.uuid5(_OURS, f"{engine}|{key}")),
        probe=context.probe,
        started_at=began,
        finished_at=ended,
        status=status,
        trigger=Trigger.IMPORT,
        path=context.path,
        engine=engine,
        **values,
    )
