"""Every setting, declared once: type, limits, default and help. Validation, `config init` and the docs read it here.

A section is a frozen dataclass; a key is a field whose annotation carries the help. To add a setting, add a field.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from monitor.model import Plan

Seconds = Annotated[int, Meta(ge=1, le=86_400)]


def _hostname() -> str:
    return socket.gethostname() or "home"


@dataclass(frozen=True, slots=True)
class Probe:
    """This installation."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="name of this installation")] = field(
        default_factory=_hostname
    )


@dataclass(frozen=True, slots=True)
class Collect:
    """How a test is run."""

    engine: Annotated[
        str,
        Meta(
            description="auto (ookla where its CLI is found, else speedtest-cli), ookla, speedtest-cli, librespeed,"
            " iperf3, or an engine of another package"
        ),
    ] = "auto"
    path: Annotated[
        Literal["ip4only", "host"], Meta(description="ip4only: through the namespace; host: as any other program")
    ] = "ip4only"
    server_id: Annotated[str, Meta(description="test against this server only; empty: the engine chooses")] = ""
    timeout_s: Annotated[int, Meta(ge=5, le=3600, description="seconds after which a test is ended")] = 120
    probe_failures: Annotated[
        bool, Meta(description="look from inside for the cause of a failure: asks check.name and check.hosts")
    ] = True
    lock_file: Annotated[
        str, Meta(description="file that keeps two tests from running at once; empty: one for the whole machine")
    ] = ""


@dataclass(frozen=True, slots=True)
class Cross:
    """Traffic of others on the same line while a test runs."""

    limit_pct: Annotated[
        float, Meta(gt=0, le=1000, description="a run beside other traffic of more percent of its rate is doubtful")
    ] = 10.0
    wait_s: Annotated[
        int, Meta(ge=0, le=3600, description="up to so many seconds to wait for a quiet line before a test; 0: none")
    ] = 0
    quiet_mbps: Annotated[
        float, Meta(gt=0, description="a line is quiet when it carries less than so many Mbit/s in both directions")
    ] = 1.0


@dataclass(frozen=True, slots=True)
class Ookla:
    """The Speedtest CLI of Ookla, which you install yourself."""

    binary: Annotated[str, Meta(description="path of the CLI; empty: `speedtest` on PATH, if it is Ookla's")] = ""
    accept_license: Annotated[
        bool, Meta(description="true once you have read and accepted Ookla's licence and privacy policy")
    ] = False


@dataclass(frozen=True, slots=True)
class SpeedtestCli:
    """The speedtest-cli package, which comes with speedmon."""

    secure: Annotated[bool, Meta(description="use HTTPS; costs processor time on small boards")] = False


@dataclass(frozen=True, slots=True)
class Librespeed:
    """The LibreSpeed CLI, which you install yourself."""

    binary: Annotated[str, Meta(description="path of the CLI; empty: `librespeed-cli` on PATH")] = ""
    servers: Annotated[
        str,
        Meta(
            pattern=r"^(|https?://\S+|/.+)$",
            description="list of servers, as a URL or an absolute path of a JSON file; empty: librespeed.org's",
        ),
    ] = ""
    secure: Annotated[bool, Meta(description="use HTTPS; costs processor time on small boards")] = False
    ipv4: Annotated[bool, Meta(description="IPv4 on the path `host` too; the namespace has nothing else")] = False


@dataclass(frozen=True, slots=True)
class Iperf3:
    """iperf3 against a server of your own: `iperf3 -s` there."""

    binary: Annotated[str, Meta(description="path of the program; empty: `iperf3` on PATH")] = ""
    host: Annotated[
        str, Meta(pattern=r"^([0-9A-Za-z:][0-9A-Za-z.:_-]*)?$", description="name or address of the server")
    ] = ""
    port: Annotated[int, Meta(ge=1, le=65_535, description="port of the server")] = 5201
    streams: Annotated[int, Meta(ge=1, le=64, description="TCP connections at once")] = 4
    seconds: Annotated[int, Meta(ge=1, le=300, description="seconds each way; see collect.timeout_s")] = 10


@dataclass(frozen=True, slots=True)
class Namespace:
    """The IPv4-only namespace."""

    name: Annotated[
        str, Meta(pattern=r"^[a-z][a-z0-9]{0,9}$", description="name of the namespace, its launcher and its links")
    ] = "ip4only"
    subnet: Annotated[str, Meta(description="IPv4 network between the host and the namespace")] = "192.168.200.0/24"
    uplink: Annotated[str, Meta(description="interface to the internet; auto: the one of the default route")] = "auto"
    router: Annotated[
        str, Meta(description="router on the uplink that was named; empty: the one that the host's routes tell")
    ] = ""
    dns: Annotated[list[str], Meta(description="IPv4 name servers; empty: those of the host, else the router")] = field(
        default_factory=list
    )
    way: Annotated[
        Literal["auto", "launcher", "root", "pasta"],
        Meta(description="how to enter; auto: launcher, else root's; pasta needs neither, and measures less truly"),
    ] = "auto"


