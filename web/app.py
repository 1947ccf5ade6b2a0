"""The application: routers, static files and error handlers put together, behind the guard. No global one exists."""

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
    # No /docs: that page would load scripts from elsewhere. /openapi.json tells the same.
    app = FastAPI(title="speedmon", version=__version__, docs_url=None, redoc_url=None)
    app.include_router(pages.router(site))
    app.include_router(pictures.router(site))
    app.include_router(api.router(site))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    problems.install(app)
    beyond = listens_beyond(site.settings.web.host)
    # Outside of everything else, so that the answer to an unexpected error carries the headers too.
    return Guard(app, names(site.settings.web, beyond=beyond), addresses=beyond)


def names(web: Web, *, beyond: bool) -> set[str]:
    """Return the host names to answer: those configured and, where others can reach us, the machine's own."""
    own = socket.gethostname().lower()
    return {web.host, *web.allowed_hosts} | ({own, f"{own}.local"} if beyond else set())
