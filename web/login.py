"""`/login` and `/logout`: a session for a browser, which begins with a token."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request  # noqa: TC002  annotations are read at run time
from starlette.responses import HTMLResponse, RedirectResponse, Response

from web.access import SESSION_COOKIE, SESSION_S
from web.context import link, render_template
from web.entrance import LOGIN, LOGOUT, client_address

if TYPE_CHECKING:
    from web.access import Gate


def router(gate: Gate) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route(LOGIN, methods=["GET", "HEAD"])
    def form(request: Request, to: Annotated[str, Query()] = "/") -> HTMLResponse:
        return HTMLResponse(_render(request, to))

    # Not in a thread: guesses are counted from one event loop.
    @routes.post(LOGIN)
    async def log_in(request: Request) -> Response:
        form: dict[str, str] = request.scope["form"]
        to = form.get("to", "/")
        session = gate.log_in(form.get("token", ""))
        if session is None:
            gate.guesses.note(client_address(request.scope, gate))
            page = _render(request, to, "There is no such token: speedmon token add NAME makes one.")
            return HTMLResponse(page, HTTPStatus.UNAUTHORIZED)
        response = RedirectResponse(link(own_path(to)), HTTPStatus.SEE_OTHER)
        is_secure = request.url.scheme == "https"
        response.set_cookie(SESSION_COOKIE, session, SESSION_S, httponly=True, samesite="strict", secure=is_secure)
        return response

    @routes.post(LOGOUT)
    def log_out() -> Response:
        response = RedirectResponse(link("/"), HTTPStatus.SEE_OTHER)
        response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
        return response

    return routes


def own_path(to: str) -> str:
    """Return where to go after a login: a path of ours, whatever was asked for."""
    is_own = to.startswith("/") and not to.startswith("//") and "\\" not in to and to.isprintable()
    return to if is_own else "/"


def _render(request: Request, to: str, problem: str = "") -> str:
    return render_template("login.html", form_token=request.scope["form_token"], to=own_path(to), problem=problem)
