"""A report to write in tests: every kind of block, with names from the network that mean no good."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from monitor.report.document import Cell, Column, Document, Facts, Heading, Picture, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = "<script>alert(1)</script>\"'><img src=https://evil.example/x onerror=alert(2)>"

COLUMNS = (Column("Start"), Column("Download", "right"), Column("Server"), Column("Result"))


def make_png(width: int = 60, height: int = 40) -> bytes:
    """Return a picture."""
    made = BytesIO()
    Image.new("RGB", (width, height), "#0072b2").save(made, "PNG")
    return made.getvalue()


def make_rows(count: int) -> Iterator[tuple[Cell, ...]]:
    """Yield rows of a table of runs, made as they are written."""
    for number in range(count):
        link = f"https://www.speedtest.net/result/c/{number}"
        yield Cell(f"run {number:04}"), Cell(f"{number}.5", shade=number % 5 / 4), Cell(HOSTILE), Cell("result", link)


def make_document(count: int = 3) -> Document:
    """Return a report with a table of so many rows."""
    blocks = (
        Text("What matters most.", "lead"),
        Text("Below what was sold.", "bad"),
        Heading("Who measured"),
        Facts((("Probe", HOSTILE), ("ISP", "Kabel Süd & Töchter"))),
        Text("The latency is fine.", "good"),
        Heading("What was measured"),
        Heading("As a picture", 2),
        Picture(make_png(), 'A "graph" of <b>', 0.5),
        Heading("As a table", 2),
        Table("All tests", COLUMNS, make_rows(count)),
        Table("A way out that is none", (Column("Where to"),), [(Cell("here", "javascript:alert(3)"),)]),
        Heading("Method"),
        Text("How it was done.", "note"),
    )
    return Document("Evidence: home", "Example <Fibre> · November 2026", blocks)
