"""Reads the configuration from TOML and the environment, and writes it as TOML for `config init` and `config show`.

A value comes from the variable SPEEDMON_SECTION__KEY, else from KEY below [SECTION] in the file, else from the defaults
in `monitor.config.settings`. SPEEDMON_DATABASE_URL is short for SPEEDMON_DATABASE__URL. All mistakes are reported at
once, each with its fix.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin, get_type_hints
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from monitor.config import paths, secrets
from monitor.config.edit import to_toml_value
from monitor.config.settings import PlanSettings, ScheduleSettings, Settings
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


PREFIX = "SPEEDMON_"

# Variables with the prefix that are not settings.
NOT_SETTINGS = frozenset({"SPEEDMON_CONFIG", "SPEEDMON_DEBUG", "SPEEDMON_COLLECT_SOCKET", "SPEEDMON_NOTIFY_UNIT"})

_PLAN, _SCHEDULE = "plan", "schedule"

Values = dict[str, dict[str, Any]]

# Settings that may hold a password.
_SECRET_URLS = (("database", "url"), ("fleet", "database_url"))

# Settings of which any part may be a secret.
_SECRET_ADDRESSES = (("notify", "urls"), ("notify", "ping_url"), ("mqtt", "url"))

# Services whose addresses begin with a host; in others, a token may stand there.
_SERVICES_WITH_HOST = frozenset(
    {
        *("form", "forms", "http", "https", "json", "jsons", "xml", "xmls"),
        *("gotify", "gotifys", "mailto", "mailtos", "mqtt", "mqtts", "rsyslog", "syslog"),
    }
)

# A password may hold any of these marks, unescaped too: SQLAlchemy takes all but an @.
_PASSWORD = re.compile(r"((?:^|//)[^:@/]*):(?!//).*@|([?&]password=)[^&]*", re.DOTALL)

_TEMPLATE_HEAD = """\
# Configuration of speedmon. Each line shows a default; remove the # at its start to change it.
# The environment overrides this file: SPEEDMON_COLLECT__TIMEOUT_S is timeout_s below [collect],
# SPEEDMON_DATABASE_URL is url below [database].
"""


def load_settings(file: Path | None, environ: Mapping[str, str], uid: int) -> Settings:
    """Return the settings of `file` (None: the first one that exists) and the environment, defaults filled in.

    Raises:
        ConfigError: the file cannot be read or is not TOML, or a section, key or value is wrong; all are listed.
    """
    file = find_config_file(file, environ)
    values, source = (_read_toml(file), str(file)) if file else ({}, "configuration")
    mistakes: list[str] = []
    above = _merge_values(_from_credentials(environ, mistakes), _from_environ(environ, mistakes))
    merged = _merge_values(values, above)
    _read_secret_files(merged, mistakes)
    settings = _build_settings(merged, source, mistakes)
    mistakes += [*_zone_mistakes(settings), *_majority_mistakes(settings)]
    if mistakes:
        raise ConfigError("; ".join(mistakes))
    if not settings.database.url:
        url = f"sqlite:///{quote(str(paths.state_dir(environ, uid) / 'speedmon.db'))}"
        settings = replace(settings, database=replace(settings.database, url=url))
    return settings


def parse_settings(text: str, source: str) -> Settings:
    """Return the settings of a file's text alone, without the environment; the database's URL may be empty.

    Raises:
        ConfigError: the text is not TOML, or a section, key or value is wrong; all are listed.
    """
    mistakes: list[str] = []
    settings = _build_settings(_decode_toml(text, source), source, mistakes)
    mistakes += [*_zone_mistakes(settings), *_majority_mistakes(settings), *_cron_mistakes(settings)]
    if mistakes:
        raise ConfigError("; ".join(mistakes))
    return settings


def parse_value(section: str, key: str, text: str) -> Any:
    """Return the value of a setting that was given as text, converted to its type.

    Raises:
        ConfigError: there is no such section or key, or the text is no such value.
    """
    known = section_types()
    if section not in known:
        raise ConfigError(f"unknown section [{section}]{_suggest_name(section, known)}")
    keys = key_types(known[section])
    if key not in keys:
        raise ConfigError(f"unknown key {key!r} in [{section}]{_suggest_name(key, keys)}")
    try:
        return msgspec.to_builtins(_convert_value(_EnvironValue(key, text), keys[key]))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{section}.{key}: {error} ({help_text(keys[key]).partition(';')[0]})") from error


def find_config_file(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file that `load_settings` reads: `file`, else the first one that exists; None where there is none."""
    if file is not None:
        return file
    if named := environ.get("SPEEDMON_CONFIG"):
        return Path(named)
    # Path.exists would raise where this user may not search the home directory.
    return next((path for path in paths.config_files(environ) if os.path.exists(path)), None)  # noqa: PTH110


