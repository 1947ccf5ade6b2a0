"""Tables that say themselves what their columns are, and `--map` for those that do not. Pure.

The CSV of many tutorials has its units in the header: `Date,Time,Ping (ms),Download (Mbps),Upload (Mbps)`. The script
speedtest-csv of speedtest-cli-extras has them in the header or beside each number; Pi-hole's speedtest table has Mbit/s
and ms. A rate whose unit is nowhere is refused.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.errors import UsageError
from monitor.importers import attempts, quantities
from monitor.importers.base import BITS_PER_MBIT, normalize_name
from monitor.importers.rows import ImportFormat, Row, to_server
from monitor.model import Failure, FailureKind, Measurement, Scope, Server

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.importers.base import Fields
    from monitor.model import Attempt


NAME = "table"

EXTRAS_NAME = "speedtest-cli-extras"

PIHOLE_NAME = "pihole"

# The engine of a table that does not name it.
UNKNOWN_ENGINE = "unknown"

_RATES = ("download", "upload")

_NAMES = {
    "time": "time timestamp datetime dateandtime when createdat testedat starttime start",
    "end": "stop stoptime end endtime finishedat",
    "date": "date day",
    "download": "download down dl downloadspeed downloadrate downspeed",
    "upload": "upload up ul uploadspeed uploadrate upspeed",
    "latency": "latency ping serverping idlelatency pinglatency",
    "jitter": "jitter pingjitter",
    "loss": "loss packetloss",
    "server": "server servername sponsor hostedby",
    "server_id": "serverid",
    "isp": "isp from fromserver provider",
    "external_ip": "ip ipaddress externalip publicip fromip clientip",
    "url": "url share shareurl resulturl result link",
    "error": "error",
}

_ROLES = {name: role for role, names in _NAMES.items() for name in names.split()}

MAP_KEYS = tuple(_NAMES)

# A header of Ookla's CLI to which a script added a date.
_OOKLA_COLUMNS = {"serverid", "latency", "jitter", "packetloss", "downloadbytes"}

_UNIT_IN_BRACKETS = re.compile(r"(.*?)[\s_]*[(\[]\s*([^()\[\]]+?)\s*[)\]]\s*")

_UNIT_AS_WORD = re.compile(r"(.+?)[\s_,-]+([A-Za-z%]+(?:/s)?)")

_PLACE = re.compile(r"(.*\S)\s*\(([^()]*)\)")

_RESULT_OF_OOKLA, _RESULT_OF_SPEEDTEST_CLI = "/result/c/", ".png"


@dataclass(frozen=True, slots=True)
class ImportColumn:
    """A column of a table: its normalized name, and the factor of its unit, None if it has no unit."""

    name: str
    factor: float | None = None


Columns = dict[str, ImportColumn]


def _factor(role: str, unit: str) -> float | None:
    if role in _RATES:
        return quantities.rate_factor(unit)
    return quantities.ms_factor(unit) if role in {"latency", "jitter"} else quantities.percent_factor(unit)


def _split_title(title: str) -> tuple[str, str]:
    """Return the name and the unit of a column's title."""
    match = _UNIT_IN_BRACKETS.fullmatch(title) or _UNIT_AS_WORD.fullmatch(title)
    return (match[1], match[2]) if match else (title, "")


@functools.lru_cache(maxsize=64)
def _find_columns(titles: tuple[str, ...]) -> Columns:
    """Return the columns of a table by their role."""
    columns: Columns = {}
    for title in titles:
        short, unit = _split_title(title)
        for name, factor_of in ((title, ""), (short, unit)):
            role = _ROLES.get(normalize_name(name))
            if role is not None and role not in columns:
                columns[role] = ImportColumn(normalize_name(title), _factor(role, factor_of) if factor_of else None)
    if "time" not in columns and "date" in columns:
        columns["time"] = columns.pop("date")
    return columns


def _titles(fields: Fields) -> tuple[str, ...]:
    return tuple(str(title) for title in fields.values())


def _is_table(fields: Fields) -> bool:
    """Return whether a header has a time and a rate. The values of `fields` are the titles."""
    columns = _find_columns(_titles(fields))
    is_of_ookla = {normalize_name(title) for title in _titles(fields)} >= _OOKLA_COLUMNS
    return "time" in columns and not columns.keys().isdisjoint(_RATES) and not is_of_ookla


def _read_table_row(row: Row) -> Attempt:
    return read_columns(row, _find_columns(tuple(row.source.titles.values())), UNKNOWN_ENGINE)


