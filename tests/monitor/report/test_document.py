"""Sections of a report: numbered, with what stands below each heading."""

from __future__ import annotations

from example_documents import make_document

from monitor.report.document import Heading, Text, number_sections


def test_headings_are_numbered_as_one_quotes_them():
    """Parts count within their section; what comes first has no number."""
    numbered = [
        (each.number, each.heading.text if each.heading else None) for each in number_sections(make_document().blocks)
    ]
    assert numbered == [
        ("", None),
        ("1", "Who measured"),
        ("2", "What was measured"),
        ("2.1", "As a picture"),
        ("2.2", "As a table"),
        ("3", "Method"),
    ]


def test_no_block_is_lost():
    """Every block that is not a heading is in one section, in order."""
    document = make_document()
    blocks = [block for each in number_sections(document.blocks) for block in each.blocks]
    assert blocks == [block for block in document.blocks if not isinstance(block, Heading)]


def test_anchors_are_unique():
    """A link within the document leads to one place."""
    blocks = [Heading("Same"), Heading("Same", 2), Text("a"), Heading("Same", 2), Heading("Same")]
    assert [each.anchor for each in number_sections(blocks)] == ["section-1", "section-1-1", "section-1-2", "section-2"]


def test_nothing_has_no_section():
    """An empty report is empty."""
    assert list(number_sections([])) == []
