"""The zone that times are shown in: the configured one, else that of the system. Storage stays UTC."""

from __future__ import annotations

import logging
from zoneinfo import ZoneInfo

from monitor.errors import ConfigError


def resolve(name: str, setting: str = "display.timezone") -> ZoneInfo:
    """Return the zone of that IANA name; of the system when the name is empty.

    Args:
        name: the value of the setting or option.
        setting: the name of the setting or option, which an error blames.

    Raises:
        ConfigError: there is no zone of that name, or the system names one that does not exist.
    """
    return _named(name, setting) if name else _of_system(setting)


def _named(name: str, setting: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:  # a folder of the database, such as "Europe", is an OSError
        raise ConfigError(f"{setting}: unknown time zone {name!r} (a name such as Europe/Berlin)") from error


def _of_system(setting: str) -> ZoneInfo:
    import tzlocal  # noqa: PLC0415  only an empty setting needs it

    logging.getLogger("tzlocal").setLevel(logging.ERROR)  # its advice on /etc/timezone is not for our users
    try:
        name = tzlocal.get_localzone_name()
    except (LookupError, ValueError, OSError) as error:
        raise ConfigError(f"the system's time zone cannot be read ({error}); set {setting}") from error
    return _named(name, "the system's time zone") if name else ZoneInfo("UTC")
