"""The Python speedtest-cli from PyPI, which comes with speedmon: one JSON object at its end, and nothing before it.

Rates are bit/s as floats, `ping` ms; a rate of 0.0 means that every transfer failed. Seen with 2.1.2 and 2.1.3, see
tests/data/speedtest-cli.
"""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from monitor.engines import readings
from monitor.engines.documents import items
from monitor.engines.model import Engine, Located, Parsed, Sign
from monitor.model import Failure, Kind, Measurement, Scope, Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.engines.model import Ask
    from monitor.settings import Settings

PACKAGE = "speedtest-cli"
MODULE = "speedtest"
_LISTED = re.compile(r"\s*(?P<id>\d{1,18})\) (?P<name>.+) \((?P<place>.*), (?P<land>[^,]*)\) \[[\d.]+ km\]\s*$")
ABSENT = f"the Python package {PACKAGE} is not installed beside speedmon: pip install {PACKAGE}"


def _locate(_settings: Settings, _environ: Mapping[str, str], _ask: Ask) -> Located:
    if find_spec(MODULE) is None:
        return Located(failure=Failure(Kind.NOT_INSTALLED, Scope.CONFIG, "start", ABSENT))
    # -I: neither the environment nor the working directory can replace the module.
    return Located((sys.executable, "-I", "-W", "ignore", "-m", MODULE))


def _command(located: Located, settings: Settings, server_id: str) -> list[str]:
    secure = ["--secure"] if settings.speedtest_cli.secure else []
    server = ["--server", server_id] if server_id else []
    return [*located.command, "--json", *secure, *server]


def _servers_command(located: Located, settings: Settings) -> list[str]:
    secure = ["--secure"] if settings.speedtest_cli.secure else []
    return [*located.command, "--list", *secure]


def parse_servers(stdout: bytes, _stderr: bytes) -> tuple[Server, ...]:
    """Return the servers that `--list` prints as "ID) SPONSOR (PLACE, COUNTRY) [KM km]", nearest first."""
    lines = stdout.decode("utf-8", "replace").splitlines()
    return tuple(_listed(match) for line in lines if (match := _LISTED.match(line)))


def _listed(match: re.Match[str]) -> Server:
    return Server(
        match["id"], readings.text(match["name"]), readings.text(match["place"]), readings.text(match["land"])
    )


def _exclude(server_ids: Sequence[str]) -> list[str]:
    return [word for server_id in server_ids for word in ("--exclude", server_id)]


def _version(_located: Located) -> str | None:
    from importlib import metadata  # noqa: PLC0415  costs 20 ms, so only after the test

    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return None


def parse(stdout: bytes, stderr: bytes) -> Parsed:
    """Parse its output: the last complete result on stdout, and every other line as a complaint."""
    measurement, noise, server = None, None, None
    complaints = [item for item in items(stderr) if isinstance(item, str)]
    for item in items(stdout):
        if isinstance(item, str):
            noise = noise or item
            complaints.append(item)
        elif not item.keys() & {"download", "upload"}:
            noise = noise or str(item)
        else:
            found, flaws = measured(item)
            measurement = found or measurement
            complaints += flaws
            server = server_of(readings.fields(item.get("server")))
    return Parsed(measurement, tuple(complaints), None, noise, server)


def measured(result: dict[str, object]) -> tuple[Measurement | None, list[str]]:
    """Return the measurement of a result, or None and what is wrong with it."""
    rates, flaws = readings.rates(result.get("download"), result.get("upload"))
    if rates is None:
        return None, flaws
    client = readings.fields(result.get("client"))
    external_ip, family = readings.address(client.get("ip"))
    measurement = Measurement(
        download_bps=rates[0],
        upload_bps=rates[1],
        latency_ms=readings.latency_ms(result.get("ping")),
        download_bytes=readings.count(result.get("bytes_received")),
        upload_bytes=readings.count(result.get("bytes_sent")),
        isp=readings.text(client.get("isp")),
        external_ip=external_ip,
        ip_family=family,
        server=server_of(readings.fields(result.get("server"))),
        result_url=readings.url(result.get("share")),
    )
    return measurement, []


