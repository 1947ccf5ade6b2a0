"""Ookla's Speedtest CLI: `speedtest --format=jsonl`, one JSON event per line. The user installs it.

Rates are bytes/s (`bandwidth`), times ms, packet loss percent. Events: testStart, ping, download, upload, result, log.
Seen with versions 1.0 to 1.2, see tests/data/ookla.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.engines import base, parsing
from monitor.engines.base import Engine, EngineLocation, EngineProgress, LocalEnd, ParsedOutput, Program, Sign
from monitor.engines.parsing import decode_object, parse_items, to_json_text
from monitor.model import Failure, FailureKind, Measurement, Scope, Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from monitor.config.settings import Settings
    from monitor.engines.base import CommandRunner


PROGRAM = Program("speedtest", "ookla.binary", "Ookla's Speedtest CLI", re.compile(r"Speedtest by Ookla\s+(\d[\w.]*)?"))

BITS_PER_BYTE = 8

PHASES = {"ping": "latency", "download": "download", "upload": "upload"}

LICENCE = (
    "Ookla's licence is not accepted: read https://www.speedtest.net/about/eula and /about/privacy,"
    ' then set ookla.accept_license = true, or use collect.engine = "speedtest-cli"'
)

# The wrapper that pip writes for the Python speedtest-cli; recognised without starting it.
_PYTHON_WRAPPER = re.compile(rb"\A#!.*^from speedtest import main", re.DOTALL | re.MULTILINE)

LOG_LINE = re.compile(r"^(?:\[[\d\-: .]+\] )?\[(?P<level>\w+)\] (?P<text>.*)$")

_BANNER_EDGE = re.compile(r"^=+$")


def _barred(settings: Settings) -> Failure | None:
    if settings.ookla.accept_license:
        return None
    return Failure(FailureKind.LICENCE, Scope.CONFIG, "start", LICENCE)


def _locate(settings: Settings, environ: Mapping[str, str], ask: CommandRunner) -> EngineLocation:
    located = base.find_program(PROGRAM, settings.ookla.binary, environ)
    if located.failure is None and _is_python_wrapper(located.command[0]):
        failure = base.wrong_program_failure(PROGRAM, located.command[0], "the Python speedtest-cli")
        return EngineLocation(located.command, None, failure, located.configured)
    return base.identify_program(PROGRAM, located, ask)


def _is_python_wrapper(binary: str) -> bool:
    try:
        with Path(binary).open("rb") as file:
            return _PYTHON_WRAPPER.search(file.read(4096)) is not None
    except OSError:
        return False  # executable but not readable: --version decides


def _command(located: EngineLocation, _settings: Settings, server_id: str) -> list[str]:
    server = [f"--server-id={server_id}"] if server_id else []
    return [*located.command, "--accept-license", "--accept-gdpr", "--format=jsonl", *server]


def _servers_command(located: EngineLocation, _settings: Settings) -> list[str]:
    return [*located.command, "--accept-license", "--accept-gdpr", "--servers", "--format=json"]


def parse_servers(stdout: bytes, _stderr: bytes) -> tuple[Server, ...]:
    """Return the servers that `--servers` lists, nearest first; those without an id are left out."""
    lists = [item.get("servers") for item in parse_items(stdout) if isinstance(item, dict)]
    entries = [entry for entry_list in lists if isinstance(entry_list, list) for entry in entry_list]
    servers = (to_server(parsing.to_object(entry)) for entry in entries)
    return tuple(server for server in servers if server and server.id)


def parse(stdout: bytes, stderr: bytes) -> ParsedOutput:
    """Parse the CLI's output. The last complete result on stdout counts, whatever else was printed."""
    measurement, stage, noise, server, local = None, None, None, None, None
    complaints = [*_complaints(stderr), *_complaints(stdout)]
    for item in parse_items(stdout):
        if isinstance(item, str):
            noise = noise or item
            continue
        local = _to_local_end(parsing.to_object(item.get("interface"))) or local
        if item.get("type") == "result":
            result, flaws = to_measurement(item)
            measurement = result or measurement
            complaints += flaws
        elif "type" in item or "error" in item:
            stage = PHASES.get(str(item.get("type")), stage)
            server = to_server(parsing.to_object(item.get("server"))) or server
        else:
            noise = noise or to_json_text(item)
    return ParsedOutput(measurement, tuple(complaints), stage, noise, server, local)


