"""The zone that times are shown in: the configured one, else that of the system. Storage stays UTC."""

from __future__ import annotations

import logging
from zoneinfo import ZoneInfo

from monitor.errors import ConfigError


def resolve(name: str, said_by: str = "display.timezone") -> ZoneInfo:
    """Return the zone of that IANA name; of the system when the name is empty. `said_by` is whom an error names.

    Raises:
        ConfigError: nobody knows a zone of that name, or the system names one that does not exist.
    """
    return _named(name, said_by) if name else _of_system()


def _named(name: str, said_by: str = "the system's time zone") -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:  # a folder of the database, such as "Europe", is an OSError
        raise ConfigError(f"{said_by}: unknown time zone {name!r} (a name such as Europe/Berlin)") from error


def _of_system() -> ZoneInfo:
    import tzlocal  # noqa: PLC0415  only an empty setting needs it

    logging.getLogger("tzlocal").setLevel(logging.ERROR)  # its advice on /etc/timezone is not for our users
    try:
        name = tzlocal.get_localzone_name()
    except (LookupError, ValueError, OSError) as error:
        raise ConfigError(f"the system's time zone cannot be read ({error}); set display.timezone") from error
    return _named(name) if name else ZoneInfo("UTC")
