"""Takes a picture of the first page of a report in a browser. Needs chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.analysis.columns import Columns
from monitor.analysis.outages import find_incidents
from monitor.graph.render import render
from monitor.graph.theme import RenderOptions
from monitor.report import write
from monitor.report.document import DataFile
from monitor.report.evidence import ReportSubject, gather_evidence
from monitor.report.rules import load_profile
from monitor.report.sections.assemble import GRAPH_KINDS, assemble_document

if TYPE_CHECKING:
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window
    from monitor.model import Run
    from monitor.report.document import Document


SIZE = "1000,1414"


def page(runs: list[Run], window: Window, terms: GraphContext) -> bytes:
    """Return a PNG of the first page of a report on these runs."""
    with tempfile.TemporaryDirectory() as folder:
        file, picture = Path(folder, "report.html"), Path(folder, "report.png")
        with file.open("wb") as opened:
            write.write_html(_report(runs, window, terms), opened)
        look = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={SIZE}"]
        place = [f"--user-data-dir={folder}/profile", f"--screenshot={picture}", file.as_uri()]
        environ = {"PATH": os.environ["PATH"], "HOME": folder}
        browser = shutil.which("chromium") or "chromium"
        subprocess.run([browser, *look, *place], env=environ, check=True, capture_output=True, timeout=120)
        return picture.read_bytes()


def _report(runs: list[Run], window: Window, terms: GraphContext) -> Document:
    columns = Columns.from_runs(runs)
    subject = ReportSubject(
        columns=columns,
        window=window,
        zone=terms.zone,
        made_at=window.until,
        version="0.1.0",
        plan=terms.plan,
        plan_periods=((window.since, terms.plan),),
        incidents=tuple(find_incidents(runs)),
        rules=load_profile(None),
        engines=("ookla 1.2.0.84",),
        addresses=("203.0.113.10",),
    )
    pictures = {kind: render(kind, columns, window, terms, RenderOptions(scale=2)) for kind in GRAPH_KINDS}
    return assemble_document(
        gather_evidence(subject), pictures, runs, DataFile("speedmon-report-30d.csv", "0" * 64, len(runs))
    )