def _complaints(output: bytes) -> Iterator[str]:
    """Yield the messages of log lines, error objects and plain lines, except the licence banner."""
    in_banner = False
    for item in parse_items(output):
        if isinstance(item, dict):
            yield from _object_complaint(item)
        elif _BANNER_EDGE.match(item):
            in_banner = not in_banner
        elif not in_banner:
            yield from _line_complaint(item)


def _object_complaint(item: dict[str, object]) -> Iterator[str]:
    error, message = item.get("error"), item.get("message")
    if error is not None:
        yield error if isinstance(error, str) else to_json_text(error)
    elif item.get("type", "log") == "log" and item.get("level") != "info" and isinstance(message, str):
        yield message
    elif isinstance(item.get("download"), int | float):
        yield "a result of another program, the Python speedtest-cli"


def _line_complaint(line: str) -> Iterator[str]:
    log = LOG_LINE.match(line)
    if log is None:
        yield line
    elif log["level"] != "info":
        yield log["text"]


def to_measurement(result: dict[str, object]) -> tuple[Measurement | None, list[str]]:
    """Return the measurement of a `result` event, or None and what is wrong with it."""
    download, upload = parsing.to_object(result.get("download")), parsing.to_object(result.get("upload"))
    rates, flaws = parsing.to_rates(download.get("bandwidth"), upload.get("bandwidth"), BITS_PER_BYTE)
    if rates is None:
        return None, flaws
    ping = parsing.to_object(result.get("ping"))
    external_ip, family = parsing.to_address(parsing.to_object(result.get("interface")).get("externalIp"))
    measurement = Measurement(
        download_bps=rates[0],
        upload_bps=rates[1],
        latency_ms=parsing.to_latency_ms(ping.get("latency")),
        jitter_ms=parsing.to_jitter_ms(ping.get("jitter")),
        packet_loss_pct=parsing.to_percent(result.get("packetLoss")),
        download_bytes=parsing.to_count(download.get("bytes")),
        upload_bytes=parsing.to_count(upload.get("bytes")),
        download_ms=parsing.to_count(download.get("elapsed"), parsing.MAX_MS),
        upload_ms=parsing.to_count(upload.get("elapsed"), parsing.MAX_MS),
        download_latency_ms=parsing.to_latency_ms(parsing.to_object(download.get("latency")).get("iqm")),
        upload_latency_ms=parsing.to_latency_ms(parsing.to_object(upload.get("latency")).get("iqm")),
        isp=parsing.clean_text(result.get("isp")),
        external_ip=external_ip,
        ip_family=family,
        server=to_server(parsing.to_object(result.get("server"))),
        result_url=parsing.to_url(parsing.to_object(result.get("result")).get("url")),
    )
    return measurement, []


def to_server(server: Mapping[str, object]) -> Server | None:
    """Return the server of an event, None where there is none."""
    described = Server(
        id=parsing.to_identifier(server.get("id")),
        name=parsing.clean_text(server.get("name")),
        location=parsing.clean_text(server.get("location")),
        country=parsing.clean_text(server.get("country")),
        host=parsing.clean_text(server.get("host")),
        ip=parsing.to_address(server.get("ip"))[0],
    )
    return parsing.none_if_empty(described)


def _to_local_end(interface: dict[str, object]) -> LocalEnd | None:
    address, _ = parsing.to_address(interface.get("internalIp"))
    return parsing.none_if_empty(LocalEnd(parsing.clean_text(interface.get("name")), address))


def _progress(line: str) -> EngineProgress | None:
    event = decode_object(line) if line.startswith("{") else None
    kind = str(event.get("type")) if event else ""
    if event is None or kind not in PHASES:
        return None
    moment = parsing.to_object(event.get(kind))
    share = parsing.to_number(moment.get("progress"), 0, 1)
    return EngineProgress(PHASES[kind], share, parsing.to_rate_bps(moment.get("bandwidth"), BITS_PER_BYTE))


