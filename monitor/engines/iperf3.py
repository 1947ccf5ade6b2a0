"""iperf3 against a server of the user's own: one test in each direction, each printing a JSON object at its end.

Both rates are what arrived at the receiver (`end.sum_received`), in bit/s: what a sender hands to its own kernel
says little about the line. One direction after the other: at the same time they would compete for the line. The output
has no idle latency, ISP or external address. Before 3.17, -J exits with 0 even after an error; an "error" in the object
is a failure. Seen with 3.12, see tests/data/iperf3.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.engines import parsing
from monitor.engines.base import Engine, EngineLocation, ParsedOutput, Program, Sign, locate_program
from monitor.engines.parsing import parse_items
from monitor.model import Failure, FailureKind, Measurement, Scope, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.config.settings import Settings
    from monitor.engines.base import CommandRunner


NAME = "iperf3"

PROGRAM = Program("iperf3", "iperf3.binary", "iperf3", re.compile(r"^iperf (3\.\d[\w.+-]*)", re.MULTILINE))

NO_HOST = (
    "no iperf3 server is set: run `iperf3 -s` on a machine at the other end of the line, and set iperf3.host to it"
)

CONNECT_MS = 10_000

MAX_RTT_US = parsing.MAX_LATENCY_MS * 1000

# "$@" is the command; the second test waits until the server has cleaned up after the first.
BOTH_DIRECTIONS = '"$@" --reverse && sleep 1 && exec "$@"'


def _locate(settings: Settings, environ: Mapping[str, str], ask: CommandRunner) -> EngineLocation:
    if not settings.iperf3.host:
        return EngineLocation(failure=Failure(FailureKind.NO_SERVER, Scope.CONFIG, "start", NO_HOST), configured=True)
    return locate_program(PROGRAM, settings.iperf3.binary, environ, ask)


def _command(located: EngineLocation, settings: Settings, _server_id: str) -> list[str]:
    requested = settings.iperf3
    server = ["--client", requested.host, "--port", str(requested.port), "--connect-timeout", str(CONNECT_MS)]
    # Without a report per second: with many streams these would exceed the limit of kept output.
    test = ["--parallel", str(requested.streams), "--time", str(requested.seconds), "--interval", "0", "--json"]
    return ["/bin/sh", "-c", BOTH_DIRECTIONS, NAME, *located.command, *server, *test]


def parse(stdout: bytes, stderr: bytes) -> ParsedOutput:
    """Parse the output of both tests; there is a measurement only if both are complete and neither has an error."""
    tests: dict[str, dict[str, object]] = {}
    complaints: list[str] = [item for item in parse_items(stderr) if isinstance(item, str)]
    noise, server = None, None
    for item in parse_items(stdout):
        if isinstance(item, str):
            noise = noise or item
            complaints.append(item)
        elif isinstance(error := item.get("error"), str):
            complaints.append(error)
            server = _requested_server(parsing.to_object(item.get("start"))) or server
        else:
            tests[_direction(item)] = item
    stage = "upload" if "download" in tests else None
    if tests.keys() < {"download", "upload"}:
        return ParsedOutput(None, tuple(complaints), stage, noise, server)
    measurement, flaws = _to_measurement(tests["download"], tests["upload"])
    return ParsedOutput(measurement, (*complaints, *flaws), stage, noise)


def _direction(test: dict[str, object]) -> str:
    start = parsing.to_object(parsing.to_object(test.get("start")).get("test_start"))
    return "download" if start.get("reverse") == 1 else "upload"


def _to_measurement(download: dict[str, object], upload: dict[str, object]) -> tuple[Measurement | None, list[str]]:
    arrived, sent = _receiver_totals(download), _receiver_totals(upload)
    rates, flaws = parsing.to_rates(arrived.get("bits_per_second"), sent.get("bits_per_second"))
    if rates is None:
        return None, flaws
    server = _tested_server(upload)
    measurement = Measurement(
        download_bps=rates[0],
        upload_bps=rates[1],
        download_bytes=parsing.to_count(arrived.get("bytes")),
        upload_bytes=parsing.to_count(sent.get("bytes")),
        download_ms=_duration_ms(arrived),
        upload_ms=_duration_ms(sent),
        upload_latency_ms=_loaded_latency_ms(upload),
        ip_family=parsing.to_address(server.ip)[1],
        server=server,
    )
    return measurement, []


def _receiver_totals(test: dict[str, object]) -> dict[str, object]:
    return parsing.to_object(parsing.to_object(test.get("end")).get("sum_received"))


def _duration_ms(total: dict[str, object]) -> int | None:
    seconds = parsing.to_number(total.get("seconds"), 0, parsing.MAX_MS / 1000)
    return round(seconds * 1000) if seconds else None


def _loaded_latency_ms(upload: dict[str, object]) -> float | None:
    """Return the mean over the streams of the round-trip time (us) that this end's kernel saw while sending."""
    streams = parsing.to_object(upload.get("end")).get("streams")
    stream_list = streams if isinstance(streams, list) else []
    senders = [parsing.to_object(parsing.to_object(stream).get("sender")) for stream in stream_list]
    round_trips = [
        round_trip for sender in senders if (round_trip := parsing.to_number(sender.get("mean_rtt"), 1, MAX_RTT_US))
    ]
    return round(sum(round_trips) / len(round_trips) / 1000, 3) if round_trips else None


