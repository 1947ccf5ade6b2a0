"""The launcher, for the tests of what installs it and of what enters by it."""

from __future__ import annotations

import pytest

from netns.launcher import install


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the launcher of namespace `ip4only`, compiled once."""
    return install.build_launcher("ip4only", tmp_path_factory.mktemp("launcher"))