def read_columns(row: Row, columns: Columns, engine: str) -> Attempt:
    """Return the run of a row whose columns have these roles.

    Raises:
        UnusableRowError: a cell cannot be read, there is no time or no rate, or a rate is 0.
    """
    began, ended = _times(row, columns)
    measured = _to_measurement(row, columns)
    message = _text(row, columns, "error")
    if message and measured.download_bps is None and measured.upload_bps is None:
        failure = Failure(FailureKind.UNKNOWN, Scope.UNKNOWN, None, message)
        return attempts.failed_attempt(engine, began, failure, row, server=measured.server)
    for role in _RATES:
        if getattr(measured, f"{role}_bps") == 0:
            raise row.refuse(columns[role].name, "no rate, and the file does not say that the test failed")
    return attempts.measured_attempt(engine, ended, measured, row, (ended - began).total_seconds())


def _times(row: Row, columns: Columns) -> tuple[datetime, datetime]:
    time = columns["time"].name
    if "date" in columns:
        day = columns["date"].name
        joined = Row({day: f"{row.fields.get(day) or ''} {row.fields.get(time) or ''}"}, row.source)
        began = joined.time(day)
    else:
        began = row.time(time)
    ended = row.time_if_any(columns["end"].name) if "end" in columns else None
    return began, max(began, ended or began)


def _text(row: Row, columns: Columns, role: str) -> str | None:
    return row.text(columns[role].name) if role in columns else None


def _to_measurement(row: Row, columns: Columns) -> Measurement:
    down, up = (row.rate_bps(columns[role].name, columns[role].factor) if role in columns else None for role in _RATES)
    latency, jitter = columns.get("latency"), columns.get("jitter")
    external_ip, family = row.address(columns["external_ip"].name) if "external_ip" in columns else (None, None)
    return Measurement(
        download_bps=down,
        upload_bps=up,
        latency_ms=row.latency_ms(latency.name, latency.factor or 1) if latency else None,
        jitter_ms=row.jitter_ms(jitter.name, jitter.factor or 1) if jitter else None,
        packet_loss_pct=row.percent(columns["loss"].name) if "loss" in columns else None,
        isp=_text(row, columns, "isp"),
        external_ip=external_ip,
        ip_family=family,
        server=_to_server(row, columns),
        result_url=row.url(columns["url"].name) if "url" in columns else None,
    )


def _to_server(row: Row, columns: Columns) -> Server | None:
    """Return a server; `Example (Town)` is a name and a place."""
    text = _text(row, columns, "server") or ""
    match = _PLACE.fullmatch(text)
    name, place = (match[1], match[2]) if match else (text, "")
    server_id = row.identifier(columns["server_id"].name) if "server_id" in columns else None
    return to_server(server_id, name or None, place or None)


TABLE = ImportFormat(NAME, _is_table, _read_table_row)


_EXTRAS_HEADER = (
    *("start", "stop", "from", "fromip", "server"),
    *("serverdist", "serverping", "download", "upload", "shareurl"),
)

_EXTRAS_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)

_EXTRAS_NUMBER = re.compile(r"\d.*|")

_MBIT = float(BITS_PER_MBIT)


def _is_extras(fields: Fields) -> bool:
    short = {normalize_name(_split_title(str(title))[0]) for title in fields.values()}
    return short >= {*_EXTRAS_HEADER[:5]} or short | {normalize_name(title) for title in _titles(fields)} >= {
        *_EXTRAS_HEADER
    }


def _is_extras_row(row: list[str]) -> bool:
    return (
        len(row) in {len(_EXTRAS_HEADER), len(_EXTRAS_HEADER) - 1}
        and all(_EXTRAS_TIME.fullmatch(cell) for cell in row[:2])
        and all(_EXTRAS_NUMBER.fullmatch(cell.strip()) for cell in row[5:9])
    )


def _read_extras(row: Row) -> Attempt:
    columns = _find_columns(tuple(row.source.titles.values()))
    # Without units in the header, they are beside the numbers, or left out as the header would have named them.
    rates = {role: ImportColumn(columns[role].name, columns[role].factor or _MBIT) for role in _RATES}
    return read_columns(row, columns | rates, "speedtest-cli")


EXTRAS = ImportFormat(EXTRAS_NAME, _is_extras, _read_extras, header=_EXTRAS_HEADER, matches_row=_is_extras_row)


