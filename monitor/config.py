"""Read the configuration from TOML and the environment, and report every mistake at once, with its fix.

A value comes from the variable SPEEDMON_SECTION__KEY, else from KEY below [SECTION] in the file, else from the defaults
in `monitor.settings`. SPEEDMON_DATABASE_URL is short for SPEEDMON_DATABASE__URL.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin, get_type_hints
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from monitor import paths
from monitor.errors import ConfigError
from monitor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "SPEEDMON_"
# Variables with the prefix that are not settings.
NOT_SETTINGS = frozenset({"SPEEDMON_CONFIG", "SPEEDMON_DEBUG"})
Values = dict[str, dict[str, Any]]


def load(file: Path | None, environ: Mapping[str, str], uid: int) -> Settings:
    """Return the settings of `file` (None: the first one that exists) and the environment, defaults filled in.

    Raises:
        ConfigError: the file cannot be read or is not TOML, or a section, key or value is wrong; all are listed.
    """
    file = file_in_use(file, environ)
    values, source = (_read(file), str(file)) if file else ({}, "configuration")
    mistakes: list[str] = []
    settings = _build(_merge(values, _from_environ(environ, mistakes)), source, mistakes)
    mistakes += _unknown_zones(settings)
    if mistakes:
        raise ConfigError("; ".join(mistakes))
    if not settings.database.url:
        url = f"sqlite:///{quote(str(paths.state_dir(environ, uid) / 'speedmon.db'))}"
        settings = replace(settings, database=replace(settings.database, url=url))
    return settings


def file_in_use(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file that `load` reads: `file`, else the first one that exists; None where there is none."""
    return file or _find(environ)


def _unknown_zones(settings: Settings) -> list[str]:
    """Return a message for each unknown time zone; the list of zones is read only when one is named."""
    named = {"display.timezone": settings.display.timezone, "schedule.timezone": settings.schedule.timezone}
    return [
        f"{key}: there is no time zone {name!r}; use a name such as Europe/Berlin"
        for key, name in named.items()
        if name not in {"", "UTC"} and not _is_zone(name)
    ]


def _is_zone(name: str) -> bool:
    import zoneinfo  # noqa: PLC0415  most configurations name no zone

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def sections() -> dict[str, type]:
    """Return each section's name and dataclass, in the order of the file."""
    return get_type_hints(Settings)


def keys(section: type) -> dict[str, Any]:
    """Return each key of a section with its annotated type."""
    return get_type_hints(section, include_extras=True)


def _find(environ: Mapping[str, str]) -> Path | None:
    if named := environ.get("SPEEDMON_CONFIG"):
        return Path(named)
    # Path.exists would raise where this user may not search the home directory.
    return next((file for file in paths.config_files(environ) if os.path.exists(file)), None)  # noqa: PTH110


def _read(file: Path) -> Values:
    import tomllib  # noqa: PLC0415  there is often no file

    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        fix = "name another, or write one with `speedmon config init`"
        raise ConfigError(f"{file}: cannot be read: {error.strerror}: {fix}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not TOML: {error}") from error
    return values


def _from_environ(environ: Mapping[str, str], mistakes: list[str]) -> Values:
    values: Values = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        long_name = "SPEEDMON_DATABASE__URL" if name == "SPEEDMON_DATABASE_URL" else name
        section, separator, key = long_name.removeprefix(PREFIX).lower().partition("__")
        if not separator:
            mistakes.append(f"{name}: the name of a setting is {PREFIX}SECTION__KEY")
        values.setdefault(section, {})[key] = _Text(name, text)
    return {section: section_values for section, section_values in values.items() if "" not in section_values}


class _Text:
    """A value from the environment: text that may have to be converted to a number, a boolean or a list."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text


def _merge(below: Values, above: Values) -> Values:
    merged = dict(below)
    for section, section_values in above.items():
        base = merged.get(section, {})
        merged[section] = {**base, **section_values} if isinstance(base, dict) else base
    return merged


def _build(values: Values, source: str, mistakes: list[str]) -> Settings:
    known = sections()
    unknown = (name for name in values if name not in known)
    mistakes.extend(f"{source}: unknown section [{name}]{_suggest(name, known)}" for name in unknown)
    built = {
        name: _section(name, known[name], section_values, source, mistakes)
        for name, section_values in values.items()
        if name in known
    }
    return Settings(**built)


def _section(name: str, section_type: type, section_values: Any, source: str, mistakes: list[str]) -> Any:
    if not isinstance(section_values, dict):
        mistakes.append(f"{source}: [{name}] must be a section, not a value")
        return section_type()
    known = keys(section_type)
    accepted = {}
    for key, value in section_values.items():
        name_of_value = value.name if isinstance(value, _Text) else f"{source}: {name}.{key}"
        if key not in known:
            mistakes.append(f"{name_of_value}: unknown key {key!r} in [{name}]{_suggest(key, known)}")
            continue
        try:
            accepted[key] = _convert(value, known[key])
        except msgspec.ValidationError as error:
            help_text = described(known[key]).partition(";")[0]
            mistakes.append(f"{name_of_value}: {error} ({help_text})")
    return section_type(**accepted)


def _convert(value: Any, value_type: Any) -> Any:
    if not isinstance(value, _Text):
        return msgspec.convert(value, value_type)
    if get_origin(getattr(value_type, "__origin__", value_type)) is list:
        return msgspec.convert(
            [part.strip() for part in value.text.split(",") if part.strip()], value_type, strict=False
        )
    return msgspec.convert(value.text, value_type, strict=False)


def _suggest(name: str, known: Mapping[str, Any]) -> str:
    import difflib  # noqa: PLC0415  only a mistake needs it

    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(known)})"


def described(value_type: Any) -> str:
    """Return the help of an annotated type."""
    return next(_descriptions(value_type), "")


def _descriptions(value_type: Any) -> Iterator[str]:
    for meta in reversed(getattr(value_type, "__metadata__", ())):
        if isinstance(meta, msgspec.Meta) and meta.description:
            yield meta.description
