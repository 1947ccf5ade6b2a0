"""Whether packets came back over the line while a run failed, by which an outage ends.

What earlier versions stored is judged by its diagnosis and by the bytes that the test received. A day is packed again
where that concerns one of its runs; a packed entry without it is as before.
"""

from __future__ import annotations

import ipaddress
import zlib
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Iterator


revision = "0006"

down_revision = "0005"

branch_labels = None

depends_on = None

DAY_S = 86_400

BATCH = 500

# A router sends fewer bytes to a test, even with its errors.
PROVING_BYTES = 20_000

DNS_ANSWERS = (None, "NXDOMAIN", "SERVFAIL", "REFUSED")

RUNS = sa.table(
    "runs",
    *(sa.column(name) for name in ("pk", "probe_pk", "path", "started_at", "status", "line_answered")),
)

PACKED = sa.table("packed_days", *(sa.column(name) for name in ("day", "probe_pk", "path", "runs", "sorts", "sort")))

FAILED_RUNS = """
    SELECT runs.pk, document, samples FROM runs
    LEFT JOIN findings ON findings.run_pk = runs.pk LEFT JOIN traces ON traces.run_pk = runs.pk
    WHERE status = 'failed' AND (document IS NOT NULL OR samples IS NOT NULL)
"""


def upgrade() -> None:
    """Add the column, fill it in for failed runs, and add it to the days that are packed."""
    op.add_column("runs", sa.Column("line_answered", sa.Boolean(), nullable=True))
    rows = op.get_bind().execute(sa.text(FAILED_RUNS))
    answers = [(pk, answered) for pk, *evidence in rows if (answered := _answered(*evidence)) is not None]
    remaining = iter(answers)
    while batch := list(islice(remaining, BATCH)):
        for value in (True, False):
            pks = [pk for pk, answered in batch if answered is value]
            change = RUNS.update().where(RUNS.c.pk.in_(pks)).values(line_answered=sa.literal(value, sa.Boolean()))
            op.get_bind().execute(change)
    for day, probe_pk, path in _changed_days():
        _pack_again(day, probe_pk, path)


def _answered(document: str | None, samples: bytes | None) -> bool | None:
    trace = [] if samples is None else msgspec.msgpack.decode(zlib.decompress(samples))
    if sum(received for received, *_ in trace) >= PROVING_BYTES:
        return True
    findings = _decoded(document)
    if not isinstance(findings, dict):
        return None
    hosts = [one for name in ("hosts", "far", "direct") for one in findings.get(name, ())]
    servers = [one for one in findings.get("servers", ()) if one.get("error") in DNS_ANSWERS]
    return any(one.get("error") is None for one in hosts) or any(_is_remote(one["target"]) for one in servers)


def _decoded(document: str | None) -> Any:
    try:
        return msgspec.json.decode(document or "null")
    except msgspec.DecodeError:
        return None


def _is_remote(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _changed_days() -> Iterator[tuple[int, int, str]]:
    """Yield the packed days whose runs are stored and have an answer."""
    day = (RUNS.c.started_at - RUNS.c.started_at % DAY_S).label("day")
    changed = sa.select(day, RUNS.c.probe_pk, RUNS.c.path).where(RUNS.c.line_answered.is_not(None)).distinct()
    yield from (tuple(row) for row in op.get_bind().execute(changed).all())


def _pack_again(day: int, probe_pk: int, path: str) -> None:
    """Give each run of a packed day its place among the entries again, those with an answer after the others."""
    this_day = sa.and_(PACKED.c.day == day, PACKED.c.probe_pk == probe_pk, PACKED.c.path == path)
    packed = op.get_bind().execute(sa.select(PACKED).where(this_day)).one_or_none()
    inside = sa.and_(RUNS.c.probe_pk == probe_pk, RUNS.c.path == path)
    inside = sa.and_(inside, RUNS.c.started_at >= day, RUNS.c.started_at < day + DAY_S)
    order = (RUNS.c.started_at, RUNS.c.pk)
    answers = list(op.get_bind().scalars(sa.select(RUNS.c.line_answered).where(inside).order_by(*order)))
    if packed is None or len(answers) != packed.runs:
        return
    size = len(packed.sort) // packed.runs
    places = [int.from_bytes(packed.sort[at * size : (at + 1) * size], "little") for at in range(packed.runs)]
    entries = [bytes(entry).decode() for entry in msgspec.json.decode(packed.sorts, type=list[msgspec.Raw])]
    texts = [_with_answer(entries[place], answer) for place, answer in zip(places, answers, strict=True)]
    ordered = {text: place for place, text in enumerate(sorted(set(texts)))}
    values = {"sorts": f"[{','.join(ordered)}]", "sort": _narrow([ordered[text] for text in texts])}
    op.get_bind().execute(PACKED.update().where(this_day).values(values))


def _with_answer(entry: str, answer: int | bool | None) -> str:
    return entry if answer is None else f"{entry[:-1]},{'true' if answer else 'false'}]"


def _narrow(values: list[int]) -> bytes:
    """Return integers as a column: little endian, all in the smallest of 1, 2 and 4 bytes; empty if all are 0."""
    highest = max(values)
    size = next(size for size in (1, 2, 4) if highest < 1 << 8 * size)
    return b"".join(value.to_bytes(size, "little") for value in values) if highest else b""
