"""The process that draws one graph: a `GraphRequest` as JSON on standard input, the file on standard output.

`web.graph_request` starts it; the daemon itself must not import this module.
"""

from __future__ import annotations

import os
import sys
from zoneinfo import ZoneInfo

import msgspec

from monitor.errors import SpeedmonError, StoreError
from monitor.graph import render
from monitor.graph.theme import RenderOptions
from monitor.localtime import Window
from monitor.store.columnar import read_columns
from monitor.store.connection import open_reader
from monitor.store.read import RunFilter
from web.graph_request import EXIT_NO_STORE, GraphRequest

# A running test takes precedence.
NICENESS = 10


def main() -> None:
    """Draw what standard input asks for."""
    os.nice(NICENESS)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=GraphRequest)
    try:
        sys.stdout.buffer.write(_render(request))
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_NO_STORE)
    except SpeedmonError as error:
        sys.exit(f"speedmon: {error}")


def _render(request: GraphRequest) -> bytes:
    window = Window(request.since, request.until)
    with open_reader(request.database) as connection:
        run_filter = RunFilter(request.since, request.until, probes=request.pks)
        runs = read_columns(connection, run_filter, render.required_metrics([request.kind]))
    context = render.GraphContext(ZoneInfo(request.zone), request.plan, request.title, request.met_pct)
    if request.format == "svg":
        return render.render_svg(request.kind, runs, window, context, request.size, request.kind).encode()
    render.prepare_matplotlib(os.environ, os.geteuid())
    return render.render(request.kind, runs, window, context, RenderOptions(request.size, request.scale))
