"""Draws one graph in a process of its own: matplotlib would double the memory of the daemon for good.

The daemon calls `draw`. Run as a program, this module reads an `Order` as JSON from standard input and writes the PNG
to standard output.
"""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  annotations are read at run time
from zoneinfo import ZoneInfo

import msgspec

from monitor.errors import SpeedmonError, StoreError
from monitor.graph import render
from monitor.graph.render import GraphContext
from monitor.graph.theme import RenderOptions
from monitor.localtime import Window
from monitor.model import Plan  # noqa: TC001  annotations are read at run time
from monitor.scheduler.subprocesses import describe_exit, last_line

# Enough for a year of runs on a small board.
DEADLINE_S = 120

# A running test takes precedence.
NICENESS = 10

# EX_TEMPFAIL of sysexits.h: the exit code of the process where the store cannot be read.
EXIT_NO_STORE = 75


@dataclass(frozen=True, slots=True)
class GraphRequest:
    """What to draw. `rows` are ids of probes in the store, none for all; `zone` is an IANA name, `size` in pixels."""

    database: str
    since: datetime
    until: datetime
    rows: tuple[int, ...]
    zone: str
    plan: Plan
    title: str
    size: tuple[int, int]
    scale: float


def draw_graph(request: GraphRequest) -> bytes:
    """Draw in a child process and return the PNG.

    Raises:
        StoreError: the store cannot be read.
        SpeedmonError: the process failed or took too long.
    """
    # Called here so that a temporary font folder lives as long as the daemon, not only as long as the child.
    render.prepare_matplotlib(os.environ, os.geteuid())
    command = [sys.executable, "-P", "-m", "web.graph_worker"]
    try:
        result = subprocess.run(
            command, input=msgspec.json.encode(request), capture_output=True, timeout=DEADLINE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SpeedmonError(f"the graph was not drawn within {DEADLINE_S} s") from error
    except OSError as error:
        raise SpeedmonError(f"no graph can be drawn: {error.strerror}: {command[0]}") from error
    if result.returncode:
        message = last_line(io.BytesIO(result.stderr)) or "no error message"
        if result.returncode == EXIT_NO_STORE:
            raise StoreError(message)
        raise SpeedmonError(f"the process that draws {describe_exit(result.returncode)}: {message}")
    return result.stdout


def _render_png(request: GraphRequest) -> bytes:
    from monitor.store.columnar import read_columns  # noqa: PLC0415  only where it is drawn
    from monitor.store.connection import open_reader  # noqa: PLC0415  the same
    from monitor.store.read import RunFilter  # noqa: PLC0415  the same

    window = Window(request.since, request.until)
    with open_reader(request.database) as connection:
        chosen = RunFilter(request.since, request.until, probes=request.rows)
        runs = read_columns(connection, chosen, render.required_metrics([render.DEFAULT_KIND]))
    context = GraphContext(ZoneInfo(request.zone), request.plan, request.title)
    return render.render(render.DEFAULT_KIND, runs, window, context, RenderOptions(request.size, request.scale))


def _main() -> None:
    os.nice(NICENESS)
    gc.disable()  # it would cost a tenth of a second of imports, and the process ends soon
    render.prepare_matplotlib(os.environ, os.geteuid())
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=GraphRequest)
    try:
        sys.stdout.buffer.write(_render_png(request))
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_NO_STORE)
    except SpeedmonError as error:
        sys.exit(f"speedmon: {error}")


if __name__ == "__main__":
    _main()
