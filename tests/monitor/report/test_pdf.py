"""A report as a PDF: what is read on its pages, where its links lead, and the same bytes each time."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from example_documents import COLUMNS, HOSTILE, make_document, make_png
from places import SUPPORT
from pypdf import PdfReader

from monitor.report.document import Cell, Column, Document, Facts, Heading, Picture, Table, Text
from monitor.report.pdf import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE_AT = datetime(2026, 11, 23, 16, 40, tzinfo=UTC)


def written(document: Document) -> bytes:
    """Return the file."""
    file = BytesIO()
    layout.write(document, MADE_AT, file)
    return file.getvalue()


def pages(*blocks: Any) -> list[str]:
    """Return the text of each page of a report of these blocks."""
    reader = PdfReader(BytesIO(written(Document("Title", "Subtitle", blocks))))
    return [page.extract_text() for page in reader.pages]


@pytest.fixture(scope="module", name="reader")
def _reader() -> PdfReader:
    return PdfReader(BytesIO(written(make_document(200))))


def test_every_row_is_there_and_each_sheet_has_the_head(reader: PdfReader):
    """A table goes on over the pages, each row once and whole, its columns named on each."""
    texts = [page.extract_text() for page in reader.pages]
    assert "run " not in texts[0]
    text = "\n".join(texts)
    assert [text.count(f"run {number:04}") for number in range(200)] == [1] * 200
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
    numbers = [(reader.get_destination_page_number(mark) or 0) + 1 for mark in marks]
    assert numbers[-1] > numbers[0]
    assert all(mark.title in reader.pages[page - 1].extract_text() for mark, page in zip(marks, numbers, strict=True))
    first = reader.pages[0].extract_text()
    lines = [f"{name} {page}" for name, page in zip(names, numbers, strict=True)]
    assert "Contents " + " ".join(lines) in " ".join(first.split())


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
    text = "".join("".join(page.extract_text() for page in reader.pages).split())
    assert "".join(HOSTILE.split()) in text
    assert not any(action in written(make_document()) for action in (b"/JavaScript", b"/Launch"))


def test_the_same_report_gives_the_same_bytes():
    """Wherever and whenever it is written, with whatever seed of hashes: the date in it is the report's own."""
    made = written(make_document())
    here = Path(__file__).parent
    script = "import test_pdf as t, sys; sys.stdout.buffer.write(t.written(t.make_document()))"
    environ = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": f"{here}:{SUPPORT}"}
    other = subprocess.run([sys.executable, "-c", script], env=environ, cwd=here, check=True, capture_output=True)
    assert other.stdout == made
    reader = PdfReader(BytesIO(made))
    assert reader.metadata is not None
    assert (reader.metadata.creation_date, reader.metadata.title) == (MADE_AT, "Evidence: home")


def test_a_row_taller_than_a_sheet_goes_on(caplog: pytest.LogCaptureFixture):
    """A message of thousands of words loses none of them, and glyphs that no font has are no noise."""
    words = " ".join(f"word{number:04}" for number in range(3000))
    texts = pages(Table("Long", COLUMNS, [(Cell("a"), Cell("1"), Cell(words), Cell("測定 \x00 \U0001f600"))]))
    assert len(texts) > 2
    joined = "".join(texts)
    assert all(f"word{number:04}" in joined for number in range(3000))
    assert caplog.text == ""


def test_a_long_fact_and_text_go_on():
    """No block is too long for paper."""
    words = " ".join(f"word{number:04}" for number in range(2000))
    text = "".join(pages(Facts((("Name", words),)), Text(words), Text(words, "bad")))
    assert all(text.count(f"word{number:04}") == 3 for number in range(2000))


def test_a_heading_stays_with_its_picture():
    """A picture that needs another sheet takes its heading along."""
    texts = pages(Text("\n".join(["line " * 400])), Heading("The graph"), Picture(make_png(400, 500), "graph"))
    assert len(texts) == 2
    assert "The graph" in texts[1]


def test_a_table_without_rows_is_a_head():
    """An empty file is not an error."""
    assert "Start" in pages(Table("Empty", COLUMNS, []))[0]