def _tested_server(test: dict[str, object]) -> Server:
    start = parsing.to_object(test.get("start"))
    connected = start.get("connected")
    first = parsing.to_object(connected[0]) if isinstance(connected, list) and connected else {}
    return replace(_requested_server(start) or Server(), ip=parsing.to_address(first.get("remote_host"))[0])


def _requested_server(start: dict[str, object]) -> Server | None:
    """Return the server as requested; with its port, so that a diagnosis connects to that very port."""
    requested = parsing.to_object(start.get("connecting_to"))
    host, port = parsing.clean_text(requested.get("host")), parsing.to_identifier(requested.get("port"))
    return Server(name=host, host=f"{host}:{port}" if port else host) if host else None


SIGNS = (
    Sign(r"unrecognized option|invalid option|parameter error", FailureKind.WRONG_BINARY, Scope.CONFIG, "start"),
    # Its server takes one test at a time.
    Sign(r"server is busy", FailureKind.REFUSED, Scope.PROVIDER),
    Sign(r"Connection refused", FailureKind.REFUSED, Scope.PROVIDER),
    Sign(r"authorization failed|must specify a username", FailureKind.REFUSED, Scope.CONFIG),
    Sign(r"Network is unreachable|No route to host", FailureKind.UNREACHABLE, Scope.LINE),
    Sign(r"timed out|Operation now in progress|timeout", FailureKind.TIMEOUT, Scope.UNKNOWN),
    # Any other errno is a leftover: the name could not be looked up, and may be wrong.
    Sign(
        r"unable to connect to server(?!.*(Permission denied|not permitted|Cannot assign))",
        FailureKind.DNS,
        Scope.UNKNOWN,
    ),
    Sign(r"unknown control message", FailureKind.BAD_OUTPUT, Scope.CONFIG),
    Sign(
        r"Connection reset|Broken pipe|closed unexpectedly|server has terminated|control message|to receive results",
        FailureKind.STAGE_FAILED,
        Scope.PROVIDER,
    ),
    Sign(r"unable to connect to server", FailureKind.UNREACHABLE, Scope.UNKNOWN),
    Sign(r"unable to ", FailureKind.STAGE_FAILED, Scope.UNKNOWN),
)

ENGINE = Engine(
    name=NAME,
    locate=_locate,
    command=_command,
    parse=parse,
    signs=SIGNS,
)
