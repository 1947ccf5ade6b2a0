"""Changes one value of a configuration file and leaves the rest of its text, comments above all, as it is. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from monitor.errors import ConfigError

_HEADER = re.compile(r"\s*\[")


def set_value(text: str, section: str, key: str, value: Any) -> str:
    """Return the text of a TOML file with `key` of `[section]` set to a string, number, truth value or list.

    Raises:
        ConfigError: the file is not TOML, or writes the key in a form that cannot be changed in place.
    """
    wanted = _parse(text)
    parent = wanted.setdefault(section, {})
    if not isinstance(parent, dict):
        raise ConfigError(f"{section} is not a plain section here: change {section}.{key} in the file itself")
    parent[key] = value
    changed = _edit(text, section, key, to_toml_value(value))
    if _parse(changed) != wanted:
        raise ConfigError(f"{section}.{key} is written in an unusual form here: change it in the file itself")
    return changed


def to_toml_value(value: Any) -> str:
    """Return a TOML value; strings, numbers and truth values are written as in JSON."""
    if isinstance(value, list):
        return f"[{', '.join(map(to_toml_value, value))}]"
    return msgspec.json.encode(value).decode()


def _parse(text: str) -> dict[str, Any]:
    try:
        values: dict[str, Any] = msgspec.toml.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"the configuration is not TOML: {error}") from error
    return values


def _edit(text: str, section: str, key: str, literal: str) -> str:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    begin = next((i for i, line in enumerate(lines) if _is_header(line, section)), None)
    if begin is None:
        return "".join(lines) + ("\n" if lines else "") + f"[{section}]\n{key} = {literal}\n"
    end = next((i for i in range(begin + 1, len(lines)) if _HEADER.match(lines[i])), len(lines))
    _set_in_section(lines, range(begin + 1, end), key, literal)
    return "".join(lines)


def _is_header(line: str, section: str) -> bool:
    return re.fullmatch(rf"\s*\[\s*{re.escape(section)}\s*\]\s*(#.*)?", line.rstrip("\n")) is not None


def _set_in_section(lines: list[str], section: range, key: str, literal: str) -> None:
    """Replace the line of a key, else add one after its commented default, else at the end of the section."""
    assigned = re.compile(rf"\s*{re.escape(key)}\s*=")
    for i in section:
        if assigned.match(lines[i]):
            last = _last_line_of_value(lines, i, section)
            comment = _trailing_comment("".join(lines[i : last + 1]).partition("=")[2])
            lines[i : last + 1] = [f"{key} = {literal}{comment}\n"]
            return
    default = re.compile(rf"\s*#\s*{re.escape(key)}\s*=")
    filled = (i for i in reversed(section) if lines[i].strip() and not lines[i].lstrip().startswith("# "))
    after = next((i for i in section if default.match(lines[i])), next(filled, section.start - 1))
    lines.insert(after + 1, f"{key} = {literal}\n")


def _last_line_of_value(lines: list[str], first: int, section: range) -> int:
    """Return the line on which a value ends, which may be a list of several lines."""
    for last in range(first, section.stop):
        if _is_toml("".join(lines[first : last + 1])):
            return last
    return first


def _trailing_comment(value: str) -> str:
    marks = (match.start() for match in re.finditer("#", value))
    mark = next((mark for mark in marks if value[:mark].strip() and _is_toml(f"x = {value[:mark].strip()}")), None)
    return f"  {value[mark:].strip()}" if mark is not None else ""


def _is_toml(text: str) -> bool:
    try:
        msgspec.toml.decode(text)
    except msgspec.DecodeError:
        return False
    return True
