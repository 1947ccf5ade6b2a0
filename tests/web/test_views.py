"""The words of the page."""

from __future__ import annotations

import pytest

from monitor.model import Failure, FailureKind, NetworkPath, Scope, Status
from web import views


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (views.KIND_LABELS, FailureKind),
        (views.SCOPE_LABELS, Scope),
        (views.HEADLINES, Scope),
        (views.CULPRIT_LABELS, Scope),
        (views.STATUS_LABELS, Status),
        (views.PATH_LABELS, NetworkPath),
    ],
)
def test_every_name_has_its_words(table: dict[str, str], names: type):
    """A name that is added to the model gets words."""
    assert list(table) == list(names)


@pytest.mark.parametrize(
    ("exit_code", "signal", "text"), [(2, None, "exit code 2"), (None, 9, "signal 9"), (0, None, ""), (None, None, "")]
)
def test_endings(exit_code: int | None, signal: int | None, text: str):
    """An exit code or a signal is told, none is not."""
    assert views.exit_text(Failure(FailureKind.CRASHED, Scope.LOCAL, None, "", exit_code, signal)) == text


@pytest.mark.parametrize(
    ("value", "sold", "text"), [(95e6, 100e6, "95 % of the plan"), (95e6, None, ""), (None, 1, "")]
)
def test_share_of_the_plan(value: float | None, sold: float | None, text: str):
    """Without a plan or a value there is no share."""
    assert views.plan_share_text(value, sold) == text
