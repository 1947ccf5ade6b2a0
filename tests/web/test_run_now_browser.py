"""A test that somebody starts in a browser: it is watched to its stored row, and another is cancelled."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import browsing
from places import DATA
from serve_process import serving, wait_for

from monitor.model import Run, Status, Trigger
from monitor.store.connection import open_reader
from monitor.store.read import latest_runs

if TYPE_CHECKING:
    from browser import Browser

# Measures nothing until it is told to go on, and then prints a recording.
WAITS = """#!/bin/sh
case "$*" in
  *--version*) echo "Speedtest by Ookla 1.2.0.84 (stand-in) Linux/x86_64" ;;
  *) while [ ! -e "$0.go" ]; do sleep 0.1; done; cat {recording} ;;
esac
"""

CLICK = "document.querySelector('button[value={}]').click()"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of an installation of its own, whose engine waits."""
    engine = tmp_path / "speedtest"
    engine.write_text(
        WAITS.format(recording=shlex.quote(str(DATA / "ookla" / "v1.2_jsonl_stream_synthetic_full_shape.jsonl")))
    )
    engine.chmod(0o755)
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "CACHE_DIRECTORY": str(tmp_path / "cache"),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/speedmon.db",
        "SPEEDMON_COLLECT__ENGINE": "ookla",
        "SPEEDMON_COLLECT__PATH": "host",
        "SPEEDMON_COLLECT__PROBE_FAILURES": "false",
        "SPEEDMON_COLLECT__LOCK_FILE": str(tmp_path / "lock"),
        "SPEEDMON_OOKLA__BINARY": str(engine),
        "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
        "SPEEDMON_WEB__PORT": "0",
    }


def rows(environ: dict[str, str]) -> list[Run]:
    """Return the stored runs, newest first."""
    with open_reader(environ["SPEEDMON_DATABASE_URL"]) as connection:
        return latest_runs(connection, limit=10)


def start(tab: Browser, url: str) -> None:
    """Click, and wait until the page shows the running test."""
    tab.open(f"{url}test")
    tab.run(CLICK.format("start"))
    tab.wait_for_load()
    assert tab.run("document.querySelector('button[value=cancel]') !== null")
    tab.wait_until("/^Testing now: (?!starting)/.test(document.getElementById('progress').textContent)")


def test_a_test_is_started_watched_and_cancelled_in_a_browser(environ: dict[str, str], tmp_path: Path):
    """The page follows it to its row; a cancelled one is stored as interrupted. The console stays empty."""
    engine = Path(environ["SPEEDMON_OOKLA__BINARY"])
    with serving(environ, "--no-schedule") as (_, url), browsing(tmp_path / "browser") as tab:
        start(tab, url)
        Path(f"{engine}.go").touch()
        tab.wait_for_load()
        (run,) = rows(environ)
        assert (run.status, run.trigger) == (Status.OK, Trigger.WEB)
        assert tab.run("location.pathname") == f"/runs/{run.id}"
        Path(f"{engine}.go").unlink()
        start(tab, url)
        tab.run(CLICK.format("cancel"))
        wait_for(lambda: rows(environ)[0].status is Status.INTERRUPTED)
        assert len(rows(environ)) == 2
        assert tab.complaints == []
        assert {address.startswith(url) for address in tab.requests if not address.startswith("about:")} == {True}
