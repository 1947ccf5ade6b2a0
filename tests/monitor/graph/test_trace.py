"""The picture of a trace: what it is drawn from."""

from __future__ import annotations

import os
from zoneinfo import ZoneInfo

import pytest
from example_runs import make_attempt, make_failed_attempt

from monitor.analysis.metrics import Metric
from monitor.graph import render
from monitor.graph.trace import render_trace, to_strips
from monitor.model import Trace

render.prepare_matplotlib(os.environ, os.geteuid())

UTC = ZoneInfo("UTC")

RUN = make_attempt().run


def test_samples_become_rates():
    """Bytes of a quarter of a second become bit/s, and the uplink carries at least what the test does."""
    down, up = to_strips(RUN, Trace(250, ((1000, 10, 1500, 5), (0, 20, 0, 20))))
    assert (down.metric, down.test, down.uplink) == (Metric.DOWNLOAD, (32_000, 0), (48_000, 0))
    assert (up.test, up.uplink, up.reported) == ((320, 640), (320, 640), RUN.upload_bps)


@pytest.mark.parametrize("count", [1, 40, 14_400])
def test_any_length_can_be_drawn(count: int):
    """From one sample to an hour of them, the same trace gives the same picture."""
    trace = Trace(250, tuple((index % 7 * 10**6, 5, index % 9 * 10**6, 5) for index in range(count)))
    assert render_trace(RUN, trace, UTC) == render_trace(RUN, trace, UTC)


def test_a_failed_test_is_drawn_too():
    """What was carried before the failure is there, without a result to compare it with."""
    assert render_trace(make_failed_attempt().run, Trace(250, ((5, 5, 5, 5), (0, 0, 0, 0))), UTC).startswith(b"\x89PNG")
