"""The addresses that messages go to: those of the settings and of `notify.urls_file`. Their secrets stay there."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from monitor.config.load import mask_address
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from monitor.config.settings import MqttSettings, NotifySettings, Settings

FAIL = "/fail"

# Shorter parts of an address are words such as `me`, and would hide much of a message.
SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True)
class Address:
    """An address: `key` is its digest, under which the database knows it, `name` what may be shown of it."""

    url: str
    key: str
    name: str


def load_addresses(notify: NotifySettings) -> list[Address]:
    """Return the addresses of messages, without duplicates.

    Raises:
        ConfigError: `notify.urls_file` cannot be read, or a line of it is no address.
    """
    urls = dict.fromkeys((*notify.urls, *_read_urls(notify.urls_file, "notify.urls_file")))
    return [_to_address(url, number if len(urls) > 1 else None) for number, url in enumerate(urls, start=1)]


def ping_address(notify: NotifySettings) -> Address | None:
    """Return the address of the dead man's switch; None if there is none."""
    return _to_address(notify.ping_url, None) if notify.ping_url else None


def all_addresses(settings: Settings) -> list[Address]:
    """Return every address: those of messages, the dead man's switch, and the broker of MQTT.

    Raises:
        ConfigError: those of `notify.urls_file` cannot be read.
    """
    others = (ping_address(settings.notify), mqtt_address(settings.mqtt))
    return [*load_addresses(settings.notify), *(address for address in others if address)]


def mqtt_address(mqtt: MqttSettings) -> Address | None:
    """Return the broker of MQTT; None if there is none.

    Raises:
        ConfigError: `mqtt.url_file` cannot be read, or has no address of a broker.
    """
    if not mqtt.url_file:
        return _to_address(mqtt.url, None) if mqtt.url else None
    (url, *_) = [*_read_urls(mqtt.url_file, "mqtt.url_file"), ""]
    if not url.startswith(("mqtt://", "mqtts://")):
        raise ConfigError(f"{mqtt.url_file}: has no address such as mqtt://user:password@host: correct mqtt.url_file")
    return _to_address(url, None)


def without_secrets(text: str, url: str) -> str:
    """Return a text, such as an error of a service, without the parts of an address that must not be shown."""
    shown, scheme = mask_address(url), url.partition("://")[0]
    # Apprise shows the first and the last letter of each part.
    text = re.sub(rf"\b{re.escape(scheme)}://\S+", "the address", text, flags=re.IGNORECASE)
    parts = {part for form in (url, unquote(url)) for part in re.split(r"[/:@?&=#,\s]+", form)}
    hidden = [part for part in parts if len(part) >= SHORTEST_SECRET and part not in shown]
    for part in sorted(hidden, key=len, reverse=True):
        text = text.replace(part, "…")
    return " ".join(text.split())


def failed_url(url: str) -> str:
    """Return the URL of the dead man's switch that reports a failure: /fail at the end of its path."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + FAIL))


def _to_address(url: str, number: int | None) -> Address:
    name = f"no. {number}: {mask_address(url)}" if number else mask_address(url)
    return Address(url, hashlib.blake2b(url.encode(), digest_size=16).hexdigest(), name)


def _read_urls(file: str, setting: str) -> list[str]:
    if not file:
        return []
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(f"{file}: cannot be read: {reason}: correct {setting}, or the file's owner") from error
    urls = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    urls = [(number, line) for number, line in urls if line and not line.startswith("#")]
    for number, url in urls:
        if "://" not in url:
            raise ConfigError(f"{file}, line {number}: is no address such as mailto://…: correct or remove it")
    return [url for _, url in urls]
