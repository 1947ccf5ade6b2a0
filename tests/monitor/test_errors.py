"""The error trees: documented at their top, raised somewhere, each with an exit code of the contract."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import monitor.errors
import netns.errors

ROOT = Path(monitor.errors.__file__).parents[1]

SOURCES = "\n".join(
    file.read_text() for folder in ("monitor", "netns", "web") for file in (ROOT / folder).rglob("*.py")
)

ERRORS = [
    error
    for module in (monitor.errors, netns.errors)
    for _, error in inspect.getmembers(module, inspect.isclass)
    if issubclass(error, Exception)
]

ids = [error.__name__ for error in ERRORS]


@pytest.mark.parametrize("error", ERRORS, ids=ids)
def test_tree_at_the_top_names_the_class(error: type[Exception]):
    """The docstring of the module shows each class, so that a reader sees the whole tree at once."""
    assert error.__name__ in (inspect.getmodule(error).__doc__ or "")


@pytest.mark.parametrize("error", ERRORS, ids=ids)
def test_exit_code_is_one_of_the_contract(error: type[Exception]):
    """Each class knows its exit code and whether a retry makes sense."""
    assert error.exit_code in {1, 2, 5, 6}
    assert isinstance(error.retry, bool)


@pytest.mark.parametrize("error", ERRORS[1:], ids=ids[1:])
def test_class_is_used(error: type[Exception]):
    """A class that nothing raises or catches is a promise that nobody keeps."""
    assert len(re.findall(rf"\b{error.__name__}\b", SOURCES)) > 2
