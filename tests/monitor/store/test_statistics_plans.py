"""Which plan judged the runs of a window, and from when."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import START, make_attempt

from monitor.model import Plan
from monitor.store.connection import open_reader, open_writer
from monitor.store.read import RunFilter
from monitor.store.statistics import plan_periods
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from pathlib import Path


A, B, NONE = Plan(100_000_000, None, 20.0), Plan(50_000_000, 10_000_000), Plan()


@pytest.mark.parametrize(
    ("plans", "wanted"),
    [
        ([], []),
        ([A, A], [(0, A)]),
        ([A, B, B, A], [(0, A), (1, B), (3, A)]),
        ([NONE, A, NONE], [(0, NONE), (1, A), (2, NONE)]),
    ],
)
def test_each_change_of_plan_starts_with_the_run_that_shows_it(
    tmp_path: Path, plans: list[Plan], wanted: list[tuple[int, Plan]]
):
    """One that comes back is a change too, and no plan at all is one like any other."""
    url = f"sqlite:///{tmp_path}/s.db"
    with open_writer(url) as connection:
        for at, plan in enumerate(plans):
            add_attempt(connection, dataclasses.replace(make_attempt(at), plan=plan))
    with open_reader(url) as connection:
        periods = list(plan_periods(connection, RunFilter(START, START + timedelta(hours=1))))
    assert periods == [(START + timedelta(minutes=at), plan) for at, plan in wanted]
