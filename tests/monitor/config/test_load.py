"""The configuration: file, environment on top, and every mistake reported at once."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from monitor.config import load, settings
from monitor.errors import ConfigError
from monitor.model import Plan

if TYPE_CHECKING:
    from pathlib import Path

ROOT = 0

USER = 1000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a configuration file that does not exist yet."""
    return tmp_path / "config.toml"


def mistakes(file: Path, text: str, **environ: str) -> str:
    """Return the error about a file and an environment that have mistakes."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load.load_settings(file, environ, USER)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_file_there_are_defaults():
    """Nothing has to be configured."""
    loaded = load.load_settings(None, {"HOME": "/nowhere"}, USER)
    assert (loaded.collect, loaded.schedule, loaded.web) == (
        settings.CollectSettings(),
        settings.ScheduleSettings(),
        settings.WebSettings(),
    )


@pytest.mark.parametrize(
    ("uid", "environ", "url"),
    [
        (ROOT, {}, "sqlite:////var/lib/speedmon/speedmon.db"),
        (USER, {"HOME": "/home/joe"}, "sqlite:////home/joe/.local/state/speedmon/speedmon.db"),
        (USER, {"HOME": "/home/joe", "XDG_STATE_HOME": "/st"}, "sqlite:////st/speedmon/speedmon.db"),
        (USER, {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "sqlite:////var/lib/a/speedmon.db"),
        (USER, {"XDG_STATE_HOME": "/50% ?"}, "sqlite:////50%25%20%3F/speedmon/speedmon.db"),
        (ROOT, {"SPEEDMON_DATABASE_URL": "sqlite:////x.db"}, "sqlite:////x.db"),
        (ROOT, {"SPEEDMON_DATABASE__URL": "sqlite:////y.db"}, "sqlite:////y.db"),
    ],
)
def test_where_the_database_is(uid: int, environ: dict[str, str], url: str):
    """By default it lies in the state directory; SPEEDMON_DATABASE_URL says otherwise."""
    assert load.load_settings(None, {"HOME": "/nowhere"} | environ, uid).database.url == url


def test_the_file_is_read(file: Path):
    """Values of each type arrive as their type."""
    file.write_text('[collect]\ntimeout_s = 60\n[ookla]\naccept_license = true\n[namespace]\ndns = ["9.9.9.9"]\n')
    loaded = load.load_settings(file, {}, USER)
    assert (loaded.collect.timeout_s, loaded.ookla.accept_license, loaded.namespace.dns) == (60, True, ["9.9.9.9"])


def test_the_environment_wins_over_the_file(file: Path):
    """A variable overrides one key and leaves its neighbours."""
    file.write_text('[collect]\ntimeout_s = 60\nserver_id = "7"\n')
    loaded = load.load_settings(file, {"SPEEDMON_COLLECT__TIMEOUT_S": "90"}, USER).collect
    assert (loaded.timeout_s, loaded.server_id) == (90, "7")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("COLLECT__TIMEOUT_S", "90", 90),
        ("COLLECT__SERVER_ID", "123", "123"),
        ("OOKLA__ACCEPT_LICENSE", "true", True),
        ("OOKLA__ACCEPT_LICENSE", "0", False),
        ("PLAN__DOWNLOAD_MBPS", "93.5", 93.5),
        ("NAMESPACE__DNS", "9.9.9.9, 1.1.1.1", ["9.9.9.9", "1.1.1.1"]),
        ("NAMESPACE__DNS", "", []),
        ("PROBE__NAME", "42", "42"),
    ],
)
def test_text_of_the_environment_becomes_what_the_setting_is(name: str, text: str, value: object):
    """Numbers, truth values and lists are read from their text."""
    loaded = load.load_settings(None, {"HOME": "/nowhere", f"SPEEDMON_{name}": text}, USER)
    section, _, key = name.lower().partition("__")
    assert getattr(getattr(loaded, section), key) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[colect]\n", "unknown section [colect] (did you mean 'collect'?)"),
        ("[xyz]\n", "unknown section [xyz] (known: probe, collect,"),
        ("[collect]\ntimout_s = 5\n", "unknown key 'timout_s' in [collect] (did you mean 'timeout_s'?)"),
        ('[collect]\ntimeout_s = "90"\n', "collect.timeout_s: Expected `int`, got `str`"),
        ("[collect]\ntimeout_s = 4\n", "collect.timeout_s: Expected `int` >= 5"),
        ('[collect]\npath = "vpn"\n', "collect.path: Invalid enum value 'vpn'"),
        ('[namespace]\nname = "No!"\n', "namespace.name: Expected `str` matching regex"),
        ('[namespace]\ndns = "9.9.9.9"\n', "namespace.dns: Expected `array`, got `str`"),
        ("collect = 7\n", "[collect] must be a section, not a value"),
        ("[collect\n", "is not TOML"),
        ("\ud7ff[collect]".encode().decode("latin-1"), "is not TOML"),
    ],
)
def test_a_mistake_in_the_file(file: Path, text: str, words: str):
    """One line names the file, the key and the fix."""
    message = mistakes(file, text)
    assert message.startswith(str(file))
    assert words in message


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("SPEEDMON_COLLECT__TIMEOUT_S", "soon", "SPEEDMON_COLLECT__TIMEOUT_S: Expected `int`, got `str`"),
        ("SPEEDMON_COLLECT__TIMOUT_S", "5", "SPEEDMON_COLLECT__TIMOUT_S: unknown key 'timout_s' in [collect] (did you"),
        ("SPEEDMON_TIMEOUT", "5", "SPEEDMON_TIMEOUT: the name of a setting is SPEEDMON_SECTION__KEY"),
        ("SPEEDMON_COLECT__PATH", "host", "unknown section [colect] (did you mean 'collect'?)"),
    ],
)
def test_a_mistake_in_the_environment(file: Path, name: str, text: str, words: str):
    """One line names the variable."""
    assert words in mistakes(file, "", **{name: text})


def test_every_mistake_is_reported_at_once(file: Path):
    """Who fixes one does not have to come back for the next."""
    message = mistakes(
        file,
        "[colect]\nx = 1\n[collect]\ntimeout_s = 1\npth = 2\n[web]\nport = 99999\n",
        SPEEDMON_PLAN__UPLOAD_MBPS="-1",
        SPEEDMON_NONSENSE="1",
    )
    for word in ("[colect]", "timeout_s", "'pth'", "web.port", "SPEEDMON_PLAN__UPLOAD_MBPS", "SPEEDMON_NONSENSE"):
        assert word in message
    assert message.count("; ") == 5


def test_a_broken_section_in_the_file_is_reported_though_the_environment_sets_one_key(file: Path):
    """A value in the place of a section is not papered over."""
    assert "must be a section" in mistakes(file, "collect = 7\n", SPEEDMON_COLLECT__PATH="host")


@pytest.mark.parametrize("make", ["nothing", "directory"])
def test_a_file_that_was_named_must_be_readable(file: Path, make: str):
    """A missing file that was asked for is a mistake, and so is a directory."""
    if make == "directory":
        file.mkdir()
    with pytest.raises(ConfigError, match=f"{file}: cannot be read: "):
        load.load_settings(file, {}, USER)


def test_which_file_is_read(tmp_path: Path):
    """The named one comes first, then $SPEEDMON_CONFIG, then that of the user; none is fine."""
    usual = tmp_path / ".config" / "speedmon" / "config.toml"
    environ = {"HOME": str(tmp_path)}
    assert load.find_config_file(None, environ | {"HOME": "/nowhere"}) is None
    usual.parent.mkdir(parents=True)
    usual.touch()
    assert load.find_config_file(None, environ) == usual
    assert load.find_config_file(None, environ | {"SPEEDMON_CONFIG": "/x"}).__fspath__() == "/x"
    assert load.find_config_file(tmp_path / "y", environ | {"SPEEDMON_CONFIG": "/x"}) == tmp_path / "y"


def test_every_setting_has_help():
    """What `config init` and the docs print is there for each key."""
    for name, section in load.section_types().items():
        for key, kind in load.key_types(section).items():
            assert load.help_text(kind), f"{name}.{key}"


def test_a_plan_is_what_was_given():
    """Mbit/s become bit/s; what was not given is None."""
    assert Plan(**settings.PlanSettings(download_mbps=93.5, latency_ms=20).promised) == Plan(93_500_000, None, 20)
    assert Plan(**settings.PlanSettings().promised) == Plan(None, None, None)


ZONES = [
    f"{name}.{key}" for name, kind in load.section_types().items() for key in load.key_types(kind) if "zone" in key
]


def test_two_settings_hold_a_zone():
    """A new one must be checked too: see the tests below, which take them from the settings themselves."""
    assert ZONES == ["display.timezone", "schedule.timezone"]


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "../etc/passwd", "x\0y"])
@pytest.mark.parametrize("setting", ZONES)
def test_a_wrong_time_zone_is_blamed_on_its_own_setting(file: Path, setting: str, name: str):
    """Neither a name that does not exist nor a folder of the database of zones is taken for a zone."""
    section, key = setting.split(".")
    escaped = name.replace("\0", "\\u0000")
    assert mistakes(file, f'[{section}]\n{key} = "{escaped}"\n') == (
        f"{setting}: there is no time zone {name!r}; use a name such as Europe/Berlin"
    )


@pytest.mark.parametrize("command", [["history"], ["usage"], ["config", "show"], ["serve", "--port", "0"], ["collect"]])
@pytest.mark.parametrize("setting", ZONES)
def test_the_command_line_names_the_setting_of_a_wrong_time_zone(tmp_path: Path, setting: str, command: list[str]):
    """Whatever is asked of the real program, it blames the setting that is wrong, and no other."""
    variable = f"SPEEDMON_{setting.upper().replace('.', '__')}"
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), variable: "Mars/Olympus"}
    program = [sys.executable, "-m", "monitor", *command]
    ended = subprocess.run(program, env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"speedmon: {setting}: there is no time zone 'Mars/Olympus'; use a name such as Europe/Berlin\n"
    )


def test_all_wrong_time_zones_are_reported_at_once(file: Path):
    """Two wrong zones are two mistakes, each with its own setting."""
    text = mistakes(file, '[display]\ntimezone = "A"\n[schedule]\ntimezone = "B"\n')
    assert text.startswith("display.timezone: there is no time zone 'A'")
    assert "; schedule.timezone: there is no time zone 'B'" in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mailto://ann:secret@example.org?to=ann", "mailto://example.org/…"),
        ("https://hc.example/secret-uuid", "https://hc.example/…"),
        ("json://user:secret@10.0.0.1:80/path", "json://10.0.0.1:80/…"),
        ("tgram://secret:token/chat", "tgram://…"),
        ("discord://secret/token", "discord://…"),
    ],
)
def test_addresses_are_shown_without_secrets(url: str, shown: str):
    """In `config show`, as TOML and as JSON, where any part of an address may be one."""
    notify = settings.NotifySettings(urls=[url], ping_url=url)
    loaded = settings.Settings(notify=notify)
    assert load.mask_address(url) == shown
    assert "secret" not in load.to_toml(loaded)
    assert load.to_dict(loaded)["notify"]["urls"] == [shown]
    assert load.to_dict(loaded)["notify"]["ping_url"] == shown


@pytest.mark.parametrize("key", ["failing", "slow"])
def test_a_share_of_tests_can_be_reached(file: Path, key: str):
    """3 of 2 never happens."""
    message = mistakes(file, f'[notify]\n{key} = "3 of 2"\n')
    assert f"notify.{key}: '3 of 2' can never be reached" in message
    assert load.load_settings(None, {f"SPEEDMON_NOTIFY__{key.upper()}": "2 of 2"}, USER)


PLANS = """
[[plan]]
since = 2026-03-01
download_mbps = 250
isp = "New"
[[plan]]
download_mbps = 100
[[plan]]
since = "2027-01-01"
download_mbps = 1000
"""


def test_plans_with_dates(tmp_path: Path):
    """Each is in force from its first day, in the configured zone; the one without a date before them."""
    file = tmp_path / "config.toml"
    file.write_text(f'{PLANS}[display]\ntimezone = "Pacific/Auckland"\n')
    read = load.load_settings(file, {}, 1000)
    moments = {"2026-02-28T10:59": 100, "2026-02-28T11:01": 250, "2026-12-31T10:59": 250, "2026-12-31T11:01": 1000}
    for moment, mbps in moments.items():
        assert read.plan_at(datetime.fromisoformat(f"{moment}+00:00")).download_mbps == mbps
    assert [plan["since"] for plan in load.to_dict(read)["plan"]] == ["", "2026-03-01", "2027-01-01"]
    file.write_text(load.to_toml(read))
    assert load.load_settings(file, {}, 1000) == read


def test_before_the_first_date_there_is_no_plan(tmp_path: Path):
    """Nobody knows what was sold then; a single plan without a date is always in force."""
    file = tmp_path / "config.toml"
    file.write_text('[plan]\nsince = "2026-03-01"\ndownload_mbps = 250\n')
    before = datetime(2026, 2, 1, tzinfo=UTC)
    assert load.load_settings(file, {}, 1000).plan_at(before) == settings.PlanSettings()
    file.write_text("[plan]\ndownload_mbps = 250\n")
    assert load.load_settings(file, {}, 1000).plan_at(before).download_mbps == 250


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[plan]]\nsince = "2026-02-30"\n', "plan.since: '2026-02-30' is not a day of the calendar"),
        ('[[plan]]\nsince = "1 March"\n', "plan.since"),
        ("[[plan]]\n[[plan]]\n", "each \\[\\[plan\\]\\] needs a `since` of its own"),
        ('[[plan]]\nsince = "2026-03-01"\ndown = 5\n', "unknown key 'down' in \\[plan\\]"),
        ("plan = 5\n", "must be a section"),
    ],
)
def test_mistakes_in_plans(tmp_path: Path, text: str, words: str):
    """They are named with their fix."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load.load_settings(file, {}, 1000)


