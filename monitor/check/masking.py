"""Masks what a bug report must not tell: secrets, addresses, names of hosts, users and wireless networks. Pure.

The same value has the same mask everywhere, so that a reader still sees which lines are about the same host.
"""

from __future__ import annotations

import ipaddress
import re
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# They name nothing of this user.
_PUBLIC = frozenset({"127.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "::"})  # noqa: S104  nothing is bound

_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f]*:[0-9A-Fa-f:]*:)[0-9A-Fa-f:]{2,39}(?:(?:\d{1,3}\.){3}\d{1,3})?(?![\w:]|\.\d)"
)
_MAC = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4,6}(?![\w:-])")
_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s\"'<>]*@(?=[^\s/@]*)")
_ASSIGNED = re.compile(
    r"(?P<name>(?:[\w-]*(?:password|passwd|secret|token|api[_-]?key|authorization|credential)[\w-]*)[\"']?\s*[=:]\s*"
    r"(?:(?:bearer|basic)\s+)?)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;&]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_SSID = re.compile(r"(?i)(?P<name>\b(?:e?ssid)\b[\"']?\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;][^\n,;]*)")
_HOME = re.compile(r"(?<=/home/)[^/\s:\"']+")
_HOST_OF_URL = re.compile(r"(?<=://)(?P<host>[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+)")

HIDDEN = "***"


class Masker:
    """Replaces what must not be told by masks such as `ip4-1`, the same value by the same one.

    Args:
        secrets: texts that are hidden wherever they stand, such as the values of secret settings.
        names: names of hosts, users and networks that are known; each is masked wherever it is a word.
    """

    def __init__(self, secrets: Iterable[str] = (), names: Iterable[tuple[str, str]] = ()) -> None:
        # The longest first: one may be part of another.
        self._secrets = sorted({text for text in secrets if text}, key=len, reverse=True)
        self._masks: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._names = sorted({(name, kind) for kind, name in names if len(name) > 1}, key=lambda pair: -len(pair[0]))

    def mask(self, text: str) -> str:
        """Return the text with masks."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _CREDENTIALS.sub(lambda match: f"{match['scheme']}{HIDDEN}@", text)
        text = _ASSIGNED.sub(lambda match: f"{match['name']}{HIDDEN}", text)
        text = _BEARER.sub(lambda match: f"{match[1]} {HIDDEN}", text)
        text = _SSID.sub(lambda match: match["name"] + self._mask("ssid", match["value"].strip("\"'")), text)
        text = _MAC.sub(lambda match: self._mask("mac", match[0].lower().replace("-", ":")), text)
        text = _IPV6.sub(lambda match: self._mask_address(match[0], 6), text)
        text = _IPV4.sub(lambda match: self._mask_address(match[0], 4), text)
        for name, kind in self._names:
            pattern = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)
            text = pattern.sub(partial(self._mask_name, kind, name.lower()), text)
        text = _HOST_OF_URL.sub(lambda match: self._mask("host", match["host"].lower()), text)
        return _HOME.sub(lambda match: self._mask("user", match[0]), text)

    def _mask(self, kind: str, value: str) -> str:
        if value.startswith(f"{kind}-") and value in self._masks.values():
            return value
        if (kind, value) not in self._masks:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._masks[kind, value] = f"{kind}-{self._counts[kind]}"
        return self._masks[kind, value]

    def _mask_name(self, kind: str, name: str, _match: re.Match[str]) -> str:
        return self._mask(kind, name)

    def _mask_address(self, text: str, version: int) -> str:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text  # a version number, a time
        return (
            text if str(address) in _PUBLIC or address.version != version else self._mask(f"ip{version}", str(address))
        )
