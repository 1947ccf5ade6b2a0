"""Changes one value of a configuration file and leaves the rest of its text, comments above all, as it is. Pure."""

from __future__ import annotations

import itertools
import re
from typing import Any

import msgspec

from monitor.errors import ConfigError

_HEADER = re.compile(r"\s*\[")


def set_value(text: str, section: str, key: str, value: Any, entry: int | None = None) -> str:
    """Return the text of a TOML file with `key` of `[section]` set to a string, number, truth value or list.

    Args:
        text: the file.
        section: the name of the section.
        key: the name of the setting.
        value: its new value.
        entry: the place of the `[[section]]` to change, from 0 on; None for a plain `[section]`.

    Raises:
        ConfigError: the file is not TOML, there is no such entry, or the key is written in a form that cannot be
            changed in place.
    """
    wanted = _parse(text)
    parent = wanted.setdefault(section, {}) if entry is None else _find_entry(wanted, section, entry)
    if isinstance(parent, list):
        raise ConfigError(f"there are {len(parent)} [[{section}]]: name one, as in {section}.{len(parent)}.{key}")
    if not isinstance(parent, dict):
        raise ConfigError(f"{section} is not a plain section here: change {section}.{key} in the file itself")
    parent[key] = value
    changed = _edit(text, (section, entry), key, to_toml_value(value))
    if not _is_toml(changed) or _parse(changed) != wanted:
        raise ConfigError(f"{section}.{key} is written in an unusual form here: change it in the file itself")
    return changed


def entry_names(text: str, section: str) -> list[str | None]:
    """Return the `name` of each `[[section]]`, None for one without.

    Raises:
        ConfigError: the file is not TOML.
    """
    entries = _parse(text).get(section)
    return [entry.get("name") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _find_entry(values: dict[str, Any], section: str, entry: int) -> Any:
    entries = values.get(section)
    if not isinstance(entries, list):
        raise ConfigError(f"there is no [[{section}]] here: write {section}.KEY, or add one to the file itself")
    if not 0 <= entry < len(entries):
        raise ConfigError(
            f"there are {len(entries)} [[{section}]], and no number {entry + 1}: add it to the file itself"
        )
    return entries[entry]


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


def _edit(text: str, place: tuple[str, int | None], key: str, literal: str) -> str:
    section, entry = place
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    headers = (i for i, line in enumerate(lines) if _is_header(line, section, is_entry=entry is not None))
    begin = next(itertools.islice(headers, entry or 0, None), None)
    if begin is None:
        return "".join(lines) + ("\n" if lines else "") + f"[{section}]\n{key} = {literal}\n"
    end = next((i for i in range(begin + 1, len(lines)) if _HEADER.match(lines[i])), len(lines))
    _set_in_section(lines, range(begin + 1, end), key, literal)
    return "".join(lines)


def _is_header(line: str, section: str, *, is_entry: bool) -> bool:
    quote = "[\"']?"
    name = rf"\[\s*{quote}{re.escape(section)}{quote}\s*\]"
    header = rf"\[{name}\]" if is_entry else name
    return re.fullmatch(rf"\s*{header}\s*(#.*)?", line.rstrip("\r\n")) is not None


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
