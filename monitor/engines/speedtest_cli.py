"""The Python speedtest-cli from PyPI, which comes with speedmon: one JSON object at its end, and nothing before it.

Rates are bit/s as floats, `ping` ms; a rate of 0.0 means that every transfer failed. Seen with 2.1.2 and 2.1.3, see
tests/data/speedtest-cli.
"""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from monitor.engines import parsing
from monitor.engines.base import Engine, EngineLocation, ParsedOutput, Sign
from monitor.engines.parsing import parse_items
from monitor.model import Failure, FailureKind, Measurement, Scope, Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.config.settings import Settings
    from monitor.engines.base import CommandRunner


PACKAGE = "speedtest-cli"

MODULE = "speedtest"

_SERVER_LINE = re.compile(r"\s*(?P<id>\d{1,18})\) (?P<name>.+) \((?P<place>.*), (?P<land>[^,]*)\) \[[\d.]+ km\]\s*$")

NOT_INSTALLED = f"the Python package {PACKAGE} is not installed beside speedmon"


def _locate(_settings: Settings, _environ: Mapping[str, str], _ask: CommandRunner) -> EngineLocation:
    if find_spec(MODULE) is None:
        from monitor.system.installation import install_command  # noqa: PLC0415  only for the message

        return EngineLocation(
            failure=Failure(
                FailureKind.NOT_INSTALLED, Scope.CONFIG, "start", f"{NOT_INSTALLED}: {install_command(PACKAGE)}"
            )
        )
    # -I: neither the environment nor the working directory can replace the module.
    return EngineLocation((sys.executable, "-I", "-W", "ignore", "-m", MODULE))


def _command(located: EngineLocation, settings: Settings, server_id: str) -> list[str]:
    secure = ["--secure"] if settings.speedtest_cli.secure else []
    server = ["--server", server_id] if server_id else []
    return [*located.command, "--json", *secure, *server]


def _servers_command(located: EngineLocation, settings: Settings) -> list[str]:
    secure = ["--secure"] if settings.speedtest_cli.secure else []
    return [*located.command, "--list", *secure]


def parse_servers(stdout: bytes, _stderr: bytes) -> tuple[Server, ...]:
    """Return the servers that `--list` prints as "ID) SPONSOR (PLACE, COUNTRY) [KM km]", nearest first."""
    lines = stdout.decode("utf-8", "replace").splitlines()
    return tuple(_listed_server(match) for line in lines if (match := _SERVER_LINE.match(line)))


def _listed_server(match: re.Match[str]) -> Server:
    return Server(
        match["id"],
        parsing.clean_text(match["name"]),
        parsing.clean_text(match["place"]),
        parsing.clean_text(match["land"]),
    )


def _exclude(server_ids: Sequence[str]) -> list[str]:
    return [word for server_id in server_ids for word in ("--exclude", server_id)]


def _version(_located: EngineLocation) -> str | None:
    from importlib import metadata  # noqa: PLC0415  20 ms, so it is imported after the test

    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return None


def parse(stdout: bytes, stderr: bytes) -> ParsedOutput:
    """Parse its output: the last complete result on stdout, and every other line as a complaint."""
    measurement, noise, server = None, None, None
    complaints = [item for item in parse_items(stderr) if isinstance(item, str)]
    for item in parse_items(stdout):
        if isinstance(item, str):
            noise = noise or item
            complaints.append(item)
        elif not item.keys() & {"download", "upload"}:
            noise = noise or str(item)
        else:
            result, flaws = to_measurement(item)
            measurement = result or measurement
            complaints += flaws
            server = to_server(parsing.to_object(item.get("server")))
    return ParsedOutput(measurement, tuple(complaints), None, noise, server)


def to_measurement(result: dict[str, object]) -> tuple[Measurement | None, list[str]]:
    """Return the measurement of a result, or None and what is wrong with it."""
    rates, flaws = parsing.to_rates(result.get("download"), result.get("upload"))
    if rates is None:
        return None, flaws
    client = parsing.to_object(result.get("client"))
    external_ip, family = parsing.to_address(client.get("ip"))
    measurement = Measurement(
        download_bps=rates[0],
        upload_bps=rates[1],
        latency_ms=parsing.to_latency_ms(result.get("ping")),
        download_bytes=parsing.to_count(result.get("bytes_received")),
        upload_bytes=parsing.to_count(result.get("bytes_sent")),
        isp=parsing.clean_text(client.get("isp")),
        external_ip=external_ip,
        ip_family=family,
        server=to_server(parsing.to_object(result.get("server"))),
        result_url=parsing.to_url(result.get("share")),
    )
    return measurement, []


