"""The addresses that messages go to: those of the settings and of `notify.urls_file`. Their secrets stay there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from monitor.config.load import mask_address
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from monitor.config.settings import NotifySettings

FAIL = "/fail"


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
    urls = dict.fromkeys((*notify.urls, *_read_urls(notify.urls_file)))
    return [_to_address(url, number if len(urls) > 1 else None) for number, url in enumerate(urls, start=1)]


def ping_address(notify: NotifySettings) -> Address | None:
    """Return the address of the dead man's switch; None if there is none."""
    return _to_address(notify.ping_url, None) if notify.ping_url else None


def failed_url(url: str) -> str:
    """Return the URL of the dead man's switch that reports a failure: /fail at the end of its path."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + FAIL))


def _to_address(url: str, number: int | None) -> Address:
    name = f"no. {number}: {mask_address(url)}" if number else mask_address(url)
    return Address(url, hashlib.blake2b(url.encode(), digest_size=16).hexdigest(), name)


def _read_urls(file: str) -> list[str]:
    if not file:
        return []
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(f"{file}: cannot be read: {reason}: correct notify.urls_file, or the file's owner") from error
    urls = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    urls = [(number, line) for number, line in urls if line and not line.startswith("#")]
    for number, url in urls:
        if "://" not in url:
            raise ConfigError(f"{file}, line {number}: is no address such as mailto://…: correct or remove it")
    return [url for _, url in urls]
