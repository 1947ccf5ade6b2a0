"""Answers of the API: JSON or CSV, with an entity tag, in pages, streamed.

A list is an array of JSON, or CSV with the same names where the client asks for it by `format=csv` or by its `Accept`.
Where more follows, the header `Link` (RFC 8288) has the address of the next page. An answer that is small enough to be
made in memory has an entity tag; a large one is streamed.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass, fields, is_dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from fastapi import Depends, Query
from starlette.responses import Response, StreamingResponse

from monitor.errors import UsageError
from monitor.output.export import to_csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from starlette.requests import Request


Format = Literal["json", "csv"] | None

FORMAT_HELP = "json, or csv; else what Accept asks for"

FormatQuery = Annotated[Format, Query(alias="format", description=FORMAT_HELP)]

CHUNK_BYTES = 65_536

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv; charset=utf-8"

# A browser asks again each time, with the tag of the answer that it has.
CACHING = {"Cache-Control": "private, no-cache", "Vary": "Accept"}

# Rows of a list but that of runs, by default and at most.
MAX_ROWS = 2000

LINK_HEADERS = {
    "Link": {"schema": {"type": "string"}, "description": "the next page, rel=next; absent on the last one"},
    "Next-Cursor": {"schema": {"type": "string"}, "description": "the `cursor` of the next page"},
}

# CSV for the documentation of a list.
CSV_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "headers": LINK_HEADERS}
}


def wants_csv(request: Request, requested: str | None) -> bool:
    """Return whether an answer is to be CSV: by the query, else if the client prefers it to JSON."""
    if requested is not None:
        return requested == "csv"
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return "text/csv" in accepted and JSON_TYPE not in accepted[: accepted.index("text/csv")]


def is_known(request: Request, etag: str) -> bool:
    """Return whether the client has the answer of this entity tag (RFC 9110, section 13.1.2)."""
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return etag.removeprefix("W/") in known or "*" in known


def to_answer(
    request: Request, content: bytes, media_type: str = JSON_TYPE, headers: Mapping[str, str] | None = None
) -> Response:
    """Return content with its entity tag, or 304 if the client has it."""
    # Weak: it may be sent compressed or not.
    etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, **CACHING, **(headers or {})}
    if is_known(request, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def to_json(request: Request, value: Any) -> Response:
    """Return a value as JSON. msgspec is several times as fast as FastAPI for many small objects."""
    return to_answer(request, msgspec.json.encode(value))


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The format and the page of a list."""

    as_format: Format
    limit: int
    cursor: str | None


def read_list_query(
    as_format: FormatQuery = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ROWS, description="at most this many rows")] = MAX_ROWS,
    cursor: Annotated[str | None, Query(pattern="^[0-9a-f]{16}$", description="the end of the page before")] = None,
) -> ListQuery:
    """Return what is asked of a list."""
    return ListQuery(as_format, limit, cursor)


AsList = Annotated[ListQuery, Depends(read_list_query)]


def to_list(request: Request, rows: Sequence[Any], row_type: type, query: ListQuery, *key: str) -> Response:
    """Return a page of dataclass objects as a JSON array, or as CSV; `key` are the fields that tell them apart.

    Raises:
        UsageError: the row at which the page before ended is no longer in the list.
    """
    cursors = [_cursor_of(row, key) for row in rows]
    if query.cursor is not None and query.cursor not in cursors:
        raise UsageError("cursor: the list has changed there: begin with its first page")
    begin = cursors.index(query.cursor) + 1 if query.cursor else 0
    end = begin + query.limit
    headers = next_link(request, cursors[end - 1]) if end < len(rows) else {}
    if wants_csv(request, query.as_format):
        return to_answer(request, to_csv(rows[begin:end], row_type).encode(), CSV_TYPE, headers)
    return to_answer(request, msgspec.json.encode(rows[begin:end]), JSON_TYPE, headers)


def _cursor_of(row: Any, key: Iterable[str]) -> str:
    return hashlib.sha256(repr([getattr(row, name) for name in key]).encode()).hexdigest()[:16]


def to_stream(lines: Iterable[str], media_type: str, headers: Mapping[str, str]) -> Response:
    """Return an answer that is made while it is sent."""
    return StreamingResponse(_in_chunks(lines), media_type=media_type, headers={**CACHING, **headers})


def _in_chunks(lines: Iterable[str]) -> Iterator[bytes]:
    """Join lines: each chunk of an answer costs a change of threads."""
    chunk = bytearray()
    for line in lines:
        chunk += line.encode()
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


def next_link(request: Request, cursor: str) -> dict[str, str]:
    """Return the headers that lead to the next page; the address is relative to this one."""
    query = request.url.include_query_params(cursor=cursor).query
    return {"Link": f'<?{query}>; rel="next"', "Next-Cursor": cursor}


def to_csv(rows: Iterable[Any], row_type: type) -> str:
    """Return RFC 4180 CSV of dataclass objects; the fields of an object within one get its name as a prefix."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    names = [*column_names(row_type)]
    flat_rows = (_flatten(msgspec.to_builtins(row)) for row in rows)
    for values in (names, *([_to_field(row.get(name)) for name in names] for row in flat_rows)):
        writer.writerow(values)
    return buffer.getvalue()


def column_names(row_type: type) -> Iterator[str]:
    """Yield the names of the columns of a dataclass: `download_bps_min` for a field of an object within it."""
    hints = get_type_hints(row_type)
    for field in fields(row_type):
        hint = hints[field.name]
        part = next((kind for kind in (hint, *get_args(hint)) if is_dataclass(kind)), None)
        if isinstance(part, type):
            yield from (f"{field.name}_{name}" for name in column_names(part))
        else:
            yield field.name


def _flatten(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}_")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _to_field(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return to_csv_text(value) if isinstance(value, str) else value
