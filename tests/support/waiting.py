"""Waiting for what must come, with an end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_S = 30
T = TypeVar("T")


def until(condition: Callable[[], T]) -> T:
    """Wait for a condition to hold, and return what it gave."""
    end = time.monotonic() + LONGEST_S
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    pytest.fail("it never came true")
