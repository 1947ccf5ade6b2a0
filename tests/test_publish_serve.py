"""`speedmon serve` keeps real pictures in a folder, whole at any moment, and tells which it could not make."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attempts import attempt, failed
from served import DEADLINE_S, SPEEDMON, ended, serving, wait_for

from monitor.lock import alone
from monitor.store.open import open_writer
from monitor.store.write import add

if TYPE_CHECKING:
    from collections.abc import Iterator

PNG, END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of an installation with three runs, whose folder is `www`."""
    (tmp_path / "www").mkdir()
    with open_writer(f"sqlite:///{tmp_path}/speedmon.db") as connection:
        for one in (attempt(0), failed(15), attempt(30)):
            add(connection, one)
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "CACHE_DIRECTORY": str(tmp_path / "cache"),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/speedmon.db",
        "SPEEDMON_COLLECT__LOCK_FILE": str(tmp_path / "lock"),
        "SPEEDMON_PUBLISH__DIRECTORY": str(tmp_path / "www"),
        "SPEEDMON_WEB__PORT": "0",
    }


def published(url: str) -> list[dict[str, Any]]:
    """Return what the API tells of the files, once each was tried."""
    wait_for(lambda: all(one["tried_at"] for one in httpx.get(f"{url}api/v1/published").json()))
    found: list[dict[str, Any]] = httpx.get(f"{url}api/v1/published").json()
    return found


def test_the_folder_is_filled(environ: dict[str, str], tmp_path: Path):
    """A picture a window, with names that stay, for all to read; nothing else, and matplotlib only in the children."""
    with serving(environ, "--no-schedule") as (process, url):
        assert [(one["what"], one["error"]) for one in published(url)] == [
            ("throughput, 1 day", None),
            ("throughput, 30 days", None),
        ]
        assert "matplotlib" not in Path(f"/proc/{process.pid}/maps").read_text()
        code, _, stderr = ended(process)
    assert (code, stderr) == (0, "")
    files = sorted((tmp_path / "www").iterdir())
    assert [file.name for file in files] == ["latest-1d.png", "latest-30d.png"]
    assert all(file.read_bytes().startswith(PNG) and file.stat().st_mode & 0o777 == 0o644 for file in files)


def test_a_reader_never_sees_half_a_picture(environ: dict[str, str], tmp_path: Path):
    """While a new picture takes the place of the old one, whoever reads has one or the other, whole."""
    file = tmp_path / "www" / "latest-30d.png"
    file.write_bytes(PNG + END)
    seen, stop = [], threading.Event()

    def read() -> Iterator[bytes]:
        while not stop.is_set():
            yield file.read_bytes()

    reader = threading.Thread(target=lambda: seen.extend(read()))
    reader.start()
    with serving(environ | {"SPEEDMON_PUBLISH__DAYS": "30"}, "--no-schedule") as (_, url):
        assert published(url)[0]["error"] is None
    stop.set()
    reader.join()
    assert {*seen, file.read_bytes()} == {PNG + END, file.read_bytes()}
    assert file.read_bytes().endswith(END)
    assert file.stat().st_size > 1000


def test_a_picture_that_fails_is_told_and_the_others_are_made(environ: dict[str, str], tmp_path: Path):
    """The log has one line for it, the API its error, the page a link to that; the next picture is there."""
    (tmp_path / "www" / "latest-1d.png").mkdir()
    with serving(environ, "--no-schedule") as (process, url):
        day, month = published(url)
        assert (day["updated_at"], month["error"]) == (None, None)
        assert f"{tmp_path}/www/latest-1d.png: cannot be written: Is a directory" in day["error"]
        assert '<a href="/api/v1/published">1 of 2 published files failed</a>' in httpx.get(url).text
        code, _, stderr = ended(process)
    assert code == 0
    assert stderr.startswith("speedmon: publish: throughput, 1 day: ")
    assert stderr.count("\n") == 1


def test_nothing_is_drawn_while_a_test_runs(environ: dict[str, str], tmp_path: Path):
    """With the lock held by a test no child is started; when the test has ended the pictures come."""
    with alone(environ["SPEEDMON_COLLECT__LOCK_FILE"]), serving(environ, "--no-schedule") as (process, url):
        assert {one["tried_at"] for one in httpx.get(f"{url}api/v1/published").json()} == {None}
        code, seconds, _ = ended(process)
        assert (code, list((tmp_path / "www").iterdir())) == (0, [])
        assert seconds < 3
    with serving(environ, "--no-schedule") as (_, url):
        assert [one["error"] for one in published(url)] == [None, None]


def test_another_database_is_only_looked_at(environ: dict[str, str]):
    """Whoever looks into a fleet's database does not write its pictures over this probe's."""
    url = environ.pop("SPEEDMON_DATABASE_URL")
    with serving(environ, "--database-url", url) as (_, page):
        assert httpx.get(f"{page}api/v1/published").json() == []


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("DIRECTORY", "/nowhere/www", "speedmon: publish.directory: /nowhere/www: there is no such folder: make it"),
        ("DIRECTORY", "www", "speedmon: SPEEDMON_PUBLISH__DIRECTORY: "),
        ("KINDS", "speed", "speedmon: publish.kinds: there is no graph 'speed': it is one of throughput, "),
    ],
)
def test_a_mistake_keeps_the_daemon_from_starting(environ: dict[str, str], key: str, value: str, says: str):
    """Exit 2 and one line that names the key, before anything is served."""
    environ |= {f"SPEEDMON_PUBLISH__{key}": value}
    done = subprocess.run(
        [SPEEDMON, "serve", "--no-schedule"],
        env=environ, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(says)


def test_a_folder_of_others_is_a_mistake(environ: dict[str, str]):
    """A folder that is there but cannot be written, even by root, keeps the daemon from starting as well."""
    folder = "/proc/sys" if os.geteuid() == 0 else "/etc"
    environ |= {"SPEEDMON_PUBLISH__DIRECTORY": folder}
    done = subprocess.run(
        [SPEEDMON, "serve"], env=environ, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 2
    assert f"publish.directory: {folder}: cannot be written: give it to the user" in done.stderr
