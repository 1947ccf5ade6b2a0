"""Error responses of all endpoints: `{"error": {"code": …, "message": …}}`, or a page for a browser.

A new kind of error gets a handler in `install_handlers`; nothing else answers with an error. What went wrong on this
machine is written to the log only: its message may name files, which are nobody's business on the network.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from monitor.errors import SpeedmonError, StateFileError, StoreError, UsageError
from monitor.scheduler.requested import TestRunningError
from web.context import UnknownProbeError, render_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request


# What a parameter with a pattern is, by name.
PATTERN_WORDS = {
    "days": "a number of days, such as 30, or all",
    "graph": "a kind of graph: see the links above the graph of the first page",
    "cursor": "a cursor: take the address from `Link` of the page before",
    "run_id": "the id of a run",
}

# Our names for HTTP status codes; Python's change between releases.
ERROR_CODES = {
    401: "no_token",
    403: "cross_site",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    421: "unknown_host",
    422: "invalid_parameter",
    429: "too_many_guesses",
    500: "unexpected",
    503: "store_unavailable",
}

STORE_MESSAGE = "the stored runs cannot be read now; the log of speedmon serve says why"

STATE_MESSAGE = "a file of speedmon cannot be read; the log of speedmon serve says which"

UNEXPECTED_MESSAGE = "unexpected error; the log of speedmon serve says more"

STORE_RETRY_S = 60

# JSON schema of an error, for /openapi.json.
ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}

_log = logging.getLogger(__name__)


class BusyError(SpeedmonError):
    """Too many requests wait for the same kind of answer; retryable after `retry_after_s`."""

    retryable = True
    retry_after_s = 2

    def __init__(self) -> None:
        super().__init__(f"too many requests are waiting; try again in {self.retry_after_s} s")


def documented_errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of an endpoint for these status codes."""
    content = {"application/json": {"schema": ERROR_SCHEMA}}
    return {code: {"description": ERROR_CODES[code], "content": content} for code in codes}


def error_response(
    request: Request, status: int, message: str, headers: Mapping[str, str] | None = None, code: str | None = None
) -> Response:
    """Return an error as JSON, or as a page if the client accepts HTML; the code is by default that of the status."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(render_template("error.html", status=status, message=message), status, headers)
    error = {"code": code or ERROR_CODES.get(status, "error"), "message": message}
    return JSONResponse({"error": error}, status, headers)


def busy_response(request: Request, error: BusyError) -> Response:
    """Return the answer to a request that does not fit into its queue."""
    headers = {"Retry-After": str(error.retry_after_s)}
    return error_response(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers, "busy")


def install_handlers(app: FastAPI) -> None:
    """Register the handlers of all errors."""
    app.add_exception_handler(HTTPException, _handle_http)
    app.add_exception_handler(RequestValidationError, _handle_invalid)
    app.add_exception_handler(StoreError, _handle_store_error)
    app.add_exception_handler(UnknownProbeError, _handle_unknown_probe)
    app.add_exception_handler(UsageError, _handle_usage_error)
    app.add_exception_handler(StateFileError, handle_state_file)
    app.add_exception_handler(TestRunningError, _handle_running)
    app.add_exception_handler(BusyError, _handle_busy)
    app.add_exception_handler(SpeedmonError, _handle_error)
    app.add_exception_handler(Exception, _handle_unexpected)


def handle_state_file(request: Request, error: Exception) -> Response:
    """Return the answer where a file of ours cannot be read."""
    _log.error("%s", error)
    return error_response(request, HTTPStatus.SERVICE_UNAVAILABLE, STATE_MESSAGE, code="state_unavailable")


def _handle_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
    is_unknown_path = error.status_code == HTTPStatus.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase
    message = f"nothing at {request.url.path}" if is_unknown_path else error.detail
    return error_response(request, error.status_code, message, error.headers)


def _handle_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class
    return error_response(request, HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(map(_describe_mistake, error.errors())))


def _describe_mistake(mistake: Mapping[str, Any]) -> str:
    """Return a mistake in a request in words; a pattern is none."""
    name = str(mistake["loc"][-1])
    if mistake["type"] != "string_pattern_mismatch":
        return f"{name}: {mistake['msg']}"
    return f"{name}: {mistake['input']!r:.80} is not {PATTERN_WORDS.get(name, 'what the API reference names')}"


def _handle_unknown_probe(request: Request, error: Exception) -> Response:
    return error_response(request, HTTPStatus.NOT_FOUND, str(error))


def _handle_usage_error(request: Request, error: Exception) -> Response:
    return error_response(request, HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


def _handle_store_error(request: Request, error: Exception) -> Response:
    _log.error("%s", error)
    headers = {"Retry-After": str(STORE_RETRY_S)}
    return error_response(request, HTTPStatus.SERVICE_UNAVAILABLE, STORE_MESSAGE, headers)


def _handle_running(request: Request, error: Exception) -> Response:
    return error_response(request, HTTPStatus.CONFLICT, str(error), code="test_running")


def _handle_busy(request: Request, error: Exception) -> Response:
    assert isinstance(error, BusyError)  # noqa: S101  registered for this class
    return busy_response(request, error)


def _handle_error(request: Request, error: Exception) -> Response:
    _log.error("%s", error)
    return error_response(request, HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED_MESSAGE)


def _handle_unexpected(request: Request, error: Exception) -> Response:  # noqa: ARG001  uvicorn logs the error itself
    return error_response(request, HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED_MESSAGE)