def server_of(server: dict[str, object]) -> Server | None:
    """Return the server of a result, None where there is none."""
    found = Server(
        id=readings.identifier(server.get("id")),
        name=readings.text(server.get("sponsor")),
        location=readings.text(server.get("name")),
        country=readings.text(server.get("country")),
        host=readings.text(server.get("host")),
    )
    return None if found == Server() else found


SIGNS = (
    Sign(r"No module named '?speedtest", Kind.NOT_INSTALLED, Scope.CONFIG, "start"),
    Sign(r"unrecognized arguments:|usage: speedtest", Kind.WRONG_BINARY, Scope.CONFIG, "start"),
    Sign(r"Too Many Requests|HTTP Error 429", Kind.RATE_LIMITED, Scope.PROVIDER),
    Sign(
        r"Name or service not known|Temporary failure in name resolution|nodename nor servname"
        r"|No address associated with hostname|\[Errno -\d+\]",
        Kind.DNS,
        Scope.LINE,
    ),
    Sign(r"Network is unreachable|No route to host", Kind.UNREACHABLE, Scope.LINE),
    # The last address that it tried was IPv6, which the namespace does not have; it does not say why IPv4 failed.
    Sign(r"Cannot assign requested address", Kind.UNREACHABLE, Scope.UNKNOWN),
    # Somebody answered, so the line carries packets.
    Sign(r"Connection refused", Kind.REFUSED, Scope.PROVIDER),
    # 403 too: speedtest.net rejects this client for days at a time; speedtest_cli.secure often helps.
    Sign(r"HTTP Error [45]\d\d", Kind.PROVIDER_DOWN, Scope.PROVIDER),
    Sign(r"CERTIFICATE_VERIFY_FAILED|SSL:|\[SSL\b", Kind.TLS, Scope.CONFIG),
    # An answer that is not a configuration: a login page of the ISP, or an error of the provider.
    Sign(
        r"Malformed speedtest\.net configuration|Unknown location: lat=",
        Kind.BAD_OUTPUT,
        Scope.UNKNOWN,
        "configuration",
    ),
    Sign(r"invalid literal for int\(\) with base 10: ''", Kind.BAD_OUTPUT, Scope.PROVIDER, "configuration"),
    Sign(r"Malformed speedtest\.net server list", Kind.BAD_OUTPUT, Scope.UNKNOWN, "server_list"),
    Sign(r"No matched servers", Kind.SERVER_GONE, Scope.CONFIG, "server_selection"),
    Sign(r"Unable to connect to servers to test latency", Kind.NO_SERVER, Scope.UNKNOWN, "server_selection"),
    Sign(r"Insufficient memory|MemoryError", Kind.CRASHED, Scope.LOCAL),
    Sign(r"SpeedtestUploadTimeout", Kind.TIMEOUT, Scope.UNKNOWN, "upload"),
    Sign(r"timed out|TimeoutError", Kind.TIMEOUT, Scope.UNKNOWN),
    Sign(
        r"Connection reset by peer|Broken pipe|Remote end closed|RemoteDisconnected|IncompleteRead|BadStatusLine",
        Kind.STAGE_FAILED,
        Scope.PROVIDER,
    ),
    # The last line of a traceback.
    Sign(r"^(\w+\.)*[A-Z]\w*(Error|Exception)(: |$)", Kind.CRASHED, Scope.PROVIDER),
    # Printed before the line with the reason; alone they say nothing.
    Sign(r"Cannot retrieve speedtest server list", Kind.UNKNOWN, Scope.UNKNOWN, "server_list"),
    Sign(r"Cannot retrieve speedtest configuration", Kind.UNKNOWN, Scope.UNKNOWN, "configuration"),
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
