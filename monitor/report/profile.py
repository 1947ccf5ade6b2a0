"""A rule profile: when a line is said not to keep what was sold, read from a TOML file. See `rules/germany-fixed.toml`.

A profile has a sample, which says how many tests it needs and when, and conditions; one that is fulfilled suffices.
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
    """A table of the file; a key that nobody knows is a mistake."""


class Sample(Strict, frozen=True, kw_only=True):
    """Which tests count, and how many there must be.

    `tests`, `days` and `tests_per_day` are the least; a day with fewer tests is left out with them. A test less than
    `spacing_min` minutes after the last one that counts is left out.
    """

    tests: Count = 1
    days: Count = 1
    tests_per_day: Count = 1
    spacing_min: Annotated[float, Meta(ge=0)] = 0.0


class Level(Strict, frozen=True, kw_only=True):
    """What a test has to reach: for rates at least, for latency at most. One of the three is given."""

    percent_of_plan: Positive | None = None
    mbit_s: Positive | None = None
    ms: Positive | None = None

    def __post_init__(self) -> None:
        if [self.percent_of_plan, self.mbit_s, self.ms].count(None) != 2:  # noqa: PLR2004  of three
            raise ValueError("give exactly one of percent_of_plan, mbit_s and ms")


class Condition(Strict, frozen=True, kw_only=True, tag_field="test"):
    """What each condition has: a name, the number that it is about, the level, and a note to the reader.

    `assumed` says that the level is nobody's promise, which the report then says wherever it gives the answer.
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
        """The name of the number in a run."""
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
    """On at least `days` days, of each `of_days` if that is given, no test reached the level."""


class DaysWithMiss(OfDays, frozen=True, kw_only=True, tag="days_with_miss"):
    """On at least `days` days, of each `of_days` if that is given, a test did not reach the level."""


class TooFewTests(Condition, frozen=True, kw_only=True, tag="too_few_tests"):
    """Fewer than `percent` % of the tests reached the level."""

    percent: Percent


Rule = DaysWithout | DaysWithMiss | TooFewTests


class Profile(Strict, frozen=True, kw_only=True):
    """What the tests are held against; `notice` and `source` are shown to whoever reads the report."""

    name: str
    notice: str
    source: str = ""
    sample: Sample = Sample()
    conditions: Annotated[tuple[Rule, ...], Meta(min_length=1)]


def load(file: Path | None) -> Profile:
    """Return the profile of a file; None: the example that is shipped.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or has a wrong key or value.
    """
    found = file or EXAMPLE
    try:
        return msgspec.convert(tomllib.loads(found.read_text(encoding="utf-8")), Profile)
    except OSError as error:
        raise ConfigError(f"{found}: cannot be read: {error.strerror}: name a file of rules that exists") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{found}: is not TOML: {error}; compare it with {EXAMPLE}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{found}: {_placed(str(error))}; compare it with {EXAMPLE}") from error


def _placed(message: str) -> str:
    """Return what msgspec says with the key first: conditions[0].metric: what is wrong."""
    what, _, place = message.partition(" - at `$.")
    return f"{place.rstrip('`')}: {what}" if place else what
