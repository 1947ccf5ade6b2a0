"""Takes a picture of the first page of a report in a browser. Needs chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.columns import Columns
from monitor.graph.kinds import render
from monitor.graph.theme import RenderOptions
from monitor.incidents import incidents
from monitor.report import html
from monitor.report.document import KINDS, Data, document
from monitor.report.evidence import Subject, gather
from monitor.report.profile import load

if TYPE_CHECKING:
    from monitor.graph.data import Window
    from monitor.graph.terms import Terms
    from monitor.model import Run
    from monitor.report.blocks import Document

SIZE = "1000,1414"


def page(runs: list[Run], window: Window, terms: Terms) -> bytes:
    """Return a PNG of the first page of a report on these runs."""
    with tempfile.TemporaryDirectory() as folder:
        file, picture = Path(folder, "report.html"), Path(folder, "report.png")
        with file.open("wb") as opened:
            html.write(_report(runs, window, terms), opened)
        look = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={SIZE}"]
        place = [f"--user-data-dir={folder}/profile", f"--screenshot={picture}", file.as_uri()]
        environ = {"PATH": os.environ["PATH"], "HOME": folder}
        browser = shutil.which("chromium") or "chromium"
        subprocess.run([browser, *look, *place], env=environ, check=True, capture_output=True, timeout=120)
        return picture.read_bytes()


def _report(runs: list[Run], window: Window, terms: Terms) -> Document:
    columns = Columns.from_runs(runs)
    subject = Subject(
        columns=columns,
        window=window,
        zone=terms.zone,
        made_at=window.until,
        version="0.1.0",
        plan=terms.plan,
        plan_periods=((window.since, terms.plan),),
        incidents=tuple(incidents(runs)),
        rules=load(None),
        engines=("ookla 1.2.0.84",),
        addresses=("203.0.113.10",),
    )
    pictures = {kind: render(kind, columns, window, terms, RenderOptions(scale=2)) for kind in KINDS}
    return document(gather(subject), pictures, runs, Data("speedmon-report-30d.csv", "0" * 64, len(runs)))
