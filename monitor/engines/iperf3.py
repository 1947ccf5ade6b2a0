"""iperf3 against a server of the user's own: one test each way, each a JSON object at its end.

Both rates are what arrived at the receiver (`end.sum_received`), in bit/s: what a sender hands to its own kernel says
little of the line. One way after the other, as two ways at once share the line's queues and take from each other.
There is no idle latency, ISP or external address in it. Before 3.17 -J exits with 0 whatever went wrong; an "error" in
the object is a failure. Seen in 3.12, see tests/data/iperf3.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.engines import program, readings
from monitor.engines.documents import items
from monitor.engines.model import Engine, Located, Parsed, Sign
from monitor.engines.program import Program
from monitor.model import Failure, Kind, Measurement, Scope, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.engines.model import Ask
    from monitor.settings import Settings

NAME = "iperf3"
PROGRAM = Program("iperf3", "iperf3.binary", "iperf3", re.compile(r"^iperf (3\.\d[\w.+-]*)", re.MULTILINE))
NO_HOST = "no iperf3 server is named: run `iperf3 -s` on a machine beyond the line, and set iperf3.host to it"
CONNECT_MS = 10_000
MAX_RTT_US = readings.MAX_LATENCY_MS * 1000
# The command is all of the script's arguments; the second test waits until the server has put the first away.
BOTH_WAYS = '"$@" --reverse && sleep 1 && exec "$@"'


def _locate(settings: Settings, environ: Mapping[str, str], ask: Ask) -> Located:
    if not settings.iperf3.host:
        return Located(failure=Failure(Kind.NO_SERVER, Scope.CONFIG, "start", NO_HOST), configured=True)
    return program.identify(PROGRAM, program.find(PROGRAM, settings.iperf3.binary, environ), ask)


def _command(located: Located, settings: Settings, _server_id: str) -> list[str]:
    wanted = settings.iperf3
    server = ["--client", wanted.host, "--port", str(wanted.port), "--connect-timeout", str(CONNECT_MS)]
    # Without reports of every second, which many streams make longer than what is kept of any output.
    test = ["--parallel", str(wanted.streams), "--time", str(wanted.seconds), "--interval", "0", "--json"]
    return ["/bin/sh", "-c", BOTH_WAYS, NAME, *located.command, *server, *test]


def parse(stdout: bytes, stderr: bytes) -> Parsed:
    """Return what both tests said; a measurement only if both are whole and neither tells an error."""
    tests: dict[str, dict[str, object]] = {}
    complaints: list[str] = [item for item in items(stderr) if isinstance(item, str)]
    noise, server = None, None
    for item in items(stdout):
        if isinstance(item, str):
            noise = noise or item
            complaints.append(item)
        elif isinstance(error := item.get("error"), str):
            complaints.append(error)
            server = _wanted(readings.fields(item.get("start"))) or server
        else:
            tests[_way(item)] = item
    stage = "upload" if "download" in tests else None
    if tests.keys() < {"download", "upload"}:
        return Parsed(None, tuple(complaints), stage, noise, server)
    measurement, flaws = _measurement(tests["download"], tests["upload"])
    return Parsed(measurement, (*complaints, *flaws), stage, noise)


def _way(test: dict[str, object]) -> str:
    start = readings.fields(readings.fields(test.get("start")).get("test_start"))
    return "download" if start.get("reverse") == 1 else "upload"


def _measurement(download: dict[str, object], upload: dict[str, object]) -> tuple[Measurement | None, list[str]]:
    arrived, sent = _received(download), _received(upload)
    rates, flaws = readings.rates(arrived.get("bits_per_second"), sent.get("bits_per_second"))
    if rates is None:
        return None, flaws
    server = _server(upload)
    measurement = Measurement(
        download_bps=rates[0],
        upload_bps=rates[1],
        download_bytes=readings.count(arrived.get("bytes")),
        upload_bytes=readings.count(sent.get("bytes")),
        download_ms=_milliseconds(arrived),
        upload_ms=_milliseconds(sent),
        upload_latency_ms=_loaded_latency_ms(upload),
        ip_family=readings.address(server.ip)[1],
        server=server,
    )
    return measurement, []


def _received(test: dict[str, object]) -> dict[str, object]:
    return readings.fields(readings.fields(test.get("end")).get("sum_received"))


def _milliseconds(total: dict[str, object]) -> int | None:
    seconds = readings.number(total.get("seconds"), 0, readings.MAX_MS / 1000)
    return round(seconds * 1000) if seconds else None


def _loaded_latency_ms(upload: dict[str, object]) -> float | None:
    """Return the mean over the streams of what this end's kernel saw as round trip (us) while it sent."""
    streams = readings.fields(upload.get("end")).get("streams")
    found = streams if isinstance(streams, list) else []
    senders = [readings.fields(readings.fields(stream).get("sender")) for stream in found]
    trips = [trip for sender in senders if (trip := readings.number(sender.get("mean_rtt"), 1, MAX_RTT_US))]
    return round(sum(trips) / len(trips) / 1000, 3) if trips else None


def _server(test: dict[str, object]) -> Server:
    start = readings.fields(test.get("start"))
    connected = start.get("connected")
    first = readings.fields(connected[0]) if isinstance(connected, list) and connected else {}
    return replace(_wanted(start) or Server(), ip=readings.address(first.get("remote_host"))[0])


def _wanted(start: dict[str, object]) -> Server | None:
    """Return the server as it was asked for; without its address a probe of a failure knocks at the very port."""
    wanted = readings.fields(start.get("connecting_to"))
    host, port = readings.text(wanted.get("host")), readings.identifier(wanted.get("port"))
    return Server(name=host, host=f"{host}:{port}" if port else host) if host else None


SIGNS = (
    Sign(r"unrecognized option|invalid option|parameter error", Kind.WRONG_BINARY, Scope.CONFIG, "start"),
    # Its server takes one test at a time.
    Sign(r"server is busy", Kind.REFUSED, Scope.PROVIDER),
    Sign(r"Connection refused", Kind.REFUSED, Scope.PROVIDER),
    Sign(r"authorization failed|must specify a username", Kind.REFUSED, Scope.CONFIG),
    Sign(r"Network is unreachable|No route to host", Kind.UNREACHABLE, Scope.LINE),
    Sign(r"timed out|Operation now in progress|timeout", Kind.TIMEOUT, Scope.UNKNOWN),
    # Any other number is one that was left over when it could not look the name up; and the name may be a wrong one.
    Sign(r"unable to connect to server(?!.*(Permission denied|not permitted|Cannot assign))", Kind.DNS, Scope.UNKNOWN),
    Sign(r"unknown control message", Kind.BAD_OUTPUT, Scope.CONFIG),
    Sign(
        r"Connection reset|Broken pipe|closed unexpectedly|server has terminated|control message|to receive results",
        Kind.STAGE_FAILED,
        Scope.PROVIDER,
    ),
    Sign(r"unable to connect to server", Kind.UNREACHABLE, Scope.UNKNOWN),
    Sign(r"unable to ", Kind.STAGE_FAILED, Scope.UNKNOWN),
)

ENGINE = Engine(
    name=NAME,
    locate=_locate,
    command=_command,
    parse=parse,
    signs=SIGNS,
)
