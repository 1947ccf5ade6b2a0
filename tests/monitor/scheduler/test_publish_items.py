"""The files of [publish]: which commands the settings become, and what is a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from monitor.cli.graph import command as graph
from monitor.config import load
from monitor.config.settings import PublishSettings
from monitor.errors import ConfigError
from monitor.graph.render import KINDS
from monitor.scheduler.publish import publish_items

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL = ("--theme", "light")

END = ("--output-dir", "/srv/www", "-q")


def section(**changes: Any) -> PublishSettings:
    """Return the section with a folder."""
    return PublishSettings(directory="/srv/www", **changes)


def test_a_folder_alone_gives_a_day_and_a_month():
    """By default the folder gets the throughput of the last day and of the last 30."""
    assert {item.what: item.arguments for item in publish_items(section())} == {
        "throughput, 1 day": ("graph", "--kind", "throughput", "--days", "1", *USUAL, *END),
        "throughput, 30 days": ("graph", "--kind", "throughput", "--days", "30", *USUAL, *END),
    }


def test_the_report_comes_last():
    """Graphs come first, however long the report takes."""
    items = publish_items(section(days=[7], report=True))
    assert [item.what for item in items] == ["throughput, 7 days", "report, 30 days"]
    assert items[1].arguments == ("report", "--days", "30", *END)


def test_theme_size_and_probes_reach_the_command():
    """Theme, size and the probes that are shown are options of each command."""
    (item,) = publish_items(section(days=[7], theme="dark", size="1600x1000"), ["cabin", "harbour"])
    assert item.arguments[5:-3] == (
        *("--theme", "dark", "--size", "1600x1000"),
        *("--probe", "cabin", "--probe", "harbour"),
    )


def test_each_file_is_made_once():
    """A kind or window that is named twice is made once, and `all` is every kind."""
    assert len(publish_items(section(days=[7, 7], kinds=["latency", "latency"]))) == 1
    assert [item.what for item in publish_items(section(days=[7], kinds=["all"]))] == [
        f"{kind}, 7 days" for kind in KINDS
    ]


def test_the_command_line_takes_each_command():
    """No argument is one that `graph` does not know."""
    for item in publish_items(section(kinds=["all"], size="1000x1500"), ["cabin"]):
        context = graph.make_context("graph", list(item.arguments[1:]))
        assert context.params["folder"] == "/srv/www"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kinds": ["speed"]}, "publish.kinds: there is no graph 'speed': choose one of throughput, latency, "),
        ({"kinds": ["dashboard"], "size": "900x900"}, "900x900 is too small for dashboard, which needs at least 1000x"),
        ({"kinds": ["dashboard"], "size": "900x3000"}, "900x3000 is too small for dashboard"),
        ({"kinds": ["dashboard"], "size": "3000x900"}, "3000x900 is too small for dashboard"),
        ({"kinds": []}, "nothing is to go there"),
        ({"days": []}, "nothing is to go there"),
    ],
)
def test_a_mistake_is_named(changes: dict[str, Any], says: str):
    """An unknown kind, a size that is too small and an empty list are reported with the key."""
    with pytest.raises(ConfigError, match="publish") as caught:
        publish_items(section(**changes))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"SPEEDMON_PUBLISH__DIRECTORY": "www"}, "SPEEDMON_PUBLISH__DIRECTORY: "),
        ({"SPEEDMON_PUBLISH__DAYS": "1,month"}, "SPEEDMON_PUBLISH__DAYS: "),
        ({"SPEEDMON_PUBLISH__DAYS": "0"}, "SPEEDMON_PUBLISH__DAYS: "),
        ({"SPEEDMON_PUBLISH__SIZE": "big"}, "SPEEDMON_PUBLISH__SIZE: "),
    ],
)
def test_an_invalid_value_is_refused_with_its_key(environ: Mapping[str, str], says: str):
    """A folder without a leading slash, and invalid days and sizes, are mistakes in the configuration."""
    with pytest.raises(ConfigError, match=says):
        load.load_settings(None, {"HOME": "/nowhere", **environ}, 1000)


def test_the_environment_can_set_every_key():
    """Lists of numbers are written with commas, as lists of names are."""
    environ = {"SPEEDMON_PUBLISH__DIRECTORY": "/srv/www", "SPEEDMON_PUBLISH__DAYS": "1, 7"}
    environ |= {"SPEEDMON_PUBLISH__KINDS": "latency,heatmap", "SPEEDMON_PUBLISH__REPORT": "true"}
    section_read = load.load_settings(None, {"HOME": "/nowhere", **environ}, 1000).publish
    assert section_read == section(days=[1, 7], kinds=["latency", "heatmap"], report=True)
