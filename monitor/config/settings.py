"""Every setting, declared once: type, limits, default and help, for validation, `config init` and the docs.

A section is a frozen Struct, as that is quick to create; a key is a field whose annotation has the help. To add a
setting, add a field.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from msgspec import Meta, Struct, field
from msgspec.structs import replace

if TYPE_CHECKING:
    from datetime import datetime

Seconds = Annotated[int, Meta(ge=1, le=86_400)]


def _hostname() -> str:
    return socket.gethostname() or "home"


class ProbeSettings(Struct, frozen=True):
    """This installation."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="name of this installation")] = field(
        default_factory=_hostname
    )


class CollectSettings(Struct, frozen=True):
    """How a test is run."""

    engine: Annotated[
        str,
        Meta(
            description="auto (ookla where its CLI is installed, else speedtest-cli), ookla, speedtest-cli, librespeed,"
            " iperf3, or an engine of another package"
        ),
    ] = "auto"
    path: Annotated[
        Literal["ip4only", "host"], Meta(description="ip4only: through the namespace; host: like any other program")
    ] = "ip4only"
    server_id: Annotated[str, Meta(description="test against this server only; empty: the engine chooses")] = ""
    timeout_s: Annotated[int, Meta(ge=5, le=3600, description="seconds after which a test is ended")] = 120
    probe_failures: Annotated[
        bool, Meta(description="diagnose a failure, from inside the namespace and from the host, with check.hosts")
    ] = True
    lock_file: Annotated[
        str, Meta(description="lock file that prevents two tests at the same time; empty: one for the machine")
    ] = ""


# Server ids are numbers in all engines.
ServerId = Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")]


class ServersSettings(Struct, frozen=True):
    """Which servers are used, and which never."""

    policy: Annotated[
        Literal["auto", "pinned", "rotation"],
        Meta(
            description="auto: collect.server_id, else the engine chooses; pinned: a server is required; rotation: ids"
        ),
    ] = "auto"
    ids: Annotated[
        list[ServerId],
        Meta(description="rotation: used one after the other; pinned: the first is used without a server_id"),
    ] = field(default_factory=list)
    deny: Annotated[list[ServerId], Meta(description="servers that are never used")] = field(default_factory=list)


class RetrySettings(Struct, frozen=True):
    """What follows a test that failed."""

    attempts: Annotated[int, Meta(ge=1, le=4, description="maximum number of tests in a row; 1: no retry")] = 2
    confirm_s: Annotated[
        int, Meta(ge=0, le=600, description="seconds until a failure of the line is confirmed by a second test")
    ] = 20
    provider_s: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="seconds an engine is left alone after a failure of its provider; doubles up to 1 h",
        ),
    ] = 300
    rate_limit_s: Annotated[
        int,
        Meta(ge=0, le=86_400, description="seconds an engine is left alone after a rate limit; doubles up to a day"),
    ] = 14_400
    second_below_pct: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="second test, on another server, below this % of the plan, else of the median; 0: never",
        ),
    ] = 0


class BudgetSettings(Struct, frozen=True):
    """How much data the tests may use."""

    month_gb: Annotated[
        float, Meta(ge=0, description="GB (10^9 bytes) per month, after which tests are skipped; 0: no limit")
    ] = 0.0


class CrossTrafficSettings(Struct, frozen=True):
    """Traffic of others on the same line while a test runs."""

    limit_pct: Annotated[
        float, Meta(gt=0, le=1000, description="a result is doubtful if other traffic exceeds this % of its rate")
    ] = 10.0
    wait_s: Annotated[
        int, Meta(ge=0, le=3600, description="maximum seconds to wait for a quiet line before a test; 0: do not wait")
    ] = 0
    quiet_mbps: Annotated[
        float, Meta(gt=0, description="a line is quiet below this many Mbit/s in both directions")
    ] = 1.0


class OoklaSettings(Struct, frozen=True):
    """The Speedtest CLI of Ookla, which you install yourself."""

    binary: Annotated[str, Meta(description="path of the CLI; empty: `speedtest` on PATH, if it is Ookla's")] = ""
    accept_license: Annotated[
        bool, Meta(description="true once you have read and accepted Ookla's licence and privacy policy")
    ] = False


class SpeedtestCliSettings(Struct, frozen=True):
    """The speedtest-cli package, which comes with speedmon."""

    secure: Annotated[bool, Meta(description="use HTTPS; needs more CPU time, which matters on small boards")] = False


