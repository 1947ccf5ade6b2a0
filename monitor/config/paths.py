"""Where files are stored: systemd's directories, else /var for root, else XDG. Pure: the environment is passed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


def config_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the configuration files that are tried when none is named; the first that exists is used."""
    home = Path(environ.get("HOME", "/"))
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return (user / "speedmon" / "config.toml", Path("/etc/speedmon/config.toml"))


def state_dir(environ: Mapping[str, str], uid: int) -> Path:
    """Return the directory of the database and the spool."""
    return _choose_directory(
        environ, uid, _Locations("STATE_DIRECTORY", "/var/lib/speedmon", "XDG_STATE_HOME", ".local/state")
    )


def cache_dir(environ: Mapping[str, str], uid: int) -> Path:
    """Return the directory of what can be created again, such as matplotlib's font list."""
    return _choose_directory(
        environ, uid, _Locations("CACHE_DIRECTORY", "/var/cache/speedmon", "XDG_CACHE_HOME", ".cache")
    )


class _Locations(NamedTuple):
    """systemd's variable, root's directory, XDG's variable, and the default for that below the home directory."""

    systemd: str
    system: str
    xdg: str
    home: str


def _choose_directory(environ: Mapping[str, str], uid: int, place: _Locations) -> Path:
    if given := environ.get(place.systemd):
        return Path(given.split(":")[0])  # systemd joins several directories with colons
    if uid == 0:
        return Path(place.system)
    base = Path(environ.get(place.xdg) or Path(environ.get("HOME", "/")) / place.home)
    return base / "speedmon"
