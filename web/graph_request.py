"""Asks a process of its own for a graph: matplotlib and NumPy would double the memory of the daemon for good.

Light: this is the daemon's side, and it imports nothing that draws. The other side is `web.graph_worker`.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  annotations are read at run time
from typing import Literal

import msgspec

from monitor.analysis.metrics import PLAN_MET_PCT
from monitor.errors import SpeedmonError, StoreError
from monitor.graph.render import DEFAULT_KIND, prepare_matplotlib
from monitor.model import Plan  # noqa: TC001  annotations are read at run time
from monitor.scheduler.subprocesses import describe_exit, last_line

# Enough for a year of runs on a small board.
DEADLINE_S = 120

# EX_TEMPFAIL of sysexits.h: the exit code of the process where the store cannot be read.
EXIT_NO_STORE = 75

# The garbage collector would cost a tenth of a second during the imports, and the process ends soon.
_PROGRAM = "import gc; gc.disable(); from web.graph_worker import main; main()"


@dataclass(frozen=True, slots=True)
class GraphRequest:
    """What to draw, and as what.

    `pks` are primary keys of probes, none for all; `zone` is an IANA name, `size` in pixels.
    """

    database: str
    since: datetime
    until: datetime
    pks: tuple[int, ...]
    zone: str
    plan: Plan
    title: str
    size: tuple[int, int]
    scale: float
    met_pct: float = PLAN_MET_PCT
    kind: str = DEFAULT_KIND
    format: Literal["png", "svg"] = "png"


def draw_graph(request: GraphRequest) -> bytes:
    """Draw in a child process and return the file.

    Raises:
        StoreError: the store cannot be read.
        SpeedmonError: the process failed or took too long.
    """
    # Called here so that a temporary font folder lives as long as the daemon, not only as long as the child.
    prepare_matplotlib(os.environ, os.geteuid())
    command = [sys.executable, "-P", "-c", _PROGRAM]
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