def _zone_mistakes(settings: Settings) -> list[str]:
    """Return a message for each unknown time zone; the list of zones is read only when one is named."""
    named = [("display", settings.display.timezone)]
    named += [(_SCHEDULE, schedule.timezone) for schedule in settings.schedules]
    return [
        f"{section}.timezone: there is no time zone {name!r}; use a name such as Europe/Berlin"
        for section, name in named
        if name not in {"", "UTC"} and not _is_zone(name)
    ]


def _majority_mistakes(settings: Settings) -> list[str]:
    """Return a message for each "N of M" that no tests can reach."""
    named = {"notify.failing": settings.notify.failing, "notify.slow": settings.notify.slow}
    return [
        f"{key}: {text!r} can never be reached: write the smaller number first, as in 2 of 3"
        for key, text in named.items()
        if int(text.partition(" of ")[0]) > int(text.partition(" of ")[2])
    ]


def _cron_mistakes(settings: Settings) -> Iterator[str]:
    from monitor.config import cron  # noqa: PLC0415  a library for the schedule, which few commands need

    for schedule in settings.schedules:
        try:
            if schedule.cron:
                cron.parse(schedule.cron)
        except ConfigError as error:
            yield str(error)


def _is_zone(name: str) -> bool:
    import zoneinfo  # noqa: PLC0415  3 ms, and most configurations name no zone

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def section_types() -> dict[str, type]:
    """Return each section's name and dataclass, in the order of the file."""
    return {name: kind for name, kind in get_type_hints(Settings).items() if isinstance(kind, type)}


def key_types(section: type) -> dict[str, Any]:
    """Return each key of a section with its annotated type."""
    return get_type_hints(section, include_extras=True)


def _read_toml(file: Path) -> Values:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        fix = _explain_denied(file) if isinstance(error, PermissionError) else ""
        fix = fix or "name another, or write one with `speedmon config init`"
        raise ConfigError(f"{file}: cannot be read: {error.strerror}: {fix}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not TOML: {error}") from error
    return _decode_toml(text, str(file))


def _decode_toml(text: str, source: str) -> Values:
    try:
        # msgspec imports tomllib for this, which need not be loaded where there is no file.
        values: Values = msgspec.toml.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{source}: is not TOML: {error}") from error
    return values


def _explain_denied(file: Path) -> str:
    """Return what to do to read a file that its group may read; empty where it has no such group.

    A session has the groups of its login: who became a member later has to log in again.
    """
    try:
        state = file.stat()
        group = grp.getgrgid(state.st_gid)
        user = pwd.getpwuid(os.geteuid()).pw_name
    except (OSError, KeyError):
        return ""
    if not state.st_mode & 0o040 or group.gr_gid == 0:
        return ""
    if user in group.gr_mem:
        return f"{user} is in the group {group.gr_name} from the next login on: log out and in again"
    return f"only the group {group.gr_name} may: sudo speedmon install --user {user}, then log out and in again"


def _from_environ(environ: Mapping[str, str], mistakes: list[str]) -> Values:
    values: Values = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        long_name = "SPEEDMON_DATABASE__URL" if name == "SPEEDMON_DATABASE_URL" else name
        section, separator, key = long_name.removeprefix(PREFIX).lower().partition("__")
        if not separator:
            mistakes.append(f"{name}: the name of a setting is {PREFIX}SECTION__KEY")
        if any("\ud800" <= character <= "\udfff" for character in text):
            mistakes.append(f"{name}: is not UTF-8: {text!a}")
        values.setdefault(section, {})[key] = _EnvironValue(name, text)
    return {section: section_values for section, section_values in values.items() if "" not in section_values}


def _from_credentials(environ: Mapping[str, str], mistakes: list[str]) -> Values:
    """Return the values of systemd's credentials."""
    values: Values = {}
    try:
        credentials = secrets.read_credentials(environ)
    except ConfigError as error:
        mistakes.append(str(error))
        return values
    for (section, key), text in credentials.items():
        values.setdefault(section, {})[key] = _EnvironValue(f"credential {section}.{key}", text)
    return values


