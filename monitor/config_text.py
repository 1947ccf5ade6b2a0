"""The configuration as TOML: what `config init` writes and `config show` prints. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from monitor import config
from monitor.settings import Settings

# Settings that may hold a password.
_URLS = (("database", "url"), ("fleet", "database_url"))
# A password may hold any of these marks, unescaped too: SQLAlchemy takes all but an @.
_PASSWORD = re.compile(r"((?:^|//)[^:@/]*):(?!//).*@|([?&]password=)[^&]*", re.DOTALL)
_HEAD = """\
# Configuration of speedmon. Each line shows a default; remove the # at its start to change it.
# The environment overrides this file: SPEEDMON_COLLECT__TIMEOUT_S is timeout_s below [collect],
# SPEEDMON_DATABASE_URL is url below [database].
"""


def template() -> str:
    """Return a file with every setting, its help and its default commented out."""
    defaults = Settings()
    return _HEAD + "".join(
        _section_template(name, kind, getattr(defaults, name)) for name, kind in config.sections().items()
    )


def effective(settings: Settings) -> str:
    """Return the settings as TOML; passwords in URLs are masked."""
    tables = (_section(name, kind, getattr(settings, name)) for name, kind in config.sections().items())
    return "\n".join(tables)


def as_dict(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the settings by section and key; passwords in URLs are masked."""
    values: dict[str, dict[str, Any]] = msgspec.to_builtins(settings)
    for section, key in _URLS:
        values[section][key] = masked(values[section][key])
    return values


def masked(url: str) -> str:
    """Return a URL without its password."""
    return _PASSWORD.sub(lambda match: f"{match[1]}:***@" if match[2] is None else f"{match[2]}***", url)


def _section_template(name: str, kind: type, defaults: Any) -> str:
    lines = [f"\n# {(kind.__doc__ or '').strip()}", f"[{name}]"]
    for key, annotated in config.keys(kind).items():
        lines += [f"# {config.described(annotated)}", f"#{key} = {_value(getattr(defaults, key))}"]
    return "\n".join(lines) + "\n"


def _section(name: str, kind: type, values: Any) -> str:
    lines = [f"[{name}]"]
    lines += [f"{key} = {_value(_shown(name, key, getattr(values, key)))}" for key in config.keys(kind)]
    return "\n".join(lines) + "\n"


def _shown(section: str, key: str, value: Any) -> Any:
    return masked(value) if (section, key) in _URLS else value


def _value(value: Any) -> str:
    """Return a TOML value; strings, numbers and truth values are written as in JSON."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return msgspec.json.encode(value).decode()
