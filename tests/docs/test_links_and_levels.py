"""The README is short and leads to every document; no link and no path in the documents leads nowhere."""

from __future__ import annotations

import re
from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import pytest
from places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"

DOCS = sorted((ROOT / "docs").glob("*.md"))

PAGES = [README, CONTRIBUTING, ROOT / "CHANGELOG.md", *DOCS]

LONGEST_README = 150

LINK = re.compile(r"\]\((?!\w+:)([^)\s]*)\)")

FENCE = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)

HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

SOURCE_PATH = re.compile(r"`(?:python )?((?:monitor|netns|web|migrations|tests|benchmarks|docs)/[\w./-]*)`")


class Link(NamedTuple):
    """A relative link: the file it leads to, and the heading there, if any."""

    file: Path
    anchor: str


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub("", page.read_text())


def links(page: Path) -> Iterator[Link]:
    """Yield the relative links of a page."""
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        yield Link((page.parent / path).resolve() if path else page, anchor)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    taken: Counter[str] = Counter()
    anchors = set()
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        anchors.add(f"{slug}-{taken[slug]}" if taken[slug] else slug)
        taken[slug] += 1
    return anchors


def reachable(start: Path) -> set[Path]:
    """Return the pages that links lead to from a page, itself included."""
    known, waiting = {start}, [start]
    while waiting:
        new = {link.file for link in links(waiting.pop()) if link.file.suffix == ".md"} - known
        known |= new
        waiting += sorted(new)
    return known


def test_the_readme_is_short():
    """A newcomer reads all of it."""
    assert len(README.read_text().splitlines()) <= LONGEST_README


def test_every_document_is_reachable_from_the_readme():
    """No page is hidden."""
    assert set(DOCS) - reachable(README) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    """Each relative link is to a file that exists and, with an anchor, to a heading in it."""
    broken = [link for link in links(page) if not link.file.exists()]
    assert broken == []
    assert [link for link in links(page) if link.anchor and link.anchor not in anchors(link.file)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_in_the_text_exists(page: Path):
    """Each module, folder and file of the project that a page names is there."""
    paths = [path for path in SOURCE_PATH.findall(prose(page)) if "NAME" not in path]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_levels_are_those_that_are_checked():
    """The diagram in CONTRIBUTING has the layers of import-linter's contract, from the highest to the lowest."""
    diagram = CONTRIBUTING.read_text().partition("```text\n")[2].partition("```")[0]
    drawn = [set(line.split()[1:]) for line in diagram.splitlines()]
    build = (ROOT / "pyproject.toml").read_text().partition('name = "levels of the program"')[2]
    lines = takewhile(lambda line: line != "]", build.partition("layers = [\n")[2].splitlines())
    assert drawn == [set(re.findall(r"[\w.]+", line)) for line in lines]