class LibrespeedSettings(Struct, frozen=True):
    """The LibreSpeed CLI, which you install yourself."""

    binary: Annotated[str, Meta(description="path of the CLI; empty: `librespeed-cli` on PATH")] = ""
    servers: Annotated[
        str,
        Meta(
            pattern=r"^(|https?://\S+|/.+)$",
            description="list of servers, as a URL or an absolute path of a JSON file; empty: librespeed.org's",
        ),
    ] = ""
    secure: Annotated[bool, Meta(description="use HTTPS; needs more CPU time, which matters on small boards")] = False
    ipv4: Annotated[bool, Meta(description="use IPv4 on the path `host` too; the namespace has only IPv4")] = False


class Iperf3Settings(Struct, frozen=True):
    """iperf3 against a server of your own: `iperf3 -s` there."""

    binary: Annotated[str, Meta(description="path of the program; empty: `iperf3` on PATH")] = ""
    host: Annotated[
        str, Meta(pattern=r"^([0-9A-Za-z:][0-9A-Za-z.:_-]*)?$", description="name or address of the server")
    ] = ""
    port: Annotated[int, Meta(ge=1, le=65_535, description="port of the server")] = 5201
    streams: Annotated[int, Meta(ge=1, le=64, description="TCP connections at once")] = 4
    seconds: Annotated[int, Meta(ge=1, le=300, description="seconds per direction; see collect.timeout_s")] = 10


class NamespaceSettings(Struct, frozen=True):
    """The IPv4-only namespace."""

    name: Annotated[
        str, Meta(pattern=r"^[a-z][a-z0-9]{0,9}$", description="name of the namespace, its launcher and its links")
    ] = "ip4only"
    subnet: Annotated[str, Meta(description="IPv4 network between the host and the namespace")] = "192.168.200.0/24"
    uplink: Annotated[str, Meta(description="interface to the internet; auto: the one of the default route")] = "auto"
    router: Annotated[str, Meta(description="router on a configured uplink; empty: taken from the host's routes")] = ""
    dns: Annotated[list[str], Meta(description="IPv4 DNS servers; empty: those of the host, else the router")] = field(
        default_factory=list
    )
    way: Annotated[
        Literal["auto", "launcher", "root", "pasta"],
        Meta(
            description="how to enter; auto: launcher, else as root; pasta needs neither, and measures less accurately"
        ),
    ] = "auto"


# An IPv4 address or a name, and a port; their ranges are checked when connecting.
Endpoint = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]*:[0-9]{1,5}$")]


# Of four operators, two by address and two by name; their certificates are valid for what is written here.
WITNESSES = ("1.1.1.1:443", "9.9.9.9:443", "www.google.com:443", "www.wikipedia.org:443")


class CheckSettings(Struct, frozen=True):
    """What `speedmon check` connects to and looks up from inside the namespace."""

    name: Annotated[
        str,
        Meta(min_length=1, max_length=253, description="name that each of the namespace's DNS servers is asked for"),
    ] = "www.speedtest.net"
    hosts: Annotated[
        list[Endpoint],
        Meta(description="witnesses, IPv4 ADDRESS:PORT or NAME:PORT; use four or more owners, as one may be down"),
    ] = field(default_factory=lambda: list(WITNESSES))


class _PlanFields(TypedDict):
    """The fields of a `monitor.model.Plan`."""

    download_bps: int | None
    upload_bps: int | None
    latency_ms: float | None


class PlanSettings(Struct, frozen=True):
    """What the ISP sold, for the plan lines of the graphs; 0 means not given."""

    isp: Annotated[
        str, Meta(description="part of the ISP's name; a result from another ISP is doubtful; empty: any")
    ] = ""
    download_mbps: Annotated[float, Meta(ge=0, description="download of the plan in Mbit/s")] = 0.0
    upload_mbps: Annotated[float, Meta(ge=0, description="upload of the plan in Mbit/s")] = 0.0
    latency_ms: Annotated[float, Meta(ge=0, description="latency of the plan in ms")] = 0.0
    since: Annotated[
        str,
        Meta(
            pattern=r"^(|[0-9]{4}-[0-9]{2}-[0-9]{2})$",
            description="first day of the plan, such as 2026-03-01; empty: always. Each further plan is a [[plan]]",
        ),
    ] = ""

    @property
    def promised(self) -> _PlanFields:
        """The fields of a `monitor.model.Plan`, in bit/s and ms, with None for what was not given."""
        return {
            "download_bps": round(self.download_mbps * 1e6) or None,
            "upload_bps": round(self.upload_mbps * 1e6) or None,
            "latency_ms": self.latency_ms or None,
        }


