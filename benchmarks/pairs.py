"""Two ways of doing a thing, timed in turn, so that a machine whose speed drifts does not favour either."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Pairs:
    """Figures of two ways, taken in turn: `first[i]` and `second[i]` belong together."""

    first: list[float]
    second: list[float]

    @property
    def ratio(self) -> float:
        """The median of first / second, pair by pair."""
        return statistics.median(a / b for a, b in zip(self.first, self.second, strict=True))

    def __str__(self) -> str:
        figures = (
            f"{statistics.median(each):.4g} ({min(each):.4g} to {max(each):.4g})" for each in (self.first, self.second)
        )
        return f"{' against '.join(figures)}, ratio {self.ratio:.3f}"


def in_turn(first: Callable[[], float], second: Callable[[], float], rounds: int) -> Pairs:
    """Take `rounds` pairs of figures after one warm-up of each."""
    first(), second()
    taken = [(first(), second()) for _ in range(rounds)]
    return Pairs([a for a, _ in taken], [b for _, b in taken])


def milliseconds(action: Callable[[], object]) -> Callable[[], float]:
    """Return a function that does `action` and returns how long it took, in ms of wall time."""

    def timed() -> float:
        begin = time.perf_counter()
        action()
        return (time.perf_counter() - begin) * 1000

    return timed