# An IPv4 address and a port, of which reach and digits are judged by whoever connects.
Endpoint = Annotated[str, Meta(pattern=r"^[0-9.]{7,15}:[0-9]{1,5}$")]


@dataclass(frozen=True, slots=True)
class Check:
    """Whom `speedmon check` asks from inside the namespace."""

    name: Annotated[
        str,
        Meta(min_length=1, max_length=253, description="name that each of the namespace's DNS servers is asked for"),
    ] = "www.speedtest.net"
    hosts: Annotated[
        list[Endpoint], Meta(description="ADDRESS:PORT over IPv4 to connect to; of two owners, so that one may be down")
    ] = field(default_factory=lambda: ["1.1.1.1:443", "9.9.9.9:443"])


@dataclass(frozen=True, slots=True)
class Sold:
    """What the ISP sold, for the plan lines of the graphs; 0 means not given."""

    isp: Annotated[str, Meta(description="part of the ISP's name; a result of another one is flagged; empty: any")] = ""

    download_mbps: Annotated[float, Meta(ge=0, description="download of the plan in Mbit/s")] = 0.0
    upload_mbps: Annotated[float, Meta(ge=0, description="upload of the plan in Mbit/s")] = 0.0
    latency_ms: Annotated[float, Meta(ge=0, description="latency of the plan in ms")] = 0.0

    def as_plan(self) -> Plan:
        """Return the plan in bit/s and ms, with None for what was not given."""
        return Plan(
            download_bps=round(self.download_mbps * 1e6) or None,
            upload_bps=round(self.upload_mbps * 1e6) or None,
            latency_ms=self.latency_ms or None,
        )


@dataclass(frozen=True, slots=True)
class Display:
    """How times are shown."""

    timezone: Annotated[str, Meta(description="zone such as Europe/Berlin; empty: that of the system")] = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When `speedmon serve` runs a test."""

    cron: Annotated[str, Meta(description="five cron fields, such as */15 * * * *; empty: use every_s")] = ""
    every_s: Annotated[Seconds, Meta(description="seconds between tests when cron is empty")] = 3600
    jitter_s: Annotated[
        int, Meta(ge=0, le=3600, description="up to so many seconds later, so that not all test at once")
    ] = 60
    timezone: Annotated[str, Meta(description="zone of the cron fields; UTC has no repeated hours")] = "UTC"


@dataclass(frozen=True, slots=True)
class Web:
    """The page of `speedmon serve`."""

    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="port to listen on; 0: any free one")] = 8765
    allowed_hosts: Annotated[
        list[str], Meta(description="further host names to answer, such as that of a reverse proxy")
    ] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Database:
    """The store."""

    url: Annotated[str, Meta(description="SQLAlchemy URL; empty: speedmon.db in the state directory")] = ""


Days = Annotated[int, Meta(ge=0, le=36_525)]


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many days `db prune` leaves what is stored; 0: for ever."""

    raw_days: Annotated[Days, Meta(description="days to keep what the engine printed; 0: for ever")] = 90
    details_days: Annotated[Days, Meta(description="days to keep traces, and what a probe found; 0: for ever")] = 400
    runs_days: Annotated[Days, Meta(description="days to keep runs and the events they show; 0: for ever")] = 0
    rollups_days: Annotated[Days, Meta(description="days to keep sums of hours and days; 0: for ever")] = 0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Where the runs of many probes come together."""

    database_url: Annotated[
        str,
        Meta(
            pattern=r"^(|postgresql(\+psycopg)?://.+)$",
            description="URL of a PostgreSQL that every run is forwarded to; empty: none",
        ),
    ] = ""
    raw: Annotated[bool, Meta(description="forward what the engines printed as well")] = True


@dataclass(frozen=True, slots=True)
class Settings:
    """All sections; the names of the fields are the section names in the file."""

    probe: Probe = field(default_factory=Probe)
    collect: Collect = field(default_factory=Collect)
    cross: Cross = field(default_factory=Cross)
    ookla: Ookla = field(default_factory=Ookla)
    speedtest_cli: SpeedtestCli = field(default_factory=SpeedtestCli)
    librespeed: Librespeed = field(default_factory=Librespeed)
    iperf3: Iperf3 = field(default_factory=Iperf3)
    namespace: Namespace = field(default_factory=Namespace)
    check: Check = field(default_factory=Check)
    plan: Sold = field(default_factory=Sold)
    display: Display = field(default_factory=Display)
    schedule: Schedule = field(default_factory=Schedule)
    web: Web = field(default_factory=Web)
    database: Database = field(default_factory=Database)
    retention: Retention = field(default_factory=Retention)
    fleet: Fleet = field(default_factory=Fleet)
