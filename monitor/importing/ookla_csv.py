"""Parses rows of Ookla's `-f csv` and `-f tsv`, with what a script put before or after them. Pure.

A row has ten columns in version 1.0, eleven in 1.1.1 and 21 in 1.2; the first ten are the same. Rates are in bytes/s,
times in ms; packet loss is a percentage or N/A. A row has no time: scripts put it before, after or on another line.
"""

from __future__ import annotations

import csv
import re

from monitor.engines import readings
from monitor.importing import cells
from monitor.model import Measurement, Server

_REAL, _WHOLE = re.compile(r"\d+(\.\d+)?"), re.compile(r"\d+")
_LOSS = re.compile(r"\d+(\.\d+)?|N/A|")
# The first ten columns: server name and id, latency, jitter, loss, rates, bytes, URL. None matches anything.
_SHAPE = (None, _WHOLE, _REAL, _REAL, _LOSS, _WHOLE, _WHOLE, _WHOLE, _WHOLE, None)
_WIDTH = len(_SHAPE)
_LONGEST = 21
_DOWN_LATENCY, _UP_LATENCY = 11, 15
# So many fields may precede a row, such as a number and a date in several parts.
_BEFORE = 5
# Epoch seconds, latency, loss and rates, to which scripts often reduce a row.
_SHORT = (re.compile(r"\d{10}"), _REAL, _LOSS, _WHOLE, _WHOLE)


def is_header(line: str) -> bool:
    """Return whether a line is the header, which scripts print again and again."""
    names = [cells.plain(name) for name in fields(line)]
    return {"servername", "serverid", "download", "upload"} <= {*names} and "timestamp" not in names


def fields(line: str) -> list[str]:
    """Return the fields of one line of CSV or TSV."""
    try:
        return next(csv.reader([line], delimiter="\t" if "\t" in line else ",", skipinitialspace=True), [])
    except csv.Error:
        return []


def measured(line: str) -> tuple[Measurement, list[str]] | None:
    """Return the measurement of a row and the texts around it; None for any other line. A rate of 0 is None."""
    row = fields(line)
    for start in range(min(_BEFORE, len(row) - _WIDTH) + 1):
        if _fits(row[start : start + _WIDTH], _SHAPE):
            return _numbers(row[start:]), [*row[:start], *_after(row[start + _WIDTH :])]
    return (_few_numbers(row), row[:1]) if _fits(row, _SHORT) else None


def _fits(row: list[str], shape: tuple[re.Pattern[str] | None, ...]) -> bool:
    return len(row) == len(shape) and all(
        pattern is None or pattern.fullmatch(value.strip()) for value, pattern in zip(row, shape, strict=True)
    )


def _after(rest: list[str]) -> list[str]:
    return rest[_LONGEST - _WIDTH :] or rest[-2:]


def _numbers(row: list[str]) -> Measurement:
    name, server_id, latency, jitter, loss, down, up, down_bytes, up_bytes, url = row[:_WIDTH]
    place, _, location = name.rpartition(" - ")
    has_loaded_latencies = len(row) >= _LONGEST
    return Measurement(
        download_bps=cells.rate_bps(down, cells.BYTE),
        upload_bps=cells.rate_bps(up, cells.BYTE),
        latency_ms=readings.latency_ms(cells.number(latency)),
        jitter_ms=readings.jitter_ms(cells.number(jitter)),
        packet_loss_pct=readings.percent(cells.number(loss)),
        download_bytes=readings.count(cells.number(down_bytes)),
        upload_bytes=readings.count(cells.number(up_bytes)),
        download_latency_ms=readings.latency_ms(cells.number(row[_DOWN_LATENCY])) if has_loaded_latencies else None,
        upload_latency_ms=readings.latency_ms(cells.number(row[_UP_LATENCY])) if has_loaded_latencies else None,
        server=Server(server_id, readings.text(place or name), readings.text(location) if place else None),
        result_url=readings.url(url),
    )


def _few_numbers(row: list[str]) -> Measurement:
    _, latency, loss, down, up = row
    return Measurement(
        download_bps=cells.rate_bps(down, cells.BYTE),
        upload_bps=cells.rate_bps(up, cells.BYTE),
        latency_ms=readings.latency_ms(cells.number(latency)),
        packet_loss_pct=readings.percent(cells.number(loss)),
    )
