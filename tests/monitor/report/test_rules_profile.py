"""Rule profiles: the example that is shipped, and files with mistakes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from places import ROOT

from monitor.errors import ConfigError
from monitor.report.rules import EXAMPLE_PROFILE, DaysWithMiss, DaysWithout, RequiredLevel, TooFewTests, load_profile

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = ROOT / "docs" / "report.md"

HEAD = 'name = "Ours"\nnotice = "An example."\n'

CONDITION = '[[conditions]]\nname = "Down"\nmetric = "download"\n'

FEW = f'{HEAD}{CONDITION}test = "too_few_tests"\npercent = 90\n'


def test_the_example_has_the_figures_of_the_regulator():
    """Vfg. 99/2021: 30 tests, 10 on each of 3 days, 5 minutes apart; 90 %, 2 of 3 days, 90 % of the tests."""
    profile = load_profile(None)
    sample = profile.sample
    assert (sample.tests, sample.days, sample.tests_per_day, sample.spacing_min) == (30, 3, 10, 5)
    maximum, normal, least, *upload = profile.conditions
    assert isinstance(maximum, DaysWithout)
    assert (maximum.days, maximum.of_days, maximum.level) == (2, 3, RequiredLevel(percent_of_plan=90))
    assert isinstance(normal, TooFewTests)
    assert (normal.percent, normal.assumed) == (90, True)
    assert isinstance(least, DaysWithMiss)
    assert (least.days, least.of_days, least.assumed) == (2, 3, True)
    assert [type(each) for each in upload] == [DaysWithout, TooFewTests, DaysWithMiss]


def test_the_example_says_that_it_is_one():
    """To whoever reads the report, and in the file where each figure comes from."""
    profile = load_profile(None)
    assert "neither legal advice" in profile.notice
    assert "nor the official procedure" in profile.notice
    assert "Vfg. 99/2021" in profile.source
    assert EXAMPLE_PROFILE.read_text(encoding="utf-8").count("# Vfg. 99/2021") >= 3


def test_a_file_of_ones_own_replaces_it(tmp_path: Path):
    """A level in Mbit/s needs no plan, and what the sample does not say is one."""
    file = tmp_path / "rules.toml"
    file.write_text(f"{FEW}level = {{ mbit_s = 83.8 }}\n", encoding="utf-8")
    profile = load_profile(file)
    assert (profile.name, profile.sample.tests, profile.conditions[0].level.mbit_s) == ("Ours", 1, 83.8)


def test_the_rules_in_the_documentation_can_be_used(tmp_path: Path):
    """As they are printed there."""
    (shown,) = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "rules.toml"
    file.write_text(shown, encoding="utf-8")
    assert [each.name for each in load_profile(file).conditions] == [
        "Normally available download speed",
        "Maximum download speed",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name = ", "is not TOML"),
        ("", "missing required field `name`"),
        (HEAD, "missing required field `conditions`"),
        (f"{HEAD}conditions = []\n", "conditions: Expected `array` of length >= 1"),
        (f"{FEW}level = {{ mbit_s = 1 }}\nlimit = 3\n", "conditions[0]: Object contains unknown field `limit`"),
        (f"{FEW}level = {{ mbit_s = 1, ms = 2 }}\n", "conditions[0].level: give exactly one of"),
        (f"{FEW}level = {{}}\n", "conditions[0].level: give exactly one of"),
        (f"{FEW}level = {{ ms = 2 }}\n", "conditions[0]: a level in ms is for latency"),
        (f"{FEW}level = {{ mbit_s = -2 }}\n", "conditions[0].level.mbit_s: Expected `float` > 0"),
        (f'{FEW}level = {{ mbit_s = "2" }}\n', "conditions[0].level.mbit_s: Expected `float | null`, got `str`"),
        (f'{HEAD}{CONDITION}test = "never"\nlevel = {{ mbit_s = 1 }}\n', "conditions[0].test: Invalid value 'never'"),
        (
            f'{HEAD}{CONDITION}test = "days_without"\ndays = 4\nof_days = 3\nlevel = {{ mbit_s = 1 }}\n',
            "conditions[0]: days is at most of_days, not 4 of 3",
        ),
        (f"{FEW}level = {{ mbit_s = 1 }}\n[sample]\ntest = 3\n", "sample: Object contains unknown field `test`"),
        (f"{FEW}level = {{ mbit_s = 1 }}\n[sample]\ntests = 0\n", "sample.tests: Expected `int` >= 1"),
    ],
)
def test_a_mistake_is_one_line_with_file_key_and_fix(tmp_path: Path, text: str, wanted: str):
    """The fix is the example to compare with."""
    file = tmp_path / "rules.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_profile(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert wanted in message
    assert message.endswith(f"compare it with {EXAMPLE_PROFILE}")
    assert "\n" not in message


def test_a_latency_has_no_level_in_mbit_s(tmp_path: Path):
    """Nor has a rate one in ms."""
    file = tmp_path / "rules.toml"
    file.write_text(FEW.replace('"download"', '"latency"') + "level = { mbit_s = 1 }\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="a level in mbit_s is for download and upload"):
        load_profile(file)


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str):
    """One that is not there, and a folder."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_profile(tmp_path / name)
