"""Who a visitor is, and what that allows: reading, and acting (starting tests, pausing, excluding runs).

A program shows a token in the header `Authorization`. A browser has a session, which begins at `/login` with a token,
or is let in by the reverse proxy that logs its visitors in. On this machine alone, reading needs neither. What acts
with a session, through a proxy or as a visitor on this machine also needs the token of one of the page's own forms
(`csrf`), which no other web site can know: a browser sends cookies by itself.

Sessions are signed with a key that lives as long as the process, and end with the token that began them.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.errors import ConfigError
from web.tokens import Role, Token, find_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.datastructures import Headers


SESSION_COOKIE = "speedmon_session"

FORM_COOKIE = "speedmon_form"

FORM_HEADER = "x-csrf-token"

FORM_FIELD = "csrf"

SESSION_S = 30 * 86_400

BEARER = "bearer "

# Wrong tokens of one address, or of all, within so many seconds; then even a right one has to wait.
GUESSES, ALL_GUESSES, GUESS_S = 8, 100, 300.0

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def no_tokens() -> tuple[Token, ...]:
    """Return no token."""
    return ()


@dataclass(frozen=True, slots=True)
class AccessRules:
    """How a site is protected.

    `reads_freely`: anybody may read. `acts_freely`: anybody may act through the page's own forms. `proxies` are the
    networks of the reverse proxies that log visitors in, and name them in the header `user_header`.
    """

    reads_freely: bool = True
    acts_freely: bool = False
    tokens: Callable[[], tuple[Token, ...]] = no_tokens
    proxies: tuple[Network, ...] = ()
    user_header: str = "Remote-User"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sent a request: what it may do, and whether it may act by a form of the page only; `name` is for people."""

    name: str = ""
    role: Role | None = None
    by_form: bool = True
    is_wrong: bool = False

    @property
    def may_act(self) -> bool:
        """Whether it may start tests, pause, and exclude runs."""
        return self.role is Role.ADMIN


def parse_networks(setting: str, texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of a setting.

    Raises:
        ConfigError: a text is no address and no network.
    """
    try:
        return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts if text.strip())
    except ValueError as error:
        raise ConfigError(f"{setting}: {error}: write an address such as 192.0.2.7, or a network") from error


def is_inside(address: str, networks: Iterable[Network]) -> bool:
    """Return whether an address is in one of the networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


class Gate:
    """Tells visitors by their headers, and signs sessions and forms.

    Args:
        rules: how the site is protected.
        clock: returns seconds of a clock that is not set, for sessions and for guesses.
    """

    def __init__(self, rules: AccessRules, clock: Callable[[], float]) -> None:
        self.rules = rules
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self.guesses = GuessLimit(clock)

    def identify(self, headers: Headers, cookies: dict[str, str], peer: str) -> Visitor:
        """Return who sent a request.

        Raises:
            StateFileError: the tokens cannot be read.
        """
        sent = headers.get("authorization", "")
        if sent[: len(BEARER)].lower() == BEARER:
            token = find_token(self.rules.tokens(), sent[len(BEARER) :].strip())
            return Visitor(token.name, token.role, by_form=False) if token else Visitor(is_wrong=True)
        token = self._session_token(cookies.get(SESSION_COOKIE, ""))
        if token:
            return Visitor(token.name, token.role)
        user = headers.get(self.rules.user_header, "").strip()
        if user and is_inside(peer, self.rules.proxies):
            return Visitor(user, Role.ADMIN)
        role = Role.ADMIN if self.rules.acts_freely else Role.READ if self.rules.reads_freely else None
        return Visitor(role=role)

    def log_in(self, secret: str) -> str | None:
        """Return the cookie of a new session for a token; None if it is wrong.

        Raises:
            StateFileError: the tokens cannot be read.
        """
        token = find_token(self.rules.tokens(), secret.strip())
        if token is None:
            return None
        content = f"{int(self._clock()) + SESSION_S}.{token.digest}"
        return f"{content}.{self._sign('session', content)}"

    def _session_token(self, cookie: str) -> Token | None:
        content, _, signature = cookie.rpartition(".")
        if not content or not hmac.compare_digest(self._sign("session", content).encode(), signature.encode()):
            return None
        ends_at, _, digest = content.partition(".")
        if int(ends_at) < self._clock():
            return None
        return next((token for token in self.rules.tokens() if token.digest == digest), None)

    def form_token(self, cookie: str) -> str:
        """Return what a form of the page holds for a browser with this cookie."""
        return self._sign("form", cookie)

    def is_own_form(self, cookie: str, token: str) -> bool:
        """Return whether a form came from the page, in the browser with this cookie."""
        return bool(cookie) and hmac.compare_digest(self.form_token(cookie).encode(), token.encode())

    def _sign(self, purpose: str, content: str) -> str:
        message = f"{purpose} {content}".encode(errors="surrogateescape")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


class GuessLimit:
    """Counts wrong tokens, by address and together; used from one event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong: dict[str, list[float]] = {}

    def note(self, address: str) -> None:
        """Count a wrong token."""
        self._wrong.setdefault(address, []).append(self._clock())

    def wait_s(self, address: str) -> int:
        """Return after how many seconds an address may try again; 0: now."""
        now = self._clock()
        recent = {of: [at for at in times if now - at < GUESS_S] for of, times in self._wrong.items()}
        self._wrong = {of: times for of, times in recent.items() if times}
        own, everybody = self._wrong.get(address, []), sorted(at for times in self._wrong.values() for at in times)
        waits = [
            times[-most] + GUESS_S - now
            for times, most in ((own, GUESSES), (everybody, ALL_GUESSES))
            if len(times) >= most
        ]
        return max(0, *(int(wait) + 1 for wait in waits)) if waits else 0
