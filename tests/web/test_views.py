"""The texts of the page."""

from __future__ import annotations

import pytest
from example_runs import make_attempt

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
def test_every_member_has_its_text(table: dict[str, str], names: type):
    """A member that is added to the model gets a text."""
    assert list(table) == list(names)


@pytest.mark.parametrize(
    ("exit_code", "signal", "text"), [(2, None, "exit code 2"), (None, 9, "signal 9"), (0, None, ""), (None, None, "")]
)
def test_exit_codes_and_signals(exit_code: int | None, signal: int | None, text: str):
    """An exit code or a signal is shown; without one there is no text."""
    assert views.exit_text(Failure(FailureKind.CRASHED, Scope.LOCAL, None, "", exit_code, signal)) == text


@pytest.mark.parametrize(
    ("value", "sold", "text"), [(95e6, 100e6, "95 % of the plan"), (95e6, None, ""), (None, 1, "")]
)
def test_share_of_the_plan(value: float | None, sold: float | None, text: str):
    """Without a plan or a value there is no share."""
    assert views.plan_share_text(value, sold) == text


def test_a_skipped_run_has_nobody_at_fault():
    """The reason in its message is all that is shown."""
    reason = Failure(FailureKind.UNKNOWN, Scope.LOCAL, None, "quiet hours")
    row = views.to_row(make_attempt(status=Status.SKIPPED, failure=reason, healthy=None).run)
    assert (row.status, row.what, row.whose) == ("Skipped", "", "")