def test_the_contents_lead_to_the_headings(reader: PdfReader):
    """Each line is a link within the file."""
    links = [each.get_object() for each in reader.pages[0]["/Annots"]]
    targets = [reader.get_page_number(each["/Dest"][0].get_object()) for each in links if "/Dest" in each]
    marks = [each for mark in reader.outline for each in (mark if isinstance(mark, list) else [mark])]
    assert targets == [reader.get_destination_page_number(mark) for mark in marks]
    assert len(targets) == 5


def test_fonts_are_in_the_file_as_far_as_they_are_used(reader: PdfReader):
    """A reader needs none of its own, and the file does not hold thousands of letters that nobody reads."""
    fonts = {}
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            entry = font.get_object()
            if entry["/Subtype"] == "/TrueType":
                fonts[entry["/BaseFont"]] = len(entry["/FontDescriptor"]["/FontFile2"].get_object().get_data())
    assert {name.split("+")[1] for name in fonts} == {"DejaVuSans", "DejaVuSans-Bold"}
    assert all(size < 100_000 for size in fonts.values())


def test_a_picture_has_words_for_who_cannot_see_it(reader: PdfReader):
    """As they are, in UTF-16 with its mark."""
    content = b"".join(page["/Contents"].get_object().get_data() for page in reader.pages)
    assert ("feff" + 'A "graph" of <b>'.encode("utf-16-be").hex()).encode() in content


def test_nothing_of_the_library_stays_changed():
    """Another user of reportlab in this process writes as before."""
    from reportlab import rl_config  # noqa: PLC0415  only this test looks at it

    before = dict(vars(rl_config))
    made = [written(make_document()) for _ in range(2)]
    assert made[0] == made[1]
    assert dict(vars(rl_config)) == before


def test_markup_is_text_wherever_it_stands():
    """Titles, headings, facts and cells with what looks like markup, or like half of it, are drawn as they are."""
    names = ["<b>bold", "a & b &amp; c", "</para><para>", '<a href="x">y</a>', "&#0;"]
    blocks = [
        block for name in names for block in (Heading(name), Text(name), Text(name, "bad"), Facts(((name, name),)))
    ]
    table = Table("<i>", tuple(Column(name) for name in names), [tuple(Cell(name) for name in names)])
    reader = PdfReader(BytesIO(written(Document("<b>T", "S<i>", [*blocks, table]))))
    text = "".join("".join(page.extract_text() for page in reader.pages).split())
    assert all(text.count("".join(name.split())) >= 6 for name in names)


def test_a_table_of_very_many_rows_holds_few_of_them():
    """Rows are made as the pages fill; each is there."""
    made: list[int] = []

    def rows() -> Iterator[tuple[Cell, ...]]:
        for number in range(10_500):
            made.append(number)
            yield Cell(f"r{number}"), Cell("1"), Cell("s"), Cell("x")

    texts = pages(Table("Many", COLUMNS, rows()))
    assert len(made) == 10_500
    joined = " ".join(texts).split()
    assert [word for word in joined if word[0] == "r" and word[1:].isdigit()] == [f"r{number}" for number in made]


def test_a_wide_table_with_words_that_no_column_takes_stays_on_the_page():
    """Columns share the width, and words are broken."""
    columns = tuple(Column(f"Column{number}") for number in range(20))
    table = Table("Wide", columns, [tuple(Cell("w" * 60) for _ in columns)] * 3)
    text = "".join(pages(table, Text("v" * 5000), Facts((("n" * 100, "u" * 300),))))
    assert [text.count(letter) >= count for letter, count in (("w", 3600), ("v", 5000), ("u", 300))] == [True] * 3


@pytest.mark.parametrize("level", [1, 2])
def test_a_heading_may_be_the_first_of_any_level(level: Any):
    """An outline leaves no level out; a heading of the second level alone is no error."""
    assert "Only" in pages(Heading("Only", level), Text("text"))[0]


def test_a_long_heading_and_long_contents_go_on():
    """Headings that take several lines, and more of them than a page has lines."""
    headings = [Heading(f"Heading {number} " + "word " * 30) for number in range(80)]
    texts = pages(*headings)
    assert len(texts) > 4
    assert "Heading 79" in texts[-1]
