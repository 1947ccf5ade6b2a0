"""The example for Home Assistant in docs/web.md, its templates rendered over what the API really answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from example_runs import make_attempt, make_failed_attempt
from jinja2 import Environment
from places import ROOT
from web_client import SiteSetup

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = re.search(r"```yaml\n(rest:\n.*?)```", (ROOT / "docs" / "web.md").read_text(), re.DOTALL)

ENTITY = re.compile(r"^      - name: (.+)\n((?:        .+\n)+)", re.MULTILINE)

FIELD = re.compile(r"^        (\w+): \"?(.*?)\"?$", re.MULTILINE)


def read_entities() -> dict[str, dict[str, str]]:
    """Return the fields of each sensor by its name."""
    assert EXAMPLE
    return {name: dict(FIELD.findall(fields)) for name, fields in ENTITY.findall(EXAMPLE[1])}


def render(place: SiteSetup, field: str) -> dict[str, str]:
    """Return what Home Assistant makes of a template of each sensor."""
    assert EXAMPLE
    address = re.search(r"resource: http://127\.0\.0\.1:8765(/\S+)", EXAMPLE[1])
    assert address
    answer: Any = place.client().get(address[1]).json()
    rows = read_entities().items()
    return {
        name: Environment(autoescape=False).from_string(fields[field]).render(value_json=answer)  # noqa: S701  no HTML
        for name, fields in rows
        if field in fields
    }


@pytest.fixture
def place(tmp_path: Path) -> SiteSetup:
    """Return a site over an empty store."""
    return SiteSetup(f"sqlite:///{tmp_path}/speedmon.db")


def test_a_result_becomes_states(place: SiteSetup):
    """Rates are Mbit/s, as their unit says."""
    run = make_attempt(0).run
    place.fill(make_attempt(0))
    assert render(place, "value_template") == {
        "Internet download": str(round((run.download_bps or 0) / 1e6, 1)),
        "Internet upload": str(round((run.upload_bps or 0) / 1e6, 1)),
        "Internet latency": str(run.latency_ms),
        "Internet test": "False",
    }
    assert {*render(place, "availability").values()} == {"True"}


def test_a_failure_is_no_rate_of_0(place: SiteSetup):
    """What was not measured is unavailable."""
    place.fill(make_failed_attempt(0))
    assert {*render(place, "availability").values()} == {"False"}
    assert len({fields["unique_id"] for fields in read_entities().values()}) == 4
