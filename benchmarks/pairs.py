"""Times two alternatives in turn, so that a machine whose speed drifts does not favour either."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Pairs:
    """Figures of two alternatives, taken in turn: `first[i]` and `second[i]` belong together."""

    first: list[float]
    second: list[float]

    @property
    def ratios(self) -> list[float]:
        """Return first / second for each pair."""
        return [a / b for a, b in zip(self.first, self.second, strict=True)]

    def __str__(self) -> str:
        first, second, ratio = map(_spread, (self.first, self.second, self.ratios))
        return f"{first} against {second}, ratio {ratio}"


def _spread(figures: list[float]) -> str:
    return f"{statistics.median(figures):.4g} ({min(figures):.4g} to {max(figures):.4g})"


def in_turn(first: Callable[[], float], second: Callable[[], float], rounds: int) -> Pairs:
    """Take `rounds` pairs of figures after one warm-up of each."""
    first(), second()
    taken = [(first(), second()) for _ in range(rounds)]
    return Pairs([a for a, _ in taken], [b for _, b in taken])


def milliseconds(action: Callable[[], object]) -> Callable[[], float]:
    """Return a function that calls `action` and returns how long it took, in ms of wall time."""

    def timed() -> float:
        begin = time.perf_counter()
        action()
        return (time.perf_counter() - begin) * 1000

    return timed
