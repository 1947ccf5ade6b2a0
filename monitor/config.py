"""Read the configuration: TOML, then the environment on top. Every mistake is reported at once, with its mend.

A value is looked up as SPEEDMON_SECTION__KEY, then as KEY under [SECTION] in the file, then in `monitor.settings`.
SPEEDMON_DATABASE_URL is the short name of SPEEDMON_DATABASE__URL.
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
# Variables with the prefix that are no settings.
NOT_SETTINGS = frozenset({"SPEEDMON_CONFIG", "SPEEDMON_DEBUG"})
Values = dict[str, dict[str, Any]]


def load(file: Path | None, environ: Mapping[str, str], uid: int) -> Settings:
    """Return the settings of `file` (None: the first one found) and the environment, defaults filled in.

    Raises:
        ConfigError: the file cannot be read or is no TOML, or a section, key or value is wrong; all are listed.
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
    """Return the file that `load` reads: the one named, else the first one found; None when there is none."""
    return file or _find(environ)


def _unknown_zones(settings: Settings) -> list[str]:
    """Return a line for each zone that nobody knows; the list of zones is opened only when one is named."""
    named = {"display.timezone": settings.display.timezone, "schedule.timezone": settings.schedule.timezone}
    return [
        f"{key}: there is no time zone {name!r}; a name such as Europe/Berlin is needed"
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
    # os.path.exists, because a home that cannot be searched holds no configuration for this user.
    return next((file for file in paths.config_files(environ) if os.path.exists(file)), None)  # noqa: PTH110


def _read(file: Path) -> Values:
    import tomllib  # noqa: PLC0415  there is often no file

    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        mend = "name another, or write one with `speedmon config init`"
        raise ConfigError(f"{file}: cannot be read: {error.strerror}: {mend}") from error
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
    return {section: found for section, found in values.items() if "" not in found}


class _Text:
    """A value from the environment: text that may have to become a number, a truth value or a list."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text


def _merge(below: Values, above: Values) -> Values:
    merged = dict(below)
    for section, found in above.items():
        base = merged.get(section, {})
        merged[section] = {**base, **found} if isinstance(base, dict) else base
    return merged


def _build(values: Values, source: str, mistakes: list[str]) -> Settings:
    known = sections()
    unknown = (name for name in values if name not in known)
    mistakes.extend(f"{source}: unknown section [{name}]{_suggest(name, known)}" for name in unknown)
    built = {
        name: _section(name, known[name], found, source, mistakes) for name, found in values.items() if name in known
    }
    return Settings(**built)


def _section(name: str, kind: type, found: Any, source: str, mistakes: list[str]) -> Any:
    if not isinstance(found, dict):
        mistakes.append(f"{source}: [{name}] must be a section, not a value")
        return kind()
    known = keys(kind)
    accepted = {}
    for key, value in found.items():
        where = value.name if isinstance(value, _Text) else f"{source}: {name}.{key}"
        if key not in known:
            mistakes.append(f"{where}: unknown key {key!r} in [{name}]{_suggest(key, known)}")
            continue
        try:
            accepted[key] = _convert(value, known[key])
        except msgspec.ValidationError as error:
            what = described(known[key]).partition(";")[0]
            mistakes.append(f"{where}: {error} ({what})")
    return kind(**accepted)


def _convert(value: Any, kind: Any) -> Any:
    if not isinstance(value, _Text):
        return msgspec.convert(value, kind)
    if get_origin(getattr(kind, "__origin__", kind)) is list:
        return msgspec.convert([part.strip() for part in value.text.split(",") if part.strip()], kind, strict=False)
    return msgspec.convert(value.text, kind, strict=False)


def _suggest(name: str, known: Mapping[str, Any]) -> str:
    import difflib  # noqa: PLC0415  only a mistake needs it

    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(known)})"


def described(kind: Any) -> str:
    """Return the help of an annotated type."""
    return next(_descriptions(kind), "")


def _descriptions(kind: Any) -> Iterator[str]:
    for meta in reversed(getattr(kind, "__metadata__", ())):
        if isinstance(meta, msgspec.Meta) and meta.description:
            yield meta.description
