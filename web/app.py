"""The ASGI application: routers, static files and error handlers behind the guard. There is no global instance."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from monitor import __version__
from web import api, pages, pictures, problems
from web.guard import Guard, listens_beyond
from web.render import STATIC

if TYPE_CHECKING:
    from monitor.settings import Web
    from web.site import Site


def make_app(site: Site) -> Guard:
    """Return the ASGI application of a site."""
    # No /docs: that page would load scripts from other hosts. /openapi.json has the same content.
    app = FastAPI(title="speedmon", version=__version__, docs_url=None, redoc_url=None)
    app.include_router(pages.router(site))
    app.include_router(pictures.router(site))
    app.include_router(api.router(site))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    problems.install(app)
    beyond = listens_beyond(site.settings.web.host)
    # Outermost, so that responses to unexpected errors carry the headers too.
    return Guard(app, names(site.settings.web, beyond=beyond), addresses=beyond)


def names(web: Web, *, beyond: bool) -> set[str]:
    """Return the host names to serve: the configured ones and, if other machines can connect, this machine's own."""
    own = socket.gethostname().lower()
    return {web.host, *web.allowed_hosts} | ({own, f"{own}.local"} if beyond else set())
