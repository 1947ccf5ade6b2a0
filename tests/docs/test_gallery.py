"""docs/gallery.md is up to date with the code; `make gallery` rewrites it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from places import ROOT

if TYPE_CHECKING:
    from types import ModuleType

DOCS = ROOT / "docs"


@pytest.fixture(name="gallery")
def _gallery(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return import_module("gallery")


def test_the_page_is_up_to_date_with_the_code(gallery: ModuleType):
    """Text, commands and terminal plots are those that the code gives; `make gallery` rewrites the page."""
    assert (DOCS / "gallery.md").read_text() == "".join(gallery.page(list(gallery.month())))


def test_each_kind_has_a_picture_that_is_not_heavy(gallery: ModuleType):
    """Each file of the folder is on the page, and small."""
    page = (DOCS / "gallery.md").read_text()
    files = list((DOCS / "gallery").iterdir())
    assert set(gallery.KINDS) <= {file.stem for file in files}
    assert all(f"(gallery/{file.name})" in page and file.stat().st_size < 120_000 for file in files)
