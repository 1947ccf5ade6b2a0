"""The ASGI application: routers, static files and error handlers, behind a check of host name and origin.

There is no global instance. The guard in front of every endpoint serves known host names only, and adds strict security
headers. The check prevents DNS rebinding: a foreign page that points its own name at this address. An IP address cannot
be rebound, so if the daemon listens on the network, any address is accepted as a name.

Browsers say which requests other sites make (https://www.w3.org/TR/fetch-metadata/). Those are refused, pictures too:
any site that somebody visits could make this machine work. Only a link to a page may be followed from elsewhere.
"""

from __future__ import annotations

import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from monitor import __version__
from web import (
    api,
    control,
    dashboards,
    errors,
    fleet,
    graphs,
    lists,
    login,
    metrics,
    pages,
    reference,
    reports,
    run_list,
)
from web.access import Gate
from web.context import STATIC_DIR, root_path
from web.entrance import Entrance
from web.errors import error_response
from web.protection import is_address, listens_on_network
from web.queues import QueueMiddleware

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from monitor.config.settings import WebSettings
    from web.context import Site


SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with it, browsers name no origin for the forms of the page.
    "Referrer-Policy": "same-origin",
}

# Answers of this length are compressed, with this level: a third of the time of the highest, and hardly larger.
COMPRESSED_BYTES = 1000
COMPRESSION = 5

# What `Sec-Fetch-Site` says where this site, or the person at the browser, made the request.
OWN_SITES = ("same-origin", "none")

# Pages that others may link to.
LINKED_PATHS = frozenset({"/", "/api", "/fleet", "/runs", "/outages", "/servers", "/report", "/test", "/login"})

LINKED_BELOW = "/runs/"

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def make_app(site: Site) -> Guard:
    """Return the ASGI application of a site."""
    # No /docs: that page would load scripts from other hosts. `web.reference` shows the same.
    root = site.settings.web.root_path
    servers = [{"url": root}] if root else None
    app = FastAPI(title="speedmon", version=__version__, docs_url=None, redoc_url=None, servers=servers)
    gate = Gate(site.access, time.monotonic)
    app.include_router(pages.router(site))
    app.include_router(graphs.router(site))
    app.include_router(fleet.router(site))
    app.include_router(api.router(site))
    app.include_router(run_list.router(site))
    app.include_router(dashboards.router(site))
    app.include_router(metrics.router(site))
    app.include_router(lists.router(site))
    app.include_router(control.router(site))
    app.include_router(reports.router(site))
    app.include_router(login.router(gate))
    app.include_router(reference.router(app))
    app.mount("/static", StaticFiles(directory=STATIC_DIR), name="static")
    errors.install_handlers(app)
    in_turn = Entrance(QueueMiddleware(GZipMiddleware(app, COMPRESSED_BYTES, COMPRESSION)), gate)
    on_network = listens_on_network(site.settings.web.host)
    # Outermost, so that responses to unexpected errors carry the headers too.
    names = allowed_names(site.settings.web, on_network=on_network)
    return Guard(in_turn, names, any_address=on_network, root=root)


def allowed_names(web: WebSettings, *, on_network: bool) -> set[str]:
    """Return the host names to serve: the configured ones and, if other machines can connect, this machine's own."""
    own = socket.gethostname().lower()
    return {web.host, *web.allowed_hosts} | ({own, f"{own}.local"} if on_network else set())


class Guard:
    """Middleware that refuses unknown host names and sets the security headers.

    Args:
        app: the application behind it.
        names: host names to serve besides localhost; without port.
        any_address: whether any IP address is accepted as a name.
        root: the path below which a proxy serves the site, whether it passes that on or not.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], *, any_address: bool, root: str = "") -> None:
        self._app = app
        self._names = LOCAL_NAMES | {name.lower() for name in names}
        self._any_address = any_address
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        scope = without_root(scope, self._root)
        root_path.set(self._root)
        headers = Headers(scope=scope)
        if not self._is_known(host_name(headers.get("host", ""))):
            await _refuse_host(scope, receive, send_guarded)
        elif is_cross_site(scope["method"], scope["path"], headers):
            await _refuse_site(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def _is_known(self, name: str) -> bool:
        return name in self._names or (self._any_address and is_address(name))


async def _refuse_host(scope: Scope, receive: Receive, send: Send) -> None:
    message = "this host name is not served here: add it to web.allowed_hosts"
    await error_response(Request(scope), HTTPStatus.MISDIRECTED_REQUEST, message)(scope, receive, send)


async def _refuse_site(scope: Scope, receive: Receive, send: Send) -> None:
    message = "requests from other web sites are not answered here"
    await error_response(Request(scope), HTTPStatus.FORBIDDEN, message)(scope, receive, send)


def without_root(scope: Scope, root: str) -> Scope:
    """Return a request with its path below a root; one that lacks the root is left as it is."""
    path = scope["path"]
    if not root or not (path == root or path.startswith(f"{root}/")):
        return scope
    inner = path.removeprefix(root) or "/"
    return {**scope, "path": inner, "raw_path": quote(inner).encode()}


def is_cross_site(method: str, path: str, headers: Headers) -> bool:
    """Return whether another site made a browser send this request, other than by a link to a page."""
    if headers.get("sec-fetch-site", "none").strip().lower() in OWN_SITES:
        return False
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    is_page = path in LINKED_PATHS or path.startswith(LINKED_BELOW)
    return not (is_link and method in {"GET", "HEAD"} and is_page)


def host_name(header: str) -> str:
    """Return the name or address of a Host header, lower case, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].rstrip(".").lower()
