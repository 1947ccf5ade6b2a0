"""The phrases of a report, and its numbers as text."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from monitor.model import FailureKind, NetworkPath, Scope
from monitor.report import wording

BERLIN = ZoneInfo("Europe/Berlin")


def test_every_kind_scope_and_path_has_a_phrase():
    """So that none fails only when it is met."""
    assert (set(wording.KIND_PHRASES), set(wording.SCOPE_PHRASES), set(wording.PATH_PHRASES)) == (
        set(FailureKind),
        set(Scope),
        set(NetworkPath),
    )


@pytest.mark.parametrize(
    ("p", "wanted"),
    [(0.2, "not significant (p = 0.2"), (0.004, "significant (p = 0.004"), (1e-9, "highly significant")],
)
def test_a_p_value_is_given_in_words_and_as_a_number(p: float, wanted: str):
    """And what the number means."""
    assert wording.significance_phrase(p).startswith(wanted)
    assert "by chance alone" in wording.significance_phrase(p)