class DisplaySettings(Struct, frozen=True):
    """How times and results are shown."""

    timezone: Annotated[str, Meta(description="time zone such as Europe/Berlin; empty: that of the system")] = ""
    plan_met_pct: Annotated[
        float, Meta(gt=0, le=100, description="a test at or above this % of the plan met it; it measures payload only")
    ] = 90.0


Hours = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$")]


# It is an argument of `collect`, also over the socket of the service.
ScheduleName = Annotated[
    str,
    Meta(
        pattern=r"^(|[A-Za-z0-9][A-Za-z0-9_.-]{0,31})$",
        description="name, where there are several schedules, each a [[schedule]]; empty: its number",
    ),
]


class ScheduleSettings(Struct, frozen=True):
    """When a test runs, and which; several schedules are several [[schedule]]."""

    cron: Annotated[str, Meta(description="five cron fields, such as */15 * * * *; empty: use every_s")] = ""
    every_s: Annotated[Seconds, Meta(description="seconds between tests when cron is empty")] = 3600
    jitter_s: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="maximum random delay in seconds, half an interval at most, so that not everybody tests at"
            " minute 0; the least is a minute or half of it",
        ),
    ] = 600
    timezone: Annotated[
        str, Meta(description="time zone of the cron fields and quiet hours; UTC has no clock changes")
    ] = "UTC"
    quiet: Annotated[list[Hours], Meta(description="hours without scheduled tests, such as 22:00-06:00")] = field(
        default_factory=list
    )
    name: ScheduleName = ""
    engine: Annotated[str, Meta(description="engine of these tests; empty: collect.engine")] = ""
    path: Annotated[Literal["", "ip4only", "host"], Meta(description="path of these tests; empty: collect.path")] = ""
    server_policy: Annotated[
        Literal["", "auto", "pinned", "rotation"],
        Meta(description="server policy of these tests; empty: servers.policy"),
    ] = ""
    server_id: Annotated[
        str, Meta(pattern=r"^[0-9]{0,18}$", description="server of these tests; empty: collect.server_id")
    ] = ""


class WebSettings(Struct, frozen=True):
    """The page of `speedmon serve`."""

    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="port to listen on; 0: any free one")] = 8765
    allowed_hosts: Annotated[
        list[str], Meta(description="more host names to answer to, such as that of a reverse proxy")
    ] = field(default_factory=list)
    trusted_proxy: Annotated[
        list[str],
        Meta(description="addresses or networks of reverse proxies that log visitors in, and name them in user_header"),
    ] = field(default_factory=list)
    user_header: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$",
            description="header in which a trusted proxy names the user; it must remove what visitors send",
        ),
    ] = "Remote-User"
    root_path: Annotated[
        str,
        Meta(pattern=r"^(|(/[A-Za-z0-9._~-]+)+)$", description="path below which a proxy serves the page, as /speed"),
    ] = ""


class PublishSettings(Struct, frozen=True):
    """Graphs that `speedmon serve` keeps up to date in a folder, for example for a web server."""

    directory: Annotated[
        str, Meta(pattern=r"^(|/.*)$", description="absolute path of an existing folder; empty: none")
    ] = ""
    every_minutes: Annotated[
        int, Meta(ge=0, le=1440, description="minutes between updates; 0: within a minute after each test")
    ] = 60
    days: Annotated[
        list[Annotated[int, Meta(ge=1, le=36_500)]], Meta(description="lengths of the windows in days, up to now")
    ] = field(default_factory=lambda: [1, 30])
    kinds: Annotated[list[str], Meta(description="kinds of graph, as in `speedmon graph --kind`; all: every kind")] = (
        field(default_factory=lambda: ["throughput"])
    )
    theme: Annotated[Literal["light", "dark", "print"], Meta(description="light, dark, or print: black and grey")] = (
        "light"
    )
    size: Annotated[
        str,
        Meta(
            pattern=r"^(|[1-9]\d{2,3}x[1-9]\d{2,3})$",
            description="pixels such as 1200x860; empty: the default of each kind",
        ),
    ] = ""
    report: Annotated[bool, Meta(description="also the report of the last 30 days")] = False


# So many tests of the last so many.
Majority = Annotated[str, Meta(pattern=r"^[1-9][0-9]? of [1-9][0-9]?$")]