def to_server(server: dict[str, object]) -> Server | None:
    """Return the server of a result, None where there is none."""
    described = Server(
        id=parsing.to_identifier(server.get("id")),
        name=parsing.clean_text(server.get("sponsor")),
        location=parsing.clean_text(server.get("name")),
        country=parsing.clean_text(server.get("country")),
        host=parsing.clean_text(server.get("host")),
    )
    return parsing.none_if_empty(described)


SIGNS = (
    Sign(r"No module named '?speedtest", FailureKind.NOT_INSTALLED, Scope.CONFIG, "start"),
    Sign(r"unrecognized arguments:|usage: speedtest", FailureKind.WRONG_BINARY, Scope.CONFIG, "start"),
    Sign(r"Too Many Requests|HTTP Error 429", FailureKind.RATE_LIMITED, Scope.PROVIDER),
    Sign(
        r"Name or service not known|Temporary failure in name resolution|nodename nor servname"
        r"|No address associated with hostname|\[Errno -\d+\]",
        FailureKind.DNS,
        Scope.LINE,
    ),
    Sign(r"Network is unreachable|No route to host", FailureKind.UNREACHABLE, Scope.LINE),
    # The last address that it tried was IPv6, which the namespace does not have; nothing shows why IPv4 failed.
    Sign(r"Cannot assign requested address", FailureKind.UNREACHABLE, Scope.UNKNOWN),
    # Somebody answered, so the line carries packets.
    Sign(r"Connection refused", FailureKind.REFUSED, Scope.PROVIDER),
    # 403 too: speedtest.net rejects this client for days at a time; speedtest_cli.secure often helps.
    Sign(r"HTTP Error [45]\d\d", FailureKind.PROVIDER_DOWN, Scope.PROVIDER),
    Sign(r"CERTIFICATE_VERIFY_FAILED|SSL:|\[SSL\b", FailureKind.TLS, Scope.CONFIG),
    # An answer that is not a configuration: a login page of the ISP, or an error of the provider.
    Sign(
        r"Malformed speedtest\.net configuration|Unknown location: lat=",
        FailureKind.BAD_OUTPUT,
        Scope.UNKNOWN,
        "configuration",
    ),
    Sign(r"invalid literal for int\(\) with base 10: ''", FailureKind.BAD_OUTPUT, Scope.PROVIDER, "configuration"),
    Sign(r"Malformed speedtest\.net server list", FailureKind.BAD_OUTPUT, Scope.UNKNOWN, "server_list"),
    Sign(r"No matched servers", FailureKind.SERVER_GONE, Scope.CONFIG, "server_selection"),
    Sign(r"Unable to connect to servers to test latency", FailureKind.NO_SERVER, Scope.UNKNOWN, "server_selection"),
    Sign(r"Insufficient memory|MemoryError", FailureKind.CRASHED, Scope.LOCAL),
    Sign(r"SpeedtestUploadTimeout", FailureKind.TIMEOUT, Scope.UNKNOWN, "upload"),
    Sign(r"timed out|TimeoutError", FailureKind.TIMEOUT, Scope.UNKNOWN),
    Sign(
        r"Connection reset by peer|Broken pipe|Remote end closed|RemoteDisconnected|IncompleteRead|BadStatusLine",
        FailureKind.STAGE_FAILED,
        Scope.PROVIDER,
    ),
    # The last line of a traceback.
    Sign(r"^(\w+\.)*[A-Z]\w*(Error|Exception)(: |$)", FailureKind.CRASHED, Scope.PROVIDER),
    # Printed before the line with the reason; alone they explain nothing.
    Sign(r"Cannot retrieve speedtest server list", FailureKind.UNKNOWN, Scope.UNKNOWN, "server_list"),
    Sign(r"Cannot retrieve speedtest configuration", FailureKind.UNKNOWN, Scope.UNKNOWN, "configuration"),
)

ENGINE = Engine(
    name=PACKAGE,
    locate=_locate,
    command=_command,
    parse=parse,
    version=_version,
    signs=SIGNS,
    servers_command=_servers_command,
    parse_servers=parse_servers,
    exclude=_exclude,
    home="www.speedtest.net:80",
)
