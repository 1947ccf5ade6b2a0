"""The middleware that lets visitors in: who may read, who may act, and by which form; see `web.access`.

It reads the body of whatever acts, up to a limit, since the token of a form is in it. Everything that is not a GET or a
HEAD acts: a new endpoint is protected without a line of its own.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse

from monitor.errors import StateFileError
from web.access import FORM_COOKIE, FORM_FIELD, FORM_HEADER, Visitor, is_inside
from web.context import link
from web.errors import error_response, handle_state_file

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from web.access import Gate


# Bodies are forms and small objects.
MAX_BODY_BYTES = 16_384

MAX_FIELDS = 50

# HTTP status; Python's name for it changes between releases.
TOO_LARGE = 413

READING = frozenset({"GET", "HEAD"})

LOGIN, LOGOUT = "/login", "/logout"

# What anybody may ask for, and send with the token of a form.
OPEN_PATHS = frozenset({LOGIN, LOGOUT, "/healthz"})

STATIC = "/static/"

FORM_TYPE = "application/x-www-form-urlencoded"


class Entrance:
    """Lets a request pass, or answers what is missing; the visitor and the form that was sent are in the scope."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(STATIC):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        cookies = read_cookies(request.headers)
        is_new = FORM_COOKIE not in cookies
        form_cookie = cookies.setdefault(FORM_COOKIE, secrets.token_urlsafe(16))
        try:
            visitor = self._gate.identify(request.headers, cookies, peer_address(scope))
        except StateFileError as error:
            await handle_state_file(request, error)(scope, receive, send)
            return
        scope["visitor"], scope["form_token"] = visitor, self._gate.form_token(form_cookie)
        if refusal := self._refuse(request, visitor):
            await refusal(scope, receive, send)
            return
        if request.method not in READING:
            body = await _read_body(request)
            if refusal := self._refuse_body(request, visitor, "" if is_new else form_cookie, body):
                await refusal(scope, receive, send)
                return
            scope["form"] = read_form(request, body or b"")
            receive = _replay(body or b"", receive)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.setdefault("Cache-Control", "private, no-cache")
                    if is_new:
                        headers.append("Set-Cookie", form_cookie_header(request, form_cookie))
            await send(message)

        await self._app(scope, receive, send_with_cookie)

    def _refuse(self, request: Request, visitor: Visitor) -> Response | None:
        """Return the answer to a visitor that may not ask this at all."""
        address = client_address(request.scope, self._gate)
        is_guess = visitor.is_wrong or (request.url.path == LOGIN and request.method not in READING)
        if (is_guess or not visitor.by_form) and (wait := self._gate.guesses.wait_s(address)):
            headers = {"Retry-After": str(wait)}
            message = f"too many wrong tokens: try again in {wait} s"
            return error_response(request, HTTPStatus.TOO_MANY_REQUESTS, message, headers)
        if visitor.is_wrong:
            self._gate.guesses.note(address)
            return _ask_for_token(request, "there is no such token")
        if request.scope["path"] in OPEN_PATHS:
            return None
        if visitor.role is None:
            return _ask_for_token(request, "log in, or send a token: Authorization: Bearer …")
        if request.method in READING or visitor.may_act:
            return None
        if visitor.name:
            message = f"{visitor.name} may only read: acting needs a token of the role admin"
            return error_response(request, HTTPStatus.FORBIDDEN, message, code="read_only")
        return _ask_for_token(request, "acting needs a token of the role admin: Authorization: Bearer …")

    def _refuse_body(self, request: Request, visitor: Visitor, cookie: str, body: bytes | None) -> Response | None:
        """Return the answer to a body that is too large, or that is no form of the page where one is needed."""
        if body is None:
            message = f"the body is larger than {MAX_BODY_BYTES:,} bytes"
            return error_response(request, TOO_LARGE, message)
        is_own = is_own_origin(request.headers) and self._gate.is_own_form(cookie, _sent(request, body))
        if is_own or not visitor.by_form:
            return None
        message = "this form is not from the page, or too old: load the page again; a program needs a token"
        return error_response(request, HTTPStatus.FORBIDDEN, message, code="foreign_form")


def client_address(scope: Scope, gate: Gate) -> str:
    """Return the address of a visitor: behind a trusted proxy, the one that it names last."""
    peer = peer_address(scope)
    if not is_inside(peer, gate.rules.proxies):
        return peer
    return Headers(scope=scope).get("x-forwarded-for", peer).rpartition(",")[2].strip()


def peer_address(scope: Scope) -> str:
    """Return the address at the other end of the connection."""
    address: str = (scope.get("client") or ("", 0))[0]
    return address


def is_own_origin(headers: Headers) -> bool:
    """Return whether the page that sent a form has the host name that it was sent to; true where none is named."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def read_cookies(headers: Headers) -> dict[str, str]:
    """Return the cookies of a request."""
    try:
        parsed = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in parsed.items()}


def form_cookie_header(request: Request, value: str) -> str:
    """Return the header that gives a browser the cookie of its forms."""
    secure = "; Secure" if request.url.scheme == "https" else ""
    return f"{FORM_COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _ask_for_token(request: Request, message: str) -> Response:
    is_page = request.method in READING and "text/html" in request.headers.get("accept", "")
    if is_page and not message.startswith("there is no"):
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(link(f"{LOGIN}?to={quote(path)}"), HTTPStatus.SEE_OTHER)
    return error_response(request, HTTPStatus.UNAUTHORIZED, message, {"WWW-Authenticate": "Bearer"})


async def _read_body(request: Request) -> bytes | None:
    """Return the body of a request; None if it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _sent(request: Request, body: bytes) -> str:
    """Return the token of a form that a request has, in a header or in its body."""
    if sent := request.headers.get(FORM_HEADER):
        return sent
    return read_form(request, body).get(FORM_FIELD, "")


def read_form(request: Request, body: bytes) -> dict[str, str]:
    """Return the fields of a form; none if the body is something else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        return {}
    try:
        values = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}
    return {name: texts[0] for name, texts in values.items()}


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what the application receives: the body that was read, then what follows it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed
