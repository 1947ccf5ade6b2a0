"""Rule profiles: TOML files that say when a line deviates from its plan. See `rules/germany-fixed.toml`.

A profile has rules for the sample (how many tests it needs, and which count) and conditions, of which one that is met
suffices.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from monitor.errors import ConfigError

EXAMPLE = Path(__file__).parent / "rules" / "germany-fixed.toml"
METRICS = {"download": "download_bps", "upload": "upload_bps", "latency": "latency_ms"}

Count = Annotated[int, Meta(ge=1)]
Percent = Annotated[float, Meta(gt=0, le=100)]
Positive = Annotated[float, Meta(gt=0)]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file. An unknown key is an error."""


class Sample(Strict, frozen=True, kw_only=True):
    """How many tests there must be, and which of them count.

    `tests`, `days` and `tests_per_day` are minimums; a day with fewer tests than `tests_per_day` does not count, nor do
    its tests. A test less than `spacing_min` minutes after the last one that counts does not count either.
    """

    tests: Count = 1
    days: Count = 1
    tests_per_day: Count = 1
    spacing_min: Annotated[float, Meta(ge=0)] = 0.0


class Level(Strict, frozen=True, kw_only=True):
    """What a test must reach: a rate at least, a latency at most. Exactly one of the three is given."""

    percent_of_plan: Positive | None = None
    mbit_s: Positive | None = None
    ms: Positive | None = None

    def __post_init__(self) -> None:
        if [self.percent_of_plan, self.mbit_s, self.ms].count(None) != 2:  # noqa: PLR2004  of three
            raise ValueError("give exactly one of percent_of_plan, mbit_s and ms")


class Condition(Strict, frozen=True, kw_only=True, tag_field="test"):
    """What all conditions have: a name, a metric, the level to reach, and a note to the reader.

    `assumed` means that no contract states the level; the report then says so beside every answer.
    """

    name: str
    metric: Literal["download", "upload", "latency"]
    level: Level
    note: str = ""
    assumed: bool = False

    def __post_init__(self) -> None:
        if self.level.ms is not None and self.metric != "latency":
            raise ValueError(f"a level in ms is for latency, not for {self.metric}")
        if self.level.mbit_s is not None and self.metric == "latency":
            raise ValueError("a level in mbit_s is for download and upload, not for latency")

    @property
    def field(self) -> str:
        """The field of a run that holds the metric."""
        return METRICS[self.metric]


class OfDays(Condition, frozen=True, kw_only=True):
    """A condition that counts days."""

    days: Count
    of_days: Count | None = None

    def __post_init__(self) -> None:
        Condition.__post_init__(self)
        if self.of_days is not None and self.days > self.of_days:
            raise ValueError(f"days is at most of_days, not {self.days} of {self.of_days}")


class DaysWithout(OfDays, frozen=True, kw_only=True, tag="days_without"):
    """Met if no test reached the level on at least `days` days, or on `days` of every `of_days` days."""


class DaysWithMiss(OfDays, frozen=True, kw_only=True, tag="days_with_miss"):
    """Met if a test missed the level on at least `days` days, or on `days` of every `of_days` days."""


class TooFewTests(Condition, frozen=True, kw_only=True, tag="too_few_tests"):
    """Met if fewer than `percent` % of the tests reached the level."""

    percent: Percent


Rule = DaysWithout | DaysWithMiss | TooFewTests


class Profile(Strict, frozen=True, kw_only=True):
    """The rules that tests are compared with; `notice` and `source` are shown in the report."""

    name: str
    notice: str
    source: str = ""
    sample: Sample = Sample()
    conditions: Annotated[tuple[Rule, ...], Meta(min_length=1)]


def load(file: Path | None) -> Profile:
    """Read the profile of a file; None: the example that is included.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has an unknown key or an invalid value.
    """
    path = file or EXAMPLE
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Profile)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; give an existing file of rules") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}; compare it with {EXAMPLE}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_placed(str(error))}; compare it with {EXAMPLE}") from error


def _placed(message: str) -> str:
    """Return msgspec's message with the key first: "conditions[0].metric: Invalid enum value"."""
    reason, _, key = message.partition(" - at `$.")
    return f"{key.rstrip('`')}: {reason}" if key else reason
