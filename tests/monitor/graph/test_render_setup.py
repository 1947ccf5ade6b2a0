"""Where matplotlib keeps its font list."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from monitor.graph.render import prepare_matplotlib

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    """Give matplotlib's log its level back."""
    before = logging.getLogger("matplotlib").level
    yield
    logging.getLogger("matplotlib").setLevel(before)


def test_the_cache_directory_is_made_and_used(tmp_path: Path):
    """Without a wish of the user the font list lasts in our cache directory."""
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    prepare_matplotlib(environ, 1000)
    assert environ["MPLCONFIGDIR"] == str(tmp_path / "cache" / "speedmon" / "matplotlib")
    assert Path(environ["MPLCONFIGDIR"]).is_dir()


def test_a_directory_of_the_user_is_kept(tmp_path: Path):
    """MPLCONFIGDIR counts where it is set, and no directory is made."""
    environ = {"MPLCONFIGDIR": "/somewhere", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    prepare_matplotlib(environ, 1000)
    assert environ["MPLCONFIGDIR"] == "/somewhere"
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_made_becomes_a_temporary_one(tmp_path: Path):
    """A file in the way of the cache directory costs time at each start, but no picture."""
    (tmp_path / "cache").write_bytes(b"")
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    prepare_matplotlib(environ, 1000)
    place = Path(environ["MPLCONFIGDIR"])
    assert place.is_dir()
    assert tmp_path not in place.parents


def test_a_backend_of_the_user_cannot_break_us():
    """An unknown backend in the environment would end the import of matplotlib."""
    environ = {"MPLCONFIGDIR": "/somewhere", "MPLBACKEND": "nonsense"}
    prepare_matplotlib(environ, 1000)
    assert environ["MPLBACKEND"] == "agg"