SEVERAL = """\
[[schedule]]
name = "day"
cron = "*/15 * * * *"
[[schedule]]
every_s = 7200
engine = "librespeed"
path = "host"
server_policy = "pinned"
server_id = "7"
"""


def test_a_single_schedule_goes_on_working(file: Path):
    """A section is one schedule without a name, as no section is."""
    file.write_text('[schedule]\ncron = "0 * * * *"\n')
    loaded = load.load_settings(file, {"HOME": "/nowhere"}, 1000)
    assert [(schedule.name, schedule.cron) for schedule in loaded.schedules] == [("", "0 * * * *")]
    assert len(settings.Settings().schedules) == 1


def test_several_schedules_have_names_and_tests_of_their_own(file: Path):
    """One without a name is called by its number; what it does not name is that of [collect] and [servers]."""
    file.write_text(SEVERAL)
    loaded = load.load_settings(file, {"HOME": "/nowhere"}, 1000)
    day, second = loaded.schedules
    assert (day.name, second.name, loaded.schedule) == ("day", "2", day)
    tests = loaded.with_schedule(second)
    assert (tests.collect.engine, tests.collect.path, tests.collect.server_id) == ("librespeed", "host", "7")
    assert (tests.servers.policy, tests.schedule) == ("pinned", second)
    assert loaded.with_schedule(day).collect == loaded.collect
    assert [entry["name"] for entry in load.to_dict(loaded)["schedule"]] == ["day", "2"]
    file.write_text(load.to_toml(loaded))
    assert load.load_settings(file, {"HOME": "/nowhere"}, 1000).schedules == loaded.schedules


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[schedule]]\nname = "a"\n[[schedule]]\nname = "a"\n', "each [[schedule]] needs a `name` of its own"),
        ('[[schedule]]\n[[schedule]]\nname = "1"\n', "each [[schedule]] needs a `name` of its own"),
        ('[[schedule]]\nname = "-q"\n', "schedule.name: "),
        ('[[schedule]]\n[[schedule]]\ntimezone = "Mars"\n', "schedule.timezone: there is no time zone 'Mars'"),
        ("[[schedule]]\nevery = 3\n", "unknown key 'every' in [schedule] (did you mean 'every_s'?)"),
        ("schedule = [3]\n", "[schedule] must be a section, not a value"),
    ],
)
def test_mistakes_in_schedules(file: Path, text: str, words: str):
    """Each is named, in whichever schedule it is."""
    assert words in mistakes(file, text)
