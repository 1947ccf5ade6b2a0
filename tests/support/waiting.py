"""Waiting for a condition, up to a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 120
T = TypeVar("T")


def until(condition: Callable[[], T]) -> T:
    """Wait until a condition returns something true, and return that."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.01)
    pytest.fail(f"the condition did not hold within {DEADLINE_S} s")
