"""Advice to the user: for every kind, on one line, and as on the page of failures."""

from __future__ import annotations

import re

import pytest
from failure_table import DOCUMENT, failure_rows, make_document

from monitor.config.settings import Settings
from monitor.diagnosis.advice import ADVICE, ADVICE_BY_ENGINE, ADVICE_BY_SCOPE, advice_for, needs_no_advice
from monitor.engines.registry import BUILT_IN
from monitor.model import Failure, FailureKind, Scope

WORDS = [*ADVICE.values(), *ADVICE_BY_SCOPE.values(), *ADVICE_BY_ENGINE.values()]


def test_every_kind_has_advice() -> None:
    """No kind of failure leaves a user without a word."""
    assert set(ADVICE) == set(FailureKind)


@pytest.mark.parametrize("words", WORDS)
def test_advice_is_a_clause(words: str) -> None:
    """Each advice fits behind a message on its line."""
    assert words.isprintable()
    assert len(words) <= 120
    assert not words.endswith(".")


@pytest.mark.parametrize("words", WORDS)
def test_settings_that_are_named_exist(words: str) -> None:
    """A setting that an advice names can be set."""
    for section, key in re.findall(r"\b([a-z_0-9]+)\.([a-z_]+)\b", words):
        assert hasattr(getattr(Settings(), section), key)


def test_scope_and_engine_change_the_advice() -> None:
    """Where whose fault it is, or whose server, changes what to do, the advice is another one."""
    local, provider = (Failure(FailureKind.CRASHED, scope, None, "x", 1) for scope in (Scope.LOCAL, Scope.PROVIDER))
    assert advice_for(local, "ookla") == ADVICE_BY_SCOPE[FailureKind.CRASHED, Scope.LOCAL]
    assert advice_for(provider, "ookla") == ADVICE[FailureKind.CRASHED]
    refused = Failure(FailureKind.REFUSED, Scope.PROVIDER, None, "x", 1)
    assert advice_for(refused, "iperf3") == ADVICE_BY_ENGINE["iperf3", FailureKind.REFUSED]


@pytest.mark.parametrize(
    ("failure", "enough"),
    [
        (Failure(FailureKind.LICENCE, Scope.CONFIG, "start", "x"), True),
        (Failure(FailureKind.LICENCE, Scope.CONFIG, "start", "x", 1), False),
        (Failure(FailureKind.INTERRUPTED, Scope.LOCAL, None, "x", None, 15), True),
        (Failure(FailureKind.TIMEOUT, Scope.UNKNOWN, "download", "x", None, 9), False),
    ],
)
def test_messages_that_say_enough(failure: Failure, enough: bool) -> None:
    """A failure before the engine started names its own fix, and whoever ended a test knows why."""
    assert needs_no_advice(failure) is enough


def test_page_of_failures_is_what_the_code_says() -> None:
    """docs/failures.md is up to date; `python tests/support/failure_table.py` makes it."""
    assert DOCUMENT.read_text() == make_document()


def test_page_has_every_engine_and_kind() -> None:
    """Every engine has rows, and each kind of failure occurs."""
    rows = failure_rows()
    assert set(BUILT_IN) <= set(rows)
    kinds = {row.failure.kind for part in rows.values() for row in part}
    assert kinds == set(FailureKind)
