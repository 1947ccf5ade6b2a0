"""A database without tables, for the tests that create them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from postgres_cluster import Cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def either_empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database of each kind that is empty: without even our tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/speedmon.db"
    server: Cluster = request.getfixturevalue("cluster")
    return server.database()
