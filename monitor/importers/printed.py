"""What people read: `speedtest-cli`, `speedtest-cli --simple`, and Ookla's CLI without `-f`, with dates around. Pure.

A test is a few lines with a label: `Download: 93.25 Mbit/s`. It has no time: scripts print a date before or after it,
in the same way in the whole file. Errors with a date and without a result are a failed run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from monitor.diagnosis.classify import MAX_COMPLAINTS
from monitor.engines import ookla, parsing, speedtest_cli
from monitor.importers import attempts
from monitor.importers.base import SHOWN_CHARS, ImportedRun, RejectedPart, UnusableRowError
from monitor.importers.readers import closing_notes, take_notes
from monitor.importers.rows import Row, Source
from monitor.importers.times import UnreadableTimeError
from monitor.model import Attempt, Measurement, Server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from monitor.importers.base import ImportContext, Record
    from monitor.importers.readers import NumberedItem


_RATE = re.compile(r"\s*(?P<label>Download|Upload):\s+(?P<value>\d.*?|FAILED)\s*(?:\((?P<more>.*)\).*|\[.*)?", re.ASCII)

_LATENCY = re.compile(r"\s*(?:Ping|(?:Idle )?Latency):\s+(?P<value>\d.*?)\s*(?:\((?P<more>.*)\).*|\[.*)?", re.ASCII)

_LOADED = re.compile(r"\s+(?P<value>\d[\d.,]*\s*ms)\s+\(jitter:.*", re.ASCII)

# The same with a value that is not a number, which refuses the test.
_UNREADABLE = re.compile(r"\s*(?P<label>Download|Upload|Ping|(?:Idle )?Latency):\s+(?P<value>\S.*?)\s*")

_OTHER = re.compile(r"\s*(?P<label>Server|ISP|Packet Loss|Result URL|Share results):\s+(?P<value>.*?)\s*")

_HOSTED = re.compile(r"Hosted by (?P<name>.*) \((?P<place>[^()]*)\) \[[^\]]*\]: (?P<ping>.*)")

_FROM = re.compile(r"Testing from (?P<isp>.*) \((?P<ip>[^()]*)\)\.*")

_SERVER = re.compile(r"(?P<name>.*?)(?: - (?P<place>.*?))? \(id ?[:=] ?(?P<id>\d+)\)")

_JITTER, _DATA_USED = re.compile(r"jitter: ([^,]*)|(.*) jitter"), re.compile(r"data used: (.*)")

_BANNER = re.compile(r"\s*Speedtest by Ookla\s*|Retrieving speedtest\.net configuration\.*")

_FILLER = re.compile(r"(?:Retrieving|Selecting|Testing|Skipping) .*|[\s.=#*_-]*")

_ERROR = re.compile(
    r"\[error\] .*|ERROR: .*|(?:Cannot|Could not|Couldn't|Unable to|No matched servers|speedtest-cli: error).*"
)

_AROUND_DATE = " \t#=*-[]"

_PREFIX = re.compile(r"[A-Za-z][A-Za-z ]{1,20}: ")

_NEAR = timedelta(minutes=5)


@dataclass(slots=True)
class _Block:
    """The lines of one test."""

    line: int
    at: datetime | None = None
    engine: str = speedtest_cli.PACKAGE
    cells: dict[str, object] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    last_rate: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.cells and not self.errors


def is_printed(line: str) -> bool:
    """Return whether only these programs print a line."""
    rate = _RATE.fullmatch(line)
    return bool(_BANNER.fullmatch(line)) or (rate is not None and re.search(r"bps|bits?/s|bytes?/s", line) is not None)


def read_printed(items: Iterable[NumberedItem], context: ImportContext) -> Iterator[Record]:
    """Yield a record for each test in the items, and one for each line that belongs to none."""
    reader, line = _PrintedReader(context), 0
    for line, item in items:
        yield from reader.add(line, item if isinstance(item, str) else str(item))
        yield from take_notes(reader.source, line)
    yield from reader.close()
    yield from closing_notes(reader.source, line)


class _PrintedReader:
    """A text while it is read: the test that the last lines are about, and whether dates come before tests."""

    def __init__(self, context: ImportContext) -> None:
        self.source = Source.of(context)
        self._block: _Block | None = None
        self._dates_first: bool | None = None
        self._last: datetime | None = None

    def add(self, line: int, text: str) -> Iterator[Record]:
        """Yield the records that a line completes."""
        try:
            at = self._read_date(text)
        except UnreadableTimeError as error:
            yield from self.close()
            yield RejectedPart(line, f"time {text[:SHOWN_CHARS]!r} is {error}")
            return
        if at is not None:
            yield from self._add_date(line, at)
        elif self._begins_test(text):
            yield from self._begin(line)
            self._add_line(self._current(line), text)
        elif not self._add_line(self._current(line), text):
            yield RejectedPart(line, f"not a result: {text[:SHOWN_CHARS]!r}")

    def _read_date(self, text: str) -> datetime | None:
        if not any(mark.isdigit() for mark in text) or ":" not in text or _RATE.fullmatch(text):
            return None
        bare = text.strip(_AROUND_DATE)
        return self.source.clock.read(bare) or self.source.clock.read(_PREFIX.sub("", bare, count=1))

    def _current(self, line: int) -> _Block:
        if self._block is None:
            self._block = _Block(line)
        return self._block

    def _begins_test(self, text: str) -> bool:
        block = self._block
        if block is None or "download" not in block.cells:
            return False
        rate = _RATE.fullmatch(text)
        begins_anew = rate is not None and rate["label"] == "Download" and "upload" in block.cells
        return begins_anew or bool(_BANNER.fullmatch(text) or _LATENCY.fullmatch(text))

    def _begin(self, line: int) -> Iterator[Record]:
        if self._dates_first is None:
            self._dates_first = False
        yield from self.close()
        self._block = _Block(line)

    def _add_date(self, line: int, at: datetime) -> Iterator[Record]:
        block = self._block
        if self._dates_first is None:
            self._dates_first = block is None or block.is_empty
        if not self._dates_first and block is not None and not block.is_empty:
            block.at = at
            yield from self.close()
            return
        yield from self.close()
        self._block = _Block(line, at)

    def _add_line(self, block: _Block, text: str) -> bool:
        """Take a line into a test; return whether it belongs to one."""
        if rate := _RATE.fullmatch(text):
            _add_rate(block, rate)
        elif latency := _LATENCY.fullmatch(text):
            block.cells["latency"] = latency["value"]
            if jitter := _JITTER.search(latency["more"] or ""):
                block.cells["jitter"] = jitter[1] or jitter[2]
        elif (loaded := _LOADED.fullmatch(text)) and block.last_rate:
            block.cells[f"{block.last_rate} latency"] = loaded["value"]
        elif unreadable := _UNREADABLE.fullmatch(text):
            name = unreadable["label"].lower()
            block.cells[name if name in {"download", "upload"} else "latency"] = unreadable["value"]
        elif not _add_label(block, text):
            return self._add_error(block, text)
        return True

    def _add_error(self, block: _Block, text: str) -> bool:
        is_error = bool(_ERROR.match(text)) or ookla.LOG_LINE.match(text) is not None
        if (is_error or block.errors) and len(block.errors) < MAX_COMPLAINTS:
            log = ookla.LOG_LINE.match(text)
            if log is None or log["level"] != "info":
                block.errors.append(log["text"] if log else text)
            return True
        return is_error

    def close(self) -> Iterator[Record]:
        """Yield the record of the last test."""
        block, self._block = self._block, None
        if block is None or (block.is_empty and block.at is None):
            return
        if block.is_empty:
            if self._last is None or block.at is None or abs(block.at - self._last) > _NEAR:
                yield RejectedPart(block.line, "a date that neither a result nor an error follows")
            return
        try:
            attempt = self._to_attempt(block)
        except UnusableRowError as error:
            yield RejectedPart(block.line, str(error))
            return
        self._last = block.at
        yield ImportedRun(block.line, attempt, attempts.former_id(attempt.run))

    def _to_attempt(self, block: _Block) -> Attempt:
        if block.at is None:
            where = "before" if self._dates_first else "after"
            raise UnusableRowError(f"a test without a time: no line {where} it has a date")
        row = Row(block.cells, self.source)
        measured = _to_measurement(row)
        rates = (measured.download_bps, measured.upload_bps)
        if block.errors and None in rates:
            engine = ookla.ENGINE if block.engine == ookla.ENGINE.name else speedtest_cli.ENGINE
            failure = attempts.to_failure(engine, block.errors)
            return attempts.failed_attempt(block.engine, block.at, failure, row, server=measured.server)
        if 0 in rates:
            name = "download" if rates[0] == 0 else "upload"
            raise row.refuse(name, "no rate, and the file does not say that the test failed")
        return attempts.measured_attempt(block.engine, block.at, measured, row)


def _add_rate(block: _Block, rate: re.Match[str]) -> None:
    block.last_rate = rate["label"].lower()
    if rate["value"] == "FAILED":
        block.errors.append(rate[0].strip())
        return
    block.cells[block.last_rate] = rate["value"]
    if used := _DATA_USED.search(rate["more"] or ""):
        block.cells[f"{block.last_rate} bytes"] = used[1]


def _add_label(block: _Block, text: str) -> bool:
    """Take a line with another label, a banner or a filler; return whether it is one."""
    if other := _OTHER.fullmatch(text):
        block.cells[other["label"].lower()] = other["value"]
    elif named := _HOSTED.fullmatch(text) or _FROM.fullmatch(text):
        block.cells |= {"latency" if key == "ping" else key: value for key, value in named.groupdict().items()}
    elif _BANNER.fullmatch(text):
        block.engine = ookla.ENGINE.name if "Ookla" in text else block.engine
    else:
        return bool(_FILLER.fullmatch(text))
    return True


def _to_measurement(row: Row) -> Measurement:
    external_ip, family = row.address("ip")
    return Measurement(
        download_bps=row.rate_bps("download", None),
        upload_bps=row.rate_bps("upload", None),
        latency_ms=row.latency_ms("latency"),
        jitter_ms=row.jitter_ms("jitter"),
        packet_loss_pct=row.percent("packet loss") if str(row.fields.get("packet loss", ""))[:1].isdigit() else None,
        download_bytes=row.byte_count("download bytes"),
        upload_bytes=row.byte_count("upload bytes"),
        download_latency_ms=row.latency_ms("download latency"),
        upload_latency_ms=row.latency_ms("upload latency"),
        isp=row.text("isp"),
        external_ip=external_ip,
        ip_family=family,
        server=_to_server(row),
        result_url=row.url("result url") or row.url("share results"),
    )


def _to_server(row: Row) -> Server | None:
    if match := _SERVER.fullmatch(row.text("server") or ""):
        return Server(match["id"], match["name"], match["place"])
    return parsing.none_if_empty(Server(None, row.text("name"), row.text("place")))
