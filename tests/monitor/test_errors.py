"""The error trees: documented at their top, used somewhere, each class with an exit code of the contract."""

from __future__ import annotations

import inspect
import re

import pytest
from places import ROOT

import monitor.errors
import netns.errors
from monitor.errors import SpeedmonError

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

OURS = [error for error in ERRORS if issubclass(error, SpeedmonError)]

TREE_LINE = re.compile(
    r"(?P<indent>(│   )?([├└]── )?)(?P<name>\w+Error) +(?P<text>\S.*?) +exit (?P<code>\d)(?P<retry>, retryable)?"
)


@pytest.mark.parametrize("error", ERRORS, ids=ids)
def test_tree_at_the_top_names_the_class(error: type[Exception]):
    """The docstring of the module shows each class, so that a reader sees the entire tree at once."""
    assert error.__name__ in (inspect.getmodule(error).__doc__ or "")


def test_tree_at_the_top_is_the_tree():
    """Each line has the class where its parent puts it, in the module's order, with exit code and retry."""
    lines = [line for line in monitor.errors.__doc__.splitlines() if re.match(r"[│├└─ ]*\w+Error ", line)]
    documented = [
        (len(match["indent"]) // 4, match["name"], int(match["code"]), bool(match["retry"]))
        for line in lines
        if (match := TREE_LINE.fullmatch(line))
    ]
    classes = [value for value in vars(monitor.errors).values() if isinstance(value, type)]
    actual = [(len(error.__mro__) - len(SpeedmonError.__mro__), error) for error in classes]
    assert documented == [(depth, error.__name__, error.exit_code, error.retryable) for depth, error in actual]


@pytest.mark.parametrize("error", OURS, ids=[error.__name__ for error in OURS])
def test_docstring_says_exit_code_and_whether_to_retry(error: type[SpeedmonError]):
    """One sentence: when it happens, its exit code, and whether the same call may succeed later."""
    retryable = "retryable" if error.retryable else "not retryable"
    assert re.fullmatch(rf"[A-Z][^.]+; exit {error.exit_code}, {retryable}\.", inspect.getdoc(error) or "")


@pytest.mark.parametrize("error", ERRORS, ids=ids)
def test_exit_code_is_one_of_the_contract(error: type[Exception]):
    """Each class has its exit code and whether a retry makes sense."""
    assert error.exit_code in {1, 2, 5, 6}
    assert isinstance(error.retryable, bool)


@pytest.mark.parametrize("error", ERRORS[1:], ids=ids[1:])
def test_class_is_used(error: type[Exception]):
    """A class that nothing raises or catches should not exist."""
    assert len(re.findall(rf"\b{error.__name__}\b", SOURCES)) > 2
