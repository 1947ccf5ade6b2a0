"""docs/notifications.md says what is so: its figure, its defaults, its templates and their variables."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from places import ROOT

from monitor.analysis.watches import NewsKind
from monitor.config.settings import NotifySettings
from monitor.notify.digest import Digest, DigestFigure, DigestOutages, DigestSource
from monitor.notify.judgements import AlertKind
from monitor.notify.queue import NewsItem
from monitor.notify.states import Notice
from monitor.notify.texts import BUILT_IN, TextContext, message_items

if TYPE_CHECKING:
    from types import ModuleType

PAGE = (ROOT / "docs" / "notifications.md").read_text()


@pytest.fixture(name="month")
def _month(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return import_module("notified_month")


def test_the_figure_of_the_month_is_current(month: ModuleType):
    """`python benchmarks/notified_month.py` writes it."""
    assert month.read_table() == month.make_table()


def test_a_bad_month_is_quiet(month: ModuleType):
    """A person gets fewer messages than there were outages, and one for each that was reported."""
    for interval in month.INTERVALS:
        result = month.simulate(interval)
        assert 0 < result.alerts <= result.reported <= result.met < month.OUTAGES


def first_cells(heading: str) -> list[str]:
    """Return the names in the first column of the table below a heading."""
    table = PAGE.partition(heading)[2].partition("|---")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[1:]]
    return [name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)]


def test_every_state_is_in_the_table():
    """With its default rule."""
    assert sorted(first_cells("## What is reported")) == sorted(AlertKind)
    assert f"{NotifySettings().failing.replace(' of ', ' of the last ')} tests failed by the line" in PAGE


def test_every_template_is_in_the_table():
    """And no other."""
    assert sorted(first_cells("## Your own texts")) == sorted(file.name for file in BUILT_IN.iterdir())


def test_every_variable_is_in_the_tables():
    """Of an item, and of a digest."""
    notice = Notice(AlertKind.DOWN, NewsKind.BEGAN, "home", "", 0, 0)
    (item,) = message_items([NewsItem(notice, is_news=True)], TextContext(ZoneInfo("UTC")))
    assert sorted(first_cells("Each of the `items` has:")) == sorted(item)
    assert sorted(first_cells("`digest` has:")) == sorted((*Digest.__slots__, "figures", "outages", "failures"))
    described = PAGE.partition("`digest` has:")[2]
    parts = (*DigestSource.__slots__, *DigestFigure.__slots__, *DigestOutages.__slots__, "plan_pct", "change_pct")
    assert [name for name in parts if f"`{name}`" not in described] == []