SIGNS = (
    Sign(
        r"To accept the message please run speedtest|Do you accept the license\?",
        FailureKind.LICENCE,
        Scope.CONFIG,
        "start",
    ),
    Sign(
        r"unrecognized arguments:|usage: speedtest(-cli)? \[-h\]|Retrieving speedtest\.net configuration"
        r"|^a result of another program",
        FailureKind.WRONG_BINARY,
        Scope.CONFIG,
        "start",
    ),
    # HOME is unset or cannot be used.
    Sign(r"basic_string::_[MS]_construct null not valid", FailureKind.CRASHED, Scope.CONFIG, "start"),
    Sign(r"Too many requests|429 Too Many Requests|document \(429\)", FailureKind.RATE_LIMITED, Scope.PROVIDER),
    Sign(r"Limit reached", FailureKind.RATE_LIMITED, Scope.PROVIDER),
    Sign(
        r"Failed binding local connection end|Cannot assign requested address|\bbind(ing)? .*fail",
        FailureKind.BIND,
        Scope.CONFIG,
    ),
    # "Host resolve failed: Exec format error" is about a name, so this comes before programs that cannot be executed.
    Sign(
        r"HostNotFoundException|Couldn't resolve host name|Failed to resolve host name|Host resolve failed",
        FailureKind.DNS,
        Scope.LINE,
    ),
    Sign(
        r"command not found|cannot execute binary file|Exec format error|No such file or directory|Permission denied",
        FailureKind.NOT_INSTALLED,
        Scope.CONFIG,
        "start",
    ),
    Sign(r"Network is unreachable|No route to host|Network unreachable", FailureKind.UNREACHABLE, Scope.LINE),
    # The CA bundle or the clock of this machine is wrong; a login page looks the same.
    Sign(r"remote key was not OK|SSL (peer )?certificate|CA cert|certificate verify", FailureKind.TLS, Scope.CONFIG),
    Sign(r"configuration document \([45]\d\d\)", FailureKind.PROVIDER_DOWN, Scope.PROVIDER, "configuration"),
    Sign(r"NoServersException|No servers defined", FailureKind.SERVER_GONE, Scope.CONFIG, "server_selection"),
    Sign(
        r"Failed to find a working test server|\(NoServers\)", FailureKind.NO_SERVER, Scope.UNKNOWN, "server_selection"
    ),
    Sign(r"Latency: +FAILED|Latency test failed", FailureKind.STAGE_FAILED, Scope.PROVIDER, "latency"),
    Sign(r"(Download|Upload): +FAILED", FailureKind.STAGE_FAILED, Scope.UNKNOWN),
    Sign(r"Protocol error|Did not receive HELLO", FailureKind.STAGE_FAILED, Scope.PROVIDER),
    # Somebody answered, so the line carries packets.
    Sign(r"Connection refused|\[111\]", FailureKind.REFUSED, Scope.PROVIDER),
    Sign(r"Connection reset by peer|Broken pipe", FailureKind.STAGE_FAILED, Scope.PROVIDER),
    Sign(r"Timeout occurred in connect|\[110\]|Operation now in progress", FailureKind.TIMEOUT, Scope.UNKNOWN),
    Sign(r"Cannot open socket", FailureKind.UNREACHABLE, Scope.UNKNOWN),
    Sign(r"Cannot (read|write)\b|Resource temporarily unavailable", FailureKind.STAGE_FAILED, Scope.UNKNOWN),
    # No HTTP answer at all: the line or the provider, which a diagnosis must find out.
    Sign(r"configuration document \(0\)", FailureKind.UNREACHABLE, Scope.UNKNOWN, "configuration"),
    # The last line of every failure of the configuration; alone it explains nothing.
    Sign(r"Could not retrieve or read configuration", FailureKind.UNKNOWN, Scope.UNKNOWN, "configuration"),
)

ENGINE = Engine(
    name="ookla",
    barred=_barred,
    locate=_locate,
    command=_command,
    parse=parse,
    progress=_progress,
    signs=SIGNS,
    exit_signs={173: (FailureKind.RATE_LIMITED, Scope.PROVIDER)},
    servers_command=_servers_command,
    parse_servers=parse_servers,
    home="www.speedtest.net:443",
)
