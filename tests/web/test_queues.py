"""Bounded queues: what is slow does not block what is quick, and what does not fit gets 503 with `Retry-After`."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import httpx
import pytest
from serve_process import DEADLINE_S
from web_client import ADDRESS, TABLE, SiteSetup, assert_error

from web import graphs
from web.errors import BusyError
from web.queues import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n"


class SlowPainter:
    """Draws nothing until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.drawn = 0

    def draw(self, _request: object) -> bytes:
        """Return a graph."""
        assert self.released.wait(DEADLINE_S)
        self.drawn += 1
        return PNG


@pytest.fixture
def painter(monkeypatch: pytest.MonkeyPatch) -> SlowPainter:
    """Return what draws the graphs of the site."""
    painter = SlowPainter()
    monkeypatch.setattr("web.graphs.draw_graph", painter.draw)
    return painter


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site over a store with three runs."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db").fill(*TABLE)


def visit_at_once(place: SiteSetup, painter: SlowPainter, paths: list[str]) -> list[httpx.Response]:
    """Ask for graphs, ask for the page and the API meanwhile, and let the graphs be drawn."""

    async def visit() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=place.client().transport, base_url=ADDRESS) as client:
            pictures = [asyncio.ensure_future(client.get(path)) for path in paths]
            for path in ("/", "/api/v1/runs", "/healthz", "/static/speedmon.css"):
                assert (await client.get(path)).status_code == 200
            assert painter.drawn == 0
            # Those that do not fit have their answer before any graph is drawn.
            while (
                len({*paths}) > 1 and len(waiting := [one for one in pictures if not one.done()]) > graphs.MAX_PENDING
            ):
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            painter.released.set()
            return await asyncio.gather(*pictures)

    return within_deadline(visit())


def within_deadline(awaitable: Awaitable[list[httpx.Response]]) -> list[httpx.Response]:
    """Return the result of a coroutine that ends in time."""
    return asyncio.run(asyncio.wait_for(awaitable, DEADLINE_S))


def test_sixty_pictures_do_not_block_the_page(place: SiteSetup, painter: SlowPainter):
    """While none is drawn, page, API and health answer; a few are drawn, the others are told to come later."""
    answers = visit_at_once(place, painter, [f"/graph.png?days={days}" for days in range(1, 61)])
    drawn = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(drawn) == painter.drawn == graphs.MAX_PENDING
    assert {answer.headers["retry-after"] for answer in refused} == {"2"}
    assert_error(refused[0], 503, "busy", "try again in 2 s")


def test_one_picture_is_drawn_once_for_all(place: SiteSetup, painter: SlowPainter):
    """Fifty visitors who look at the same page are one drawing."""
    answers = visit_at_once(place, painter, ["/graph.png"] * 50)
    assert [answer.content for answer in answers] == [PNG] * 50
    assert painter.drawn == 1


def test_a_queue_is_bounded():
    """So many are admitted, so many wait, and the next one is refused; a place that is given back is taken."""

    async def use() -> list[str]:
        queue, release, events = WorkQueue(active=2, waiting=1), asyncio.Event(), list[str]()

        async def work(name: str) -> None:
            try:
                async with queue.place():
                    events.append(f"{name} works")
                    await release.wait()
            except BusyError as error:
                events.append(f"{name}: {error}")

        async with asyncio.TaskGroup() as group:
            for name in "abcd":
                group.create_task(work(name))
            await asyncio.sleep(0)
            release.set()
        await work("e")
        return events

    assert asyncio.run(use()) == [
        "a works",
        "b works",
        "d: too many requests are waiting; try again in 2 s",
        "c works",
        "e works",
    ]