def _read_secret_files(values: Values, mistakes: list[str]) -> None:
    """Fill in each secret that is empty and whose `_file` is named.

    Who may not read that of the fleet or of pings can do without: the service forwards and pings.
    """
    for section, key in secrets.SECRET_SETTINGS:
        entries: Any = values.get(section)
        file = entries.get(f"{key}_file") if isinstance(entries, dict) else None
        path = file.text if isinstance(file, _EnvironValue) else file
        is_due = (section, key) not in secrets.READ_WHEN_SENT and isinstance(entries, dict) and not entries.get(key)
        if not path or not isinstance(path, str) or not is_due:
            continue
        try:
            text = secrets.read_secret(Path(path), f"{section}.{key}_file")
        except ConfigError as error:
            if section == "database" or not isinstance(error.__cause__, PermissionError):
                mistakes.append(str(error))
            continue
        values[section] = {**entries, key: _EnvironValue(f"{section}.{key}_file", text)}


class _EnvironValue:
    """A value from the environment: text that may have to be converted to a number, a boolean or a list."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text


def _merge_values(below: Values, above: Values) -> Values:
    merged: dict[str, Any] = dict(below)
    for section, section_values in above.items():
        base: Any = merged.get(section, {})
        if isinstance(base, list):
            # The environment changes the last entry: the newest plan, the last schedule.
            merged[section] = [*base[:-1], {**base[-1], **section_values}] if isinstance(base[-1], dict) else base
        else:
            merged[section] = {**base, **section_values} if isinstance(base, dict) else base
    return merged


def _build_settings(values: Values, source: str, mistakes: list[str]) -> Settings:
    known = section_types()
    unknown = (name for name in values if name not in known)
    mistakes.extend(f"{source}: unknown section [{name}]{_suggest_name(name, known)}" for name in unknown)
    plans = _build_plans(values, source, mistakes)
    schedules = _build_schedules(values, source, mistakes)
    several = {_PLAN: plans[-1:], _SCHEDULE: schedules[:1]}
    built = {
        name: _build_section(name, known[name], section_values, source, mistakes)
        for name, section_values in values.items()
        if name in known and not several.get(name)
    }
    built |= {name: of_several[0] for name, of_several in several.items() if of_several}
    return Settings(**built, dated_plans=plans, named_schedules=schedules)


def _build_schedules(values: Values, source: str, mistakes: list[str]) -> tuple[ScheduleSettings, ...]:
    """Return the schedules of [[schedule]] sections, each with its name or its number; none for a single [schedule]."""
    entries: Any = values.get(_SCHEDULE)
    if not isinstance(entries, list) or not entries:
        return ()
    schedules = [_build_section(_SCHEDULE, ScheduleSettings, entry, source, mistakes) for entry in entries]
    named = tuple(replace(schedule, name=schedule.name or str(number)) for number, schedule in enumerate(schedules, 1))
    if len({schedule.name for schedule in named}) < len(named):
        mistakes.append(f"{source}: each [[schedule]] needs a `name` of its own, such as night")
    return named


def _build_plans(values: Values, source: str, mistakes: list[str]) -> tuple[PlanSettings, ...]:
    """Return the plans that have a date, or are several, the oldest first; none for a single one without a date."""
    entries: Any = values.get(_PLAN, {})
    entries = entries if isinstance(entries, list) else [entries]
    if len(entries) == 1 and not (isinstance(entries[0], dict) and entries[0].get("since")):
        values[_PLAN] = entries[0]
        return ()
    plans = [_build_section(_PLAN, PlanSettings, entry, source, mistakes) for entry in entries]
    mistakes += [
        f"{source}: plan.since: {plan.since!r} is not a day of the calendar"
        for plan in plans
        if not _is_day(plan.since)
    ]
    if len({plan.since for plan in plans}) < len(plans):
        mistakes.append(
            f"{source}: each [[plan]] needs a `since` of its own, such as 2026-03-01; the first may have none"
        )
    return tuple(sorted(plans, key=lambda plan: plan.since))


def _is_day(text: str) -> bool:
    try:
        return not text or bool(date.fromisoformat(text))
    except ValueError:
        return False


def _build_section(name: str, section_type: type, section_values: Any, source: str, mistakes: list[str]) -> Any:
    if not isinstance(section_values, dict):
        mistakes.append(f"{source}: [{name}] must be a section, not a value")
        return section_type()
    known = key_types(section_type)
    accepted = {}
    for key, value in section_values.items():
        name_of_value = value.name if isinstance(value, _EnvironValue) else f"{source}: {name}.{key}"
        if key not in known:
            mistakes.append(f"{name_of_value}: unknown key {key!r} in [{name}]{_suggest_name(key, known)}")
            continue
        try:
            accepted[key] = _convert_value(value, known[key])
        except msgspec.ValidationError as error:
            expected = help_text(known[key]).partition(";")[0]
            mistakes.append(f"{name_of_value}: {error} ({expected})")
    return section_type(**accepted)


def _convert_value(value: Any, value_type: Any) -> Any:
    if isinstance(value, date):
        value = value.isoformat()  # TOML has dates, and a day may be written without quotes
    if not isinstance(value, _EnvironValue):
        return msgspec.convert(value, value_type)
    if get_origin(getattr(value_type, "__origin__", value_type)) is list:
        return msgspec.convert(
            [part.strip() for part in value.text.split(",") if part.strip()], value_type, strict=False
        )
    return msgspec.convert(value.text, value_type, strict=False)


def _suggest_name(name: str, known: Mapping[str, Any]) -> str:
    import difflib  # noqa: PLC0415  1 ms, and only a mistake needs it

    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(known)})"


def help_text(value_type: Any) -> str:
    """Return the help of an annotated type."""
    return next(_descriptions(value_type), "")


def _descriptions(value_type: Any) -> Iterator[str]:
    for meta in reversed(getattr(value_type, "__metadata__", ())):
        if isinstance(meta, msgspec.Meta) and meta.description:
            yield meta.description


def config_template() -> str:
    """Return a file with every setting, its help and its default commented out."""
    defaults = Settings()
    return _TEMPLATE_HEAD + "".join(
        _section_template(name, kind, getattr(defaults, name)) for name, kind in section_types().items()
    )


def to_toml(settings: Settings) -> str:
    """Return the settings as TOML; passwords in URLs are masked."""
    tables = []
    for name, kind in section_types().items():
        several: tuple[Any, ...] = {_PLAN: settings.dated_plans, _SCHEDULE: settings.named_schedules}.get(name, ())
        tables += [_section_to_toml(f"[{name}]", kind, entry) for entry in several] or [
            _section_to_toml(name, kind, getattr(settings, name))
        ]
    return "\n".join(tables)


def to_dict(settings: Settings) -> dict[str, Any]:
    """Return the settings by section and key, dated plans and several schedules as lists; passwords are masked."""
    values: dict[str, Any] = msgspec.to_builtins(settings)
    for section, several in ((_PLAN, values.pop("dated_plans")), (_SCHEDULE, values.pop("named_schedules"))):
        values[section] = several or values[section]
    for section, key in _SECRET_URLS:
        values[section][key] = mask_password(values[section][key])
    for section, key in _SECRET_ADDRESSES:
        values[section][key] = _mask_addresses(values[section][key])
    return values


def mask_password(url: str) -> str:
    """Return a URL without its password."""
    return _PASSWORD.sub(lambda match: f"{match[1]}:***@" if match[2] is None else f"{match[2]}***", url)


def mask_address(url: str) -> str:
    """Return the service of an address and, where that is no secret, its host: mailto://example.org/…."""
    scheme, _, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}://{host}/…" if scheme.lower() in _SERVICES_WITH_HOST else f"{scheme}://…"


def _mask_addresses(value: Any) -> Any:
    if isinstance(value, list):
        return [mask_address(url) for url in value]
    return mask_address(value) if value else value


def _section_template(name: str, kind: type, defaults: Any) -> str:
    lines = [f"\n# {(kind.__doc__ or '').strip()}", f"[{name}]"]
    for key, annotated in key_types(kind).items():
        lines += [f"# {help_text(annotated)}", f"#{key} = {to_toml_value(getattr(defaults, key))}"]
    return "\n".join(lines) + "\n"


def _section_to_toml(name: str, kind: type, values: Any) -> str:
    lines = [f"[{name}]"]
    lines += [f"{key} = {to_toml_value(_mask_if_secret(name, key, getattr(values, key)))}" for key in key_types(kind)]
    return "\n".join(lines) + "\n"


def _mask_if_secret(section: str, key: str, value: Any) -> Any:
    if (section, key) in _SECRET_ADDRESSES:
        return _mask_addresses(value)
    return mask_password(value) if (section, key) in _SECRET_URLS else value