# Apprise has a hundred services; all their addresses begin so.
NotifyUrl = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://.")]

NotifyState = Literal["down", "slow", "stale", "path", "isp", "address", "budget", "namespace", "provider"]


class NotifySettings(Struct, frozen=True):
    """Messages about changes of state, the digest, and the dead man's switch."""

    urls: Annotated[list[NotifyUrl], Meta(description="addresses of Apprise, such as mailto://… or ntfy://…")] = field(
        default_factory=list
    )
    urls_file: Annotated[
        str, Meta(pattern=r"^(|/.*)$", description="absolute path of a file with more addresses, one a line")
    ] = ""
    states: Annotated[
        list[NotifyState],
        Meta(
            description="what to report: down, slow, stale, path, isp, address, budget, namespace; provider: failures"
            " of the servers, which are no outage"
        ),
    ] = field(default_factory=lambda: ["down", "slow", "stale", "path", "isp", "address", "budget", "namespace"])
    failing: Annotated[
        Majority, Meta(description="the line is down when so many of the last so many tests failed by it")
    ] = "2 of 3"
    slow: Annotated[Majority, Meta(description="the line is slow when so many of the last so many tests were")] = (
        "3 of 4"
    )
    below_pct: Annotated[
        int, Meta(ge=1, le=100, description="a test is slow below this % of the plan, else of the recent median")
    ] = 50
    stale_h: Annotated[
        int, Meta(ge=0, le=8760, description="hours without a result until that is reported; 0: never")
    ] = 6
    remind_h: Annotated[
        int, Meta(ge=0, le=8760, description="hours between reminders while a state lasts; 0: none")
    ] = 0
    quiet: Annotated[
        list[Hours], Meta(description="hours in which messages wait, such as 23:00-07:00, in display.timezone")
    ] = field(default_factory=list)
    digest: Annotated[
        Literal["weekly", "daily", ""], Meta(description="summary with a graph: weekly, on Monday; daily; empty: none")
    ] = "weekly"
    digest_at: Annotated[
        str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="time of the digest, in display.timezone")
    ] = "07:00"
    ping_url: Annotated[
        str,
        Meta(
            pattern=r"^(|https?://\S+)$",
            description="URL that is fetched after each recorded run, with /fail appended if it failed; empty: none",
        ),
    ] = ""
    ping_url_file: Annotated[
        str, Meta(pattern=r"^(|/.*)$", description="absolute path of a file that has the URL, where ping_url is empty")
    ] = ""
    page_url: Annotated[
        str,
        Meta(pattern=r"^(|https?://\S+)$", description="address of the page, for links; empty: web.host and web.port"),
    ] = ""
    templates: Annotated[
        str, Meta(pattern=r"^(|/.*)$", description="absolute path of a folder with your own texts; empty: the built-in")
    ] = ""
    probes: Annotated[
        list[str],
        Meta(
            description="probes to report; empty: this one or, if the database has no runs of it, all; all: every one"
        ),
    ] = field(default_factory=list)
    deadline_s: Annotated[
        int, Meta(ge=1, le=300, description="seconds after which an address that does not answer is given up for now")
    ] = 30


class MqttSettings(Struct, frozen=True):
    """The newest result for a broker of MQTT, as Home Assistant finds it."""

    url: Annotated[
        str, Meta(pattern=r"^(|mqtts?://\S+)$", description="broker, such as mqtt://user:password@host; empty: none")
    ] = ""
    url_file: Annotated[
        str, Meta(pattern=r"^(|/.*)$", description="absolute path of a file with the broker's address, instead of url")
    ] = ""
    prefix: Annotated[
        str,
        Meta(pattern=r"^[^#+/\s]+(/[^#+/\s]+)*$", description="topics are prefix/probe/path, each with a JSON object"),
    ] = "speedmon"
    discovery_prefix: Annotated[
        str, Meta(pattern=r"^[^#+\s]*$", description="where Home Assistant looks for sensors; empty: it need not know")
    ] = "homeassistant"


class DatabaseSettings(Struct, frozen=True):
    """The database."""

    url: Annotated[str, Meta(description="SQLAlchemy URL; empty: speedmon.db in the state directory")] = ""
    url_file: Annotated[
        str, Meta(pattern=r"^(|/.*)$", description="absolute path of a file that has the URL, where url is empty")
    ] = ""


Days = Annotated[int, Meta(ge=0, le=36_525)]


