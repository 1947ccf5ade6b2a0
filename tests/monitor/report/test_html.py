"""A report as HTML: whole, self-contained, and nothing in it that somebody else put there as markup."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from io import BytesIO

import pytest
from example_documents import HOSTILE, make_document

from monitor.report import write
from monitor.report.document import Document, Text

VOID = frozenset({"meta", "img"})


class Page(HTMLParser):
    """What a page is made of: its elements with attributes and text, and whether each is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """See that it closes what was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


def written(document: Document) -> str:
    """Return the file."""
    file = BytesIO()
    write.write_html(document, file)
    return file.getvalue().decode()


@pytest.fixture(scope="module", name="text")
def _text() -> str:
    return written(make_document(40))


@pytest.fixture(scope="module", name="page")
def _page(text: str) -> Page:
    return Page(text)


def test_every_element_is_closed_and_every_id_is_unique(page: Page):
    """A browser has nothing to correct; `Page` checks the nesting."""
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert ids
    assert max(ids.values()) == 1


def test_nothing_is_loaded_from_elsewhere(page: Page, text: str):
    """No script, no form, no frame; pictures are in it, and the policy forbids the rest."""
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "iframe", "form", "object", "base", "video"})
    assert all(str(each["src"]).startswith("data:image/png;base64,") for each in page.all("img"))
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not re.search(r"@import|url\(", text)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_links_lead_within_or_to_the_web(page: Page):
    """The contents find each heading; a link of another kind than https is text."""
    links = [str(each["href"]) for each in page.all("a")]
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    within = [link for link in links if link.startswith("#")]
    assert [link[1:] for link in within] == [f"section-{number}" for number in ("1", "2", "2-1", "2-2", "3")]
    assert ids.issuperset(link[1:] for link in within)
    assert [link for link in links if link not in within] == [
        f"https://www.speedtest.net/result/c/{number}" for number in range(40)
    ]


def test_every_row_is_there_under_named_columns(page: Page):
    """Each row is headed by its first cell, each column by its name, each table has a caption."""
    heads = [each["scope"] for each in page.all("th")]
    assert (heads.count("row"), heads.count("col")) == (41, 5)
    assert len(page.all("caption")) == len(page.all("table")) == 2
    words = "".join(page.words)
    assert all(f"run {number:04}" in words for number in range(40))


def test_hostile_names_are_text(page: Page):
    """What somebody calls a server is shown as it is, and is no markup."""
    assert sum(HOSTILE in words for words in page.words) == 41
    assert len(page.all("img")) == 1


def test_whoever_cannot_see_a_picture_reads_it(page: Page):
    """The picture has its words, and the document its language."""
    assert page.all("img")[0]["alt"] == 'A "graph" of <b>'
    assert page.all("html")[0]["lang"] == "en"


def test_a_shade_is_as_deep_as_the_cell_is_bad(page: Page):
    """None at 0, and up to 1."""
    shades = {each["style"] for each in page.all("td") if "style" in each}
    assert shades == {f"--shade: {shade}" for shade in ("0.25", "0.50", "0.75", "1.00")}


def test_the_same_report_gives_the_same_bytes(text: str):
    """Nothing in it depends on when or where it is written."""
    assert written(make_document(40)) == text


def test_a_report_without_headings_has_no_contents():
    """A line is enough."""
    page = Page(written(Document("Title", "Subtitle", (Text("nothing"),))))
    assert (page.all("nav"), len(page.all("p"))) == ([], 2)
