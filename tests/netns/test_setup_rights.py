"""Root without the capabilities of set-up, as in a container, is told what is missing before anything is tried."""

from __future__ import annotations

import pytest

from netns.setup import find_missing_capabilities


@pytest.mark.parametrize(
    ("effective", "missing"),
    [
        ("000001ffffffffff", []),
        ("00000000a80425fb", ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]),
        ("00000000a80435fb", ["CAP_SYS_ADMIN"]),
        ("0000000000200000", ["CAP_NET_ADMIN"]),
        ("0000000000000000", ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]),
    ],
)
def test_what_root_lacks_is_named(effective: str, missing: list[str]):
    """The second is root in a container with the usual capabilities."""
    status = f"Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t{effective}\nSeccomp:\t0\n"
    assert find_missing_capabilities(status) == missing
