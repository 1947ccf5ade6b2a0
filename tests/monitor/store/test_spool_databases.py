"""Each database has its own spool: a run is stored where it belongs, whoever comes first, and none is lost."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from example_runs import make_attempt, run_id

from monitor.errors import StoreError
from monitor.store import read, spool
from monitor.store.connection import open_reader
from monitor.store.database_file import database_key
from monitor.store.deliver import deliver_attempt
from monitor.system import files

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Attempt


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state directory."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def url_of(state: Path, name: str) -> str:
    """Return the URL of a database in a folder of its own, or of the default one."""
    if name == "default":
        return f"sqlite:///{state}/speedmon.db"
    return f"sqlite:///{state.parent}/{name}/speedmon.db"


def stored(url: str) -> set[str]:
    """Return the ids of the stored runs."""
    with open_reader(url) as connection:
        return {run.id for run in read.latest_runs(connection, limit=100)}


def damage(url: str) -> None:
    """Let nothing be stored in a database until `repair`."""
    file = spool.database_file.sqlite_path(url)
    assert file is not None
    file.parent.mkdir(exist_ok=True)
    if file.exists():
        file.rename(file.with_suffix(".kept"))
    file.write_bytes(b"garbage" * 100)


def repair(url: str) -> None:
    """Put the database back."""
    file = spool.database_file.sqlite_path(url)
    assert file is not None
    file.unlink()
    if file.with_suffix(".kept").exists():
        file.with_suffix(".kept").rename(file)


@pytest.mark.parametrize(("first", "second"), [("home", "office"), ("default", "office"), ("home", "default")])
@pytest.mark.parametrize("probes", [("home", "office"), ("same", "same")])
def test_a_kept_run_waits_for_its_database(state: Path, first: str, second: str, probes: tuple[str, str]):
    """Two lines share a state directory; a run of one that could not be stored never gets into the other's."""
    one, other = url_of(state, first), url_of(state, second)
    damage(one)
    kept = make_attempt(0, probe=probes[0])
    with pytest.raises(StoreError, match="the next run stores it"):
        deliver_attempt(kept, one, state / "spool")
    deliver_attempt(theirs := make_attempt(1, probe=probes[1]), other, state / "spool")
    repair(one)
    deliver_attempt(later := make_attempt(2, probe=probes[0]), one, state / "spool")
    assert (stored(one), stored(other)) == ({kept.run.id, later.run.id}, {theirs.run.id})