class RetentionSettings(Struct, frozen=True):
    """For how many days `db prune` keeps data; 0: forever."""

    raw_days: Annotated[Days, Meta(description="days to keep what the engine printed; 0: forever")] = 90
    details_days: Annotated[Days, Meta(description="days to keep traces and diagnoses; 0: forever")] = 400
    runs_days: Annotated[Days, Meta(description="days to keep runs and their events; 0: forever")] = 0
    rollups_days: Annotated[Days, Meta(description="days to keep hourly to daily sums and packed days; 0: forever")] = 0


class FleetSettings(Struct, frozen=True):
    """The database that collects the runs of many probes."""

    database_url: Annotated[
        str,
        Meta(
            pattern=r"^(|postgresql(\+psycopg)?://.+)$",
            description="URL of a PostgreSQL database to which every run is forwarded; empty: none",
        ),
    ] = ""
    database_url_file: Annotated[
        str,
        Meta(pattern=r"^(|/.*)$", description="absolute path of a file that has the URL, where database_url is empty"),
    ] = ""
    raw: Annotated[bool, Meta(description="also forward the output of the engines")] = True


class Settings(Struct, frozen=True):
    """All sections; the names of the fields are the section names in the file."""

    probe: ProbeSettings = field(default_factory=ProbeSettings)
    collect: CollectSettings = field(default_factory=CollectSettings)
    servers: ServersSettings = field(default_factory=ServersSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    cross: CrossTrafficSettings = field(default_factory=CrossTrafficSettings)
    ookla: OoklaSettings = field(default_factory=OoklaSettings)
    speedtest_cli: SpeedtestCliSettings = field(default_factory=SpeedtestCliSettings)
    librespeed: LibrespeedSettings = field(default_factory=LibrespeedSettings)
    iperf3: Iperf3Settings = field(default_factory=Iperf3Settings)
    namespace: NamespaceSettings = field(default_factory=NamespaceSettings)
    check: CheckSettings = field(default_factory=CheckSettings)
    plan: PlanSettings = field(default_factory=PlanSettings)
    display: DisplaySettings = field(default_factory=DisplaySettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    web: WebSettings = field(default_factory=WebSettings)
    publish: PublishSettings = field(default_factory=PublishSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    fleet: FleetSettings = field(default_factory=FleetSettings)
    # From several [[plan]] sections, or one with a date: the oldest first. `plan` is the newest of them then.
    dated_plans: tuple[PlanSettings, ...] = ()
    # From [[schedule]] sections, in the order of the file; each has a name. `schedule` is the first of them then.
    named_schedules: tuple[ScheduleSettings, ...] = ()

    @property
    def schedules(self) -> tuple[ScheduleSettings, ...]:
        """Every schedule, one at least."""
        return self.named_schedules or (self.schedule,)

    def with_schedule(self, schedule: ScheduleSettings) -> Settings:
        """Return the settings of a schedule's tests: what it names goes before [collect] and [servers]."""
        collect = replace(
            self.collect,
            engine=schedule.engine or self.collect.engine,
            path=schedule.path or self.collect.path,
            server_id=schedule.server_id or self.collect.server_id,
        )
        servers = replace(self.servers, policy=schedule.server_policy or self.servers.policy)
        return replace(self, collect=collect, servers=servers, schedule=schedule, named_schedules=())

    def plan_at(self, moment: datetime) -> PlanSettings:
        """Return the plan in force at a moment; an empty one before the first date."""
        if not self.dated_plans:
            return self.plan
        day = f"{self._to_local(moment):%Y-%m-%d}"
        return next((plan for plan in reversed(self.dated_plans) if plan.since <= day), PlanSettings())

    def plan_starts(self) -> list[tuple[int, PlanSettings]]:
        """Return the plans that have dates, each with its first second since 1970, the oldest first."""
        return [(self._first_second(plan.since) if plan.since else 0, plan) for plan in self.dated_plans]

    def _first_second(self, day: str) -> int:
        from datetime import datetime  # noqa: PLC0415  as below
        from zoneinfo import ZoneInfo  # noqa: PLC0415  as below

        zone = ZoneInfo(self.display.timezone) if self.display.timezone else None
        return int(datetime.fromisoformat(day).replace(tzinfo=zone).timestamp())

    def _to_local(self, moment: datetime) -> datetime:
        if not self.display.timezone:
            return moment.astimezone()
        from zoneinfo import ZoneInfo  # noqa: PLC0415  3 ms, and only plans with dates need it

        return moment.astimezone(ZoneInfo(self.display.timezone))
