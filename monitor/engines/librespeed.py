"""LibreSpeed's CLI, `librespeed-cli --json`: an array with one report per tested server. The user installs it.

Rates are Mbit/s, whatever its help says; `ping` and `jitter` ms. The format is taken from its source, `report/json.go`
and `speedtest/helper.go` of github.com/librespeed/speedtest-cli; the documents in tests/data/librespeed follow it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from monitor.engines import parsing
from monitor.engines.base import Engine, EngineLocation, ParsedOutput, Program, Sign, locate_program
from monitor.engines.parsing import decode_array, parse_items, to_json_text
from monitor.model import FailureKind, Measurement, Scope, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.config.settings import Settings
    from monitor.engines.base import CommandRunner
    from monitor.engines.parsing import OutputItem


NAME = "librespeed"

PROGRAM = Program(
    "librespeed-cli", "librespeed.binary", "LibreSpeed's CLI", re.compile(r"librespeed-cli v?(\d[\w.+-]*)?")
)

MBIT = 1_000_000

NO_SERVER_ANSWERED = "no server answered"

_SERVER_LINE = re.compile(r"(?P<id>\d{1,18}): (?P<name>.*) \((?P<url>[^\s()]+)\)\s*(\[Sponsor: .*\])?\s*$")


def _locate(settings: Settings, environ: Mapping[str, str], ask: CommandRunner) -> EngineLocation:
    return locate_program(PROGRAM, settings.librespeed.binary, environ, ask)


def _command(located: EngineLocation, settings: Settings, server_id: str) -> list[str]:
    # Any other telemetry option would enable it.
    quiet = ["--json", "--telemetry-level", "disabled"]
    server = ["--server", server_id] if server_id else []
    return [*located.command, *quiet, *_network_options(settings), *server]


def _network_options(settings: Settings) -> list[str]:
    """Return the options for the network and the list of servers."""
    chosen = settings.librespeed
    options = ["--local-json" if chosen.servers.startswith("/") else "--server-json", chosen.servers]
    return [
        *(["--secure"] if chosen.secure else []),
        *(["--ipv4"] if chosen.ipv4 else []),
        *(options if chosen.servers else []),
    ]


def _servers_command(located: EngineLocation, settings: Settings) -> list[str]:
    return [*located.command, "--list", *_network_options(settings)]


def parse_servers(stdout: bytes, stderr: bytes) -> tuple[Server, ...]:
    """Return the servers that `--list` prints as "ID: NAME (URL)", on stderr before version 1.0.10."""
    lines = (stdout + b"\n" + stderr).decode("utf-8", "replace").splitlines()
    return tuple(
        Server(match["id"], parsing.clean_text(match["name"]), host=_host_of_url(match["url"]))
        for line in lines
        if (match := _SERVER_LINE.match(line))
    )


def parse(stdout: bytes, stderr: bytes) -> ParsedOutput:
    """Parse its output: the last complete report on stdout, every line of stderr, and whether no server answered."""
    measurement, noise = None, None
    complaints = [item if isinstance(item, str) else to_json_text(item) for item in parse_items(stderr)]
    for item in parse_items(stdout):
        reports = _reports(item)
        if reports is None:
            noise = noise or str(item)
            complaints.append(str(item))
        elif not reports:
            complaints.append(NO_SERVER_ANSWERED)
        for report in reports or ():
            result, flaws = to_measurement(parsing.to_object(report))
            measurement = result or measurement
            complaints += flaws
    return ParsedOutput(measurement, tuple(complaints), None, noise)


def _reports(item: OutputItem) -> list[object] | None:
    """Return the reports of an array, of the single object of versions before 1.0.10, or None for anything else."""
    if isinstance(item, str):
        return decode_array(item) if item.startswith(("[", "null")) else None
    return [item] if item.keys() & {"download", "upload"} else None


def to_measurement(report: dict[str, object]) -> tuple[Measurement | None, list[str]]:
    """Return the measurement of a report, or None and what is wrong with it."""
    rates, flaws = parsing.to_rates(report.get("download"), report.get("upload"), MBIT)
    if rates is None:
        return None, flaws
    client = parsing.to_object(report.get("client"))
    external_ip, family = parsing.to_address(client.get("ip"))
    measurement = Measurement(
        download_bps=rates[0],
        upload_bps=rates[1],
        latency_ms=parsing.to_latency_ms(report.get("ping")),
        jitter_ms=parsing.to_jitter_ms(report.get("jitter")),
        download_bytes=parsing.to_count(report.get("bytes_received")),
        upload_bytes=parsing.to_count(report.get("bytes_sent")),
        isp=parsing.clean_text(client.get("org")),
        external_ip=external_ip,
        ip_family=family,
        server=to_server(parsing.to_object(report.get("server"))),
        result_url=parsing.to_url(report.get("share")),
    )
    return measurement, []


def to_server(server: dict[str, object]) -> Server | None:
    """Return the server of a report, None where there is none."""
    name, url = parsing.clean_text(server.get("name")), parsing.to_url(server.get("url"))
    return parsing.none_if_empty(Server(name=name, host=_host_of_url(url or "")))


def _host_of_url(url: str) -> str | None:
    try:
        return parsing.clean_text(urlsplit(url if "//" in url else f"//{url}").netloc)
    except ValueError:
        return None


SIGNS = (
    Sign(r"flag provided but not defined|Incorrect Usage", FailureKind.WRONG_BINARY, Scope.CONFIG, "start"),
    Sign(r"status 429|Too Many Requests", FailureKind.RATE_LIMITED, Scope.PROVIDER),
    # Go's message for a name that cannot be looked up, for whatever reason.
    Sign(r"\blookup \S+( on \S+)?: |no such host|server misbehaving", FailureKind.DNS, Scope.LINE),
    Sign(r"network is unreachable|no route to host", FailureKind.UNREACHABLE, Scope.LINE),
    Sign(r"cannot assign requested address", FailureKind.BIND, Scope.CONFIG),
    # Somebody answered, so the line carries packets.
    Sign(r"connection refused", FailureKind.REFUSED, Scope.PROVIDER),
    Sign(r"x509: |tls: |certificate", FailureKind.TLS, Scope.CONFIG),
    Sign(r"specified server\(s\) not found", FailureKind.SERVER_GONE, Scope.CONFIG, "server_selection"),
    # An answer that is not a list of servers: a login page, or an error of the provider.
    Sign(
        r"invalid character|cannot unmarshal|unexpected end of JSON",
        FailureKind.BAD_OUTPUT,
        Scope.UNKNOWN,
        "server_list",
    ),
    # A configured list of servers that cannot be opened.
    Sign(r"^Error when fetching server list: open ", FailureKind.SERVER_GONE, Scope.CONFIG, "server_list"),
    Sign(r"i/o timeout|Client\.Timeout|deadline exceeded|connection timed out", FailureKind.TIMEOUT, Scope.UNKNOWN),
    Sign(r"connection reset by peer|broken pipe|\bEOF\b", FailureKind.STAGE_FAILED, Scope.PROVIDER),
    Sign(r"out of memory", FailureKind.CRASHED, Scope.LOCAL),
    Sign(r"^panic: |^fatal error: ", FailureKind.CRASHED, Scope.PROVIDER),
    Sign(
        r"No server is currently available|^no server answered$",
        FailureKind.NO_SERVER,
        Scope.UNKNOWN,
        "server_selection",
    ),
    Sign(r"Failed to get IP info", FailureKind.STAGE_FAILED, Scope.UNKNOWN, "configuration"),
    Sign(r"Failed to get (ping|download|upload)", FailureKind.STAGE_FAILED, Scope.UNKNOWN),
    Sign(r"Error when fetching server list", FailureKind.UNKNOWN, Scope.UNKNOWN, "server_list"),
)

ENGINE = Engine(
    name=NAME,
    locate=_locate,
    command=_command,
    parse=parse,
    signs=SIGNS,
    home="librespeed.org:443",
    servers_command=_servers_command,
    parse_servers=parse_servers,
)
