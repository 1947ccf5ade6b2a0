"""One value of a configuration file is changed; comments and everything else stay."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import load
from monitor.config.edit import set_value
from monitor.errors import ConfigError

TEXT = """\
# mine
[plan]  # as sold
# with VAT
download_mbps = 100   # since May
#upload_mbps = 0.0

[web]
allowed_hosts = [
    "a",  # first
    "b",
]
port = 8765
"""


@pytest.mark.parametrize(
    ("section", "key", "value", "line"),
    [
        ("plan", "download_mbps", 250, "download_mbps = 250  # since May"),
        ("plan", "upload_mbps", 40, "upload_mbps = 40"),
        ("plan", "latency_ms", 12.5, "latency_ms = 12.5"),
        ("web", "allowed_hosts", ["c#d"], 'allowed_hosts = ["c#d"]'),
        ("probe", "name", 'a "b"', 'name = "a \\"b\\""'),
    ],
)
def test_the_value_changes_and_the_rest_stays(section: str, key: str, value: Any, line: str):
    """Existing keys are replaced, others added after their commented default or at the end of the section."""
    changed = set_value(TEXT, section, key, value)
    assert line in changed.splitlines()
    assert tomllib.loads(changed)[section][key] == value
    assert [mark for mark in ("# mine", "# as sold", "# with VAT") if mark in changed] == [
        "# mine",
        "# as sold",
        "# with VAT",
    ]


def test_a_default_is_followed_by_its_value():
    """In the file that `config init` writes, the value stands below its help."""
    lines = set_value(load.config_template(), "web", "port", 8080).splitlines()
    assert lines[lines.index("port = 8080") - 1].startswith("#port = ")


@pytest.mark.parametrize(
    "text", ["plan = 3\n", "[[plan]]\ndownload_mbps = 1\n", "plan = { download_mbps = 1 }\n", "[plan\n"]
)
def test_what_cannot_be_changed_in_place_is_refused(text: str):
    """Nothing is written that means something else."""
    with pytest.raises(ConfigError):
        set_value(text, "plan", "download_mbps", 5)


@given(st.text(alphabet="ab=#[]\"' \n.", max_size=80), st.text(max_size=8))
def test_nothing_else_ever_changes(text: str, value: str):
    """Whatever the file looks like, the result is the old file with that value, or an error."""
    try:
        changed = set_value(text, "a", "b", value)
    except ConfigError:
        return
    before = tomllib.loads(text)
    before.setdefault("a", {})["b"] = value
    assert tomllib.loads(changed) == before


SEVERAL = """\
[[schedule]]  # first
name = "day"  # mine
cron = "*/15 * * * *"
[ [schedule] ]
[["schedule"]]
every_s = 7200 # long
"""


@pytest.mark.parametrize(
    ("entry", "key", "value", "line"),
    [(0, "cron", "5 * * * *", 'cron = "5 * * * *"'), (0, "name", "d", 'name = "d"  # mine'), (1, "path", "host", "")],
)
def test_one_of_several_sections_changes(entry: int, key: str, value: str, line: str):
    """The others, and the comments, stay."""
    text = SEVERAL.replace("[ [schedule] ]", "[[ schedule ]]").replace('"schedule"', "schedule")
    changed = set_value(text, "schedule", key, value, entry)
    expected = tomllib.loads(text)
    expected["schedule"][entry][key] = value
    assert tomllib.loads(changed) == expected
    assert line in changed.splitlines() or not line
    assert {"[[schedule]]  # first", "every_s = 7200 # long"} <= {*changed.splitlines()}


@pytest.mark.parametrize(
    ("text", "entry", "words"),
    [
        ("[[plan]]\n[[plan]]\n", None, "there are 2 [[plan]]: name one, as in plan.2.isp"),
        ("[[plan]]\n", 3, "there are 1 [[plan]], and no number 4"),
        ("[plan]\n", 0, "there is no [[plan]] here: write plan.KEY"),
        ("plan = [{isp = 'x'}]\n", 0, "plan.isp is written in an unusual form here"),
        ("plan.isp = 'x'\n", None, "plan.isp is written in an unusual form here"),
        ("plan = {isp = 'x'}\n", None, "plan.isp is written in an unusual form here"),
    ],
)
def test_what_cannot_be_changed_says_what_to_write(text: str, entry: int | None, words: str):
    """One line, with the name that works or the reason."""
    with pytest.raises(ConfigError) as caught:
        set_value(text, "plan", "isp", "y", entry)
    assert words in str(caught.value)