def test_the_key_is_that_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Password, driver, options and folder of the process do not matter; host, port and name do."""
    same = ["postgresql://ann:old@db:5433/line", "postgresql+psycopg://ann:new@db:5433/line?sslmode=require"]
    others = ["postgresql://ann@db/line", "postgresql://ann@db:5433/other", f"sqlite:///{tmp_path}/line"]
    assert len({database_key(url) for url in same}) == 1
    assert len({database_key(url) for url in same + others}) == 4
    monkeypatch.chdir(tmp_path)
    assert database_key("sqlite:///line") == database_key(f"sqlite:///{tmp_path}/line")


def test_the_folder_says_whose_it_is_without_the_password(state: Path):
    """An admin finds out for which database runs are waiting."""
    folder = spool.open_spool(state / "spool", "postgresql://ann:secret@db/line").folder
    files.make_folder(folder, 0o700)
    spool.name_folder(folder, "postgresql://ann:secret@db/line")
    assert (folder / spool.NAME_FILE).read_text() == "postgresql://ann:***@db/line\n"


def leave_behind(state: Path, attempt: Attempt, suffix: str = ".json") -> Path:
    """Leave a run, or a note of one, as an earlier release did."""
    (state / "spool").mkdir(exist_ok=True)
    file = state / "spool" / f"{attempt.run.id}{suffix}"
    file.write_bytes(msgspec.json.encode(attempt))
    return file


def test_what_an_earlier_release_left_goes_where_its_probe_is(state: Path, caplog: pytest.LogCaptureFixture):
    """The line whose database has the probe takes it; what nobody knows is named and kept."""
    home, office = url_of(state, "home"), url_of(state, "office")
    left = [leave_behind(state, make_attempt(0, probe=probe, id=run_id(probe))) for probe in ("office", "home", "gone")]
    deliver_attempt(make_attempt(1, probe="home"), home, state / "spool")
    assert run_id("office") not in stored(home)
    deliver_attempt(make_attempt(2, probe="office"), office, state / "spool")
    assert run_id("home") in stored(home)
    assert run_id("office") in stored(office)
    assert [file.exists() for file in left] == [False, False, True]
    assert f"{left[2]}: waits for a test of the database that has the probe 'gone'" in caplog.text


def test_of_two_databases_with_the_probe_the_default_one_takes_it(state: Path):
    """Nobody knows more of a run than its probe."""
    default, office = url_of(state, "default"), url_of(state, "office")
    deliver_attempt(make_attempt(0), default, state / "spool")
    leave_behind(state, make_attempt(1, id=run_id("left")))
    deliver_attempt(make_attempt(2), office, state / "spool")
    assert run_id("left") not in stored(office)
    deliver_attempt(make_attempt(3), default, state / "spool")
    assert run_id("left") in stored(default)


def test_a_note_of_an_earlier_release_becomes_a_run(state: Path):
    """A test was killed just before the upgrade."""
    url = url_of(state, "home")
    leave_behind(state, make_attempt(0, id=run_id("cut")), ".started")
    spool.recover_notes(spool.open_spool(state / "spool", url))
    deliver_attempt(make_attempt(1), url, state / "spool")
    assert run_id("cut") in stored(url)


@pytest.mark.parametrize("suffix", [".json", ".broken"])
def test_a_run_that_was_kept_is_not_replaced_by_its_note(state: Path, suffix: str):
    """Killed after the run was kept and before the note was gone, the test is recorded as measured, once."""
    waiting = spool.open_spool(state / "spool", url_of(state, "home"))
    attempt = make_attempt(0)
    file = spool.save_attempt(waiting.folder, attempt)
    file.rename(file.with_suffix(suffix))
    note = waiting.folder / f"{attempt.run.id}.started"
    note.write_bytes(
        msgspec.json.encode(replace(attempt, run=replace(attempt.run, download_bps=None, upload_bps=None)))
    )
    assert spool.recover_notes(waiting) == 0
    assert not note.exists()
    assert [kept for _, kept in spool.load_attempts(waiting.folder)] == ([attempt] if suffix == ".json" else [])


def test_what_a_killed_process_left_half_written_is_removed(state: Path):
    """It is no run, and would lie there for ever."""
    waiting = spool.open_spool(state / "spool", url_of(state, "home"))
    waiting.folder.mkdir(parents=True)
    (waiting.folder / ".x.json.0123456789abcdef.4999999.part").write_bytes(b"{")
    spool.recover_notes(waiting)
    assert os.listdir(waiting.folder) == []  # noqa: PTH208  names are enough


def test_a_database_that_is_replaced_while_a_run_is_stored(state: Path, monkeypatch: pytest.MonkeyPatch):
    """The run went into a file that is no longer there, so it is stored once more."""
    from monitor.store import deliver  # noqa: PLC0415  one of its functions is replaced

    url, add = url_of(state, "default"), deliver.add_attempt
    deliver_attempt(make_attempt(0), url, state / "spool")
    times = []

    def add_and_lose(connection: object, attempt: Attempt) -> None:
        add(connection, attempt)
        times.append(1)
        if len(times) == 1:
            (state / "speedmon.db").rename(state / "old.db")

    monkeypatch.setattr(deliver, "add_attempt", add_and_lose)
    deliver_attempt(late := make_attempt(1), url, state / "spool")
    assert stored(url) == {late.run.id}
