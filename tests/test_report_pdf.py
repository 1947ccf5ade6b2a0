"""A report as a PDF: what is read on its pages, where its links lead, and the same bytes each time."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from papers import COLUMNS, HOSTILE, paper, png
from pypdf import PdfReader

from monitor.report import pdf
from monitor.report.blocks import Cell, Document, Facts, Heading, Picture, Table, Text

MADE_AT = datetime(2026, 11, 23, 16, 40, tzinfo=UTC)


def written(document: Document) -> bytes:
    """Return the file."""
    file = BytesIO()
    pdf.write(document, MADE_AT, file)
    return file.getvalue()


def pages(*blocks: Any) -> list[str]:
    """Return the text of each page of a report of these blocks."""
    reader = PdfReader(BytesIO(written(Document("Title", "Subtitle", blocks))))
    return [page.extract_text() for page in reader.pages]


@pytest.fixture(scope="module", name="reader")
def _reader() -> PdfReader:
    return PdfReader(BytesIO(written(paper(200))))


def test_every_row_is_there_and_each_sheet_has_the_head(reader: PdfReader):
    """A table goes on over the pages, each row once and whole, its columns named on each."""
    texts = [page.extract_text() for page in reader.pages]
    assert "run " not in texts[0]
    told = "\n".join(texts)
    assert [told.count(f"run {number:04}") for number in range(200)] == [1] * 200
    with_rows = [text for text in texts if "run 0" in text]
    assert len(with_rows) > 3
    assert all("Start" in text and "Download" in text for text in with_rows)


def test_each_page_is_numbered(reader: PdfReader):
    """And says of which report it is."""
    count = len(reader.pages)
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text()
        assert f"page {number} of {count}" in text
        assert "Evidence: home" in text


def test_the_contents_name_the_page_of_each_heading(reader: PdfReader):
    """What a reader of the print looks for, and the bookmarks of the screen."""
    marks: list[Any] = [each for mark in reader.outline for each in (mark if isinstance(mark, list) else [mark])]
    names = ["1 Who measured", "2 What was measured", "2.1 As a picture", "2.2 As a table", "3 Method"]
    assert [mark.title for mark in marks] == names
    found = [(reader.get_destination_page_number(mark) or 0) + 1 for mark in marks]
    assert found[-1] > found[0]
    assert all(mark.title in reader.pages[page - 1].extract_text() for mark, page in zip(marks, found, strict=True))
    first = reader.pages[0].extract_text()
    assert "Contents\n" + "\n".join(names) in first
    assert "\n".join(map(str, found)) in first


def test_links_lead_to_the_results(reader: PdfReader):
    """Those of the rows, and none that the web does not know."""
    actions = [
        annotation.get_object()["/A"]["/URI"]
        for page in reader.pages
        for annotation in page.get("/Annots", ())
        if "/A" in annotation.get_object() and "/URI" in annotation.get_object()["/A"]
    ]
    assert actions == [f"https://www.speedtest.net/result/c/{number}" for number in range(200)]


def test_hostile_names_are_text(reader: PdfReader):
    """A name is drawn as it is, whatever it looks like, and what it would do is nowhere."""
    told = "".join("".join(page.extract_text() for page in reader.pages).split())
    assert "".join(HOSTILE.split()) in told
    assert not any(action in written(paper()) for action in (b"/JavaScript", b"/Launch"))


def test_the_same_report_gives_the_same_bytes():
    """Wherever and whenever it is written, with whatever seed of hashes: the date in it is the report's own."""
    made = written(paper())
    here = Path(__file__).parent
    script = "import test_report_pdf as t, sys; sys.stdout.buffer.write(t.written(t.paper()))"
    environ = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": f"{here}:{here.parent}"}
    other = subprocess.run([sys.executable, "-c", script], env=environ, cwd=here, check=True, capture_output=True)
    assert other.stdout == made
    reader = PdfReader(BytesIO(made))
    assert reader.metadata is not None
    assert (reader.metadata.creation_date, reader.metadata.title) == (MADE_AT, "Evidence: home")


def test_a_row_taller_than_a_sheet_goes_on(caplog: pytest.LogCaptureFixture):
    """A message of thousands of words loses none of them, and glyphs that no font has are no noise."""
    words = " ".join(f"word{number:04}" for number in range(3000))
    told = pages(Table("Long", COLUMNS, [(Cell("a"), Cell("1"), Cell(words), Cell("測定 \x00 \U0001f600"))]))
    assert len(told) > 2
    joined = "".join(told)
    assert all(f"word{number:04}" in joined for number in range(3000))
    assert caplog.text == ""


def test_a_long_fact_and_text_go_on():
    """No block is too long for paper."""
    words = " ".join(f"word{number:04}" for number in range(2000))
    told = "".join(pages(Facts((("Name", words),)), Text(words), Text(words, "bad")))
    assert all(told.count(f"word{number:04}") == 3 for number in range(2000))


def test_a_heading_stays_with_its_picture():
    """A picture that needs another sheet takes its heading along."""
    told = pages(Text("\n".join(["line " * 400])), Heading("The graph"), Picture(png(400, 500), "graph"))
    assert len(told) == 2
    assert "The graph" in told[1]


def test_a_table_without_rows_is_a_head():
    """Nothing is no error."""
    assert "Start" in pages(Table("Empty", COLUMNS, []))[0]
