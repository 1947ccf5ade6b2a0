"""The folder that is kept up to date: every file on the schedule, and the state of each, whatever fails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from example_runs import make_attempt

from monitor.config.settings import CollectSettings, DatabaseSettings, PublishSettings, Settings
from monitor.errors import ConfigError
from monitor.scheduler.publish import Publisher
from monitor.store.connection import open_writer
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from monitor.scheduler.publish import PublishItem

DEADLINE_S = 120

# Read from a file it would have to be a whole number; the class itself does not ask.
EVERY_SECOND: Any = 1 / 60


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Publisher]]:
    """Yield a function that starts a publisher whose files a shell script makes, with what it makes as $1."""
    publishers: list[Publisher] = []
    (tmp_path / "www").mkdir()

    def started(script: str, **section: Any) -> Publisher:
        def command(item: PublishItem) -> list[str]:
            return ["/bin/sh", "-c", f"cd {tmp_path}/www; {script}", "sh", item.what]

        settings = Settings(
            collect=CollectSettings(lock_file=str(tmp_path / "lock")),
            publish=PublishSettings(directory=str(tmp_path / "www"), **section),
            database=DatabaseSettings(f"sqlite:///{tmp_path}/speedmon.db"),
        )
        publishers.append(Publisher(settings, None, command=command))
        publishers[-1].start()
        return publishers[-1]

    yield started
    for publisher in publishers:
        publisher.stop()
        publisher.finish(DEADLINE_S)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, for a while at most."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def errors(publisher: Publisher) -> list[str | None]:
    """Return the error of each file, None for one that was made, once all were tried."""
    wait_for(lambda: all(one.tried_at for one in publisher.state()))
    return [one.error for one in publisher.state()]


def test_every_file_is_made_at_the_start(start: Callable[..., Publisher], tmp_path: Path):
    """The folder is filled without waiting for the first hour to pass."""
    publisher = start('touch "$1"')
    assert errors(publisher) == [None, None]
    assert sorted(file.name for file in (tmp_path / "www").iterdir()) == ["throughput, 1 day", "throughput, 30 days"]
    assert all(one.updated_at == one.tried_at for one in publisher.state())


def test_a_file_that_fails_stops_no_other(start: Callable[..., Publisher], caplog: pytest.LogCaptureFixture):
    """One line in the log names it, its state keeps the error, and the files after it are made."""
    publisher = start('case "$1" in *" 1 day") echo "speedmon: no room" >&2; exit 1; esac')
    assert errors(publisher) == ["no room (ended with exit 1)", None]
    assert [record.getMessage() for record in caplog.records] == [
        "publish: throughput, 1 day: no room (ended with exit 1)"
    ]
    assert publisher.state()[0].updated_at is None


def test_a_failure_does_not_stop_the_schedule(start: Callable[..., Publisher], tmp_path: Path):
    """The next slot tries again, and a success clears the error."""
    publisher = start("test -e mended", every_minutes=EVERY_SECOND, days=[1])
    assert errors(publisher) == ["no error message (ended with exit 1)"]
    (tmp_path / "www" / "mended").touch()
    wait_for(lambda: publisher.state()[0].error is None)
    assert publisher.state()[0].updated_at


def test_a_folder_that_went_away_is_one_line(
    start: Callable[..., Publisher], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """A disk that was taken out is logged once an update, not once a file, and nothing is made in its place."""
    publisher = start("true", every_minutes=EVERY_SECOND)
    assert errors(publisher) == [None, None]
    (tmp_path / "www").rename(tmp_path / "unplugged")
    wait_for(lambda: all(one.error for one in publisher.state()))
    assert "www: No such file or directory: create it, writable" in str(publisher.state()[1].error)
    assert all(one.updated_at for one in publisher.state())
    assert caplog.records[0].getMessage().startswith(f"publish: {tmp_path}/www: No such file or directory")
    assert not (tmp_path / "www").exists()


def test_an_update_that_breaks_is_logged(
    start: Callable[..., Publisher], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """A store that cannot be read is one line in the log; it is read only to look for new runs."""
    (tmp_path / "speedmon.db").mkdir()
    start("true", every_minutes=0)
    wait_for(lambda: bool(caplog.records))
    assert "publish: " in caplog.text
    assert "speedmon.db" in caplog.text


def test_zero_minutes_means_a_new_run(start: Callable[..., Publisher], tmp_path: Path):
    """Files are made at the first check, and at each later one that finds a new run."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt(0))
    publisher = start("echo made >>passes", every_minutes=0, days=[1])
    assert errors(publisher) == [None]
    publisher._update_files()  # noqa: SLF001  the check of the next minute
    assert (tmp_path / "www" / "passes").read_text() == "made\n"
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt(15))
    publisher._update_files()  # noqa: SLF001  the same
    assert (tmp_path / "www" / "passes").read_text() == "made\nmade\n"


def test_the_first_check_makes_the_files_even_without_runs(start: Callable[..., Publisher], tmp_path: Path):
    """The graphs say that nothing was measured; the folder is not empty."""
    with open_writer(f"sqlite:///{tmp_path}/speedmon.db"):
        pass
    assert errors(start("true", every_minutes=0, days=[1])) == [None]


def test_the_next_update_removes_what_a_killed_child_left(start: Callable[..., Publisher], tmp_path: Path):
    """Half a file that a power cut or a kill left under its hidden name does not stay in the folder."""
    (tmp_path / "www" / ".latest-1d.png.4999999.part").touch()
    assert errors(start("true")) == [None, None]
    assert not list((tmp_path / "www").iterdir())


@pytest.mark.parametrize(
    ("name", "says"),
    [("missing", "No such file or directory: create it, writable"), ("file", "is not a folder: name one")],
)
def test_a_folder_that_cannot_be_written_is_a_mistake(tmp_path: Path, name: str, says: str):
    """It is reported at the start, with the key and the path."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^publish\.directory: ") as caught:
        Publisher(Settings(publish=PublishSettings(directory=str(tmp_path / name))), None)
    assert f"{tmp_path / name}: {says}" in str(caught.value)