_PIHOLE_COLUMNS: Columns = {
    "time": ImportColumn("starttime"),
    "end": ImportColumn("stoptime"),
    "isp": ImportColumn("fromserver"),
    "external_ip": ImportColumn("fromip"),
    "server": ImportColumn("server"),
    "latency": ImportColumn("serverping"),
    "download": ImportColumn("download", _MBIT),
    "upload": ImportColumn("upload", _MBIT),
    "url": ImportColumn("shareurl"),
}


def _is_pihole(fields: Fields) -> bool:
    return fields.keys() >= {column.name for column in _PIHOLE_COLUMNS.values()}


def _read_pihole(row: Row) -> Attempt:
    """Read a row; a test that failed has no server (-) and zeros, and the reason in place of the ISP."""
    url = row.url("shareurl") or ""
    engine = (
        "ookla"
        if _RESULT_OF_OOKLA in url
        else "speedtest-cli"
        if url.endswith(_RESULT_OF_SPEEDTEST_CLI)
        else UNKNOWN_ENGINE
    )
    rates = [row.rate_bps(name, _MBIT) for name in _RATES]
    if rates == [0, 0] and (row.text("server") or "-") == "-":
        failure = Failure(FailureKind.UNKNOWN, Scope.UNKNOWN, None, row.text("fromserver") or "failed")
        return attempts.failed_attempt(engine, row.time("starttime"), failure, row)
    return read_columns(row, _PIHOLE_COLUMNS, engine)


PIHOLE = ImportFormat(PIHOLE_NAME, _is_pihole, _read_pihole)


_NUMBERED = re.compile(r"#(\d{1,3})")

_NUMBERED_HEADER = tuple(f"#{number}" for number in range(1, 1000))

_MAP_ENTRY = re.compile(rf",\s*(?=(?:{'|'.join(MAP_KEYS)}|ping)\s*=)")


class ColumnMap:
    """What `--map` says: `time=When,download=Down [Mbit/s]`. A column is given by its title, or by its number as #2."""

    def __init__(self, text: str) -> None:
        """Parse the text.

        Raises:
            UsageError: it is not a list of KEY=COLUMN, or has no time or no rate.
        """
        self._entries: dict[str, str] = {}
        for entry in _MAP_ENTRY.split(text):
            key, separator, column = (part.strip() for part in entry.partition("="))
            key = "latency" if key == "ping" else key
            if not separator or not column or key not in MAP_KEYS:
                raise UsageError(f"--map: {entry.strip()!r} is not KEY=COLUMN; the keys are {', '.join(MAP_KEYS)}")
            self._entries[key] = column
        if not {"time", "date"} & self._entries.keys() or self._entries.keys().isdisjoint(_RATES):
            raise UsageError("--map needs a time, and a download or an upload: time=When,download=Down [Mbit/s]")

    def to_format(self) -> ImportFormat:
        """Return the format of tables with these columns."""
        return ImportFormat(NAME, self._matches, self._read, header=_NUMBERED_HEADER, matches_row=self._matches_row)

    @property
    def titles(self) -> str:
        """The columns, for an error."""
        return ", ".join(self._entries.values())

    @property
    def _numbers(self) -> list[int]:
        return [int(match[1]) for column in self._entries.values() if (match := _NUMBERED.match(column))]

    def _matches(self, fields: Fields) -> bool:
        titles = _titles(fields)
        return not self._numbers and all(self._resolve(key, titles) for key in self._entries)

    def _matches_row(self, row: list[str]) -> bool:
        return len(self._numbers) == len(self._entries) and len(row) >= max(self._numbers)

    def _resolve(self, key: str, titles: tuple[str, ...]) -> ImportColumn | None:
        """Return the column of a key, None if the table does not have it."""
        wanted = self._entries[key]
        for name, unit in ((wanted, ""), _split_unit_of_map(wanted)):
            if match := _NUMBERED.fullmatch(name):
                return ImportColumn(f"#{match[1]}", _factor(key, unit) if unit else None)
            title = next((title for title in titles if title.strip() == name), None)
            if title is not None:
                named = unit or _split_title(title)[1]
                return ImportColumn(normalize_name(title), _factor(key, named) if named else None)
        return None

    def _read(self, row: Row) -> Attempt:
        titles = tuple(row.source.titles.values())
        columns = {key: column for key in self._entries if (column := self._resolve(key, titles))}
        if "time" not in columns:
            columns["time"] = columns.pop("date")
        return read_columns(row, columns, UNKNOWN_ENGINE)


def _split_unit_of_map(column: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.*?)\s*\[([^\[\]]*)\]", column)
    return (match[1], match[2]) if match else (column, "")
