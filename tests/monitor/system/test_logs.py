"""The log: entries of the journal by its native protocol, over a real socket, and lines on a terminal."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from installation import DNS, STREAM, Installation, make_installation

from monitor.system import logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Yield a socket in place of the journal's."""
    monkeypatch.setattr(logs, "JOURNAL_SOCKET", str(tmp_path / "journal"))
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(tmp_path / "journal"))
        listener.settimeout(60)
        yield listener


def decode_entry(content: bytes) -> dict[str, str]:
    """Return the fields of an entry, as the journal reads them."""
    fields = {}
    while content:
        line, _, content = content.partition(b"\n")
        name, separator, value = line.partition(b"=")
        if not separator:
            size = int.from_bytes(content[:8], "little")
            value, content = content[8 : 8 + size], content[9 + size :]
        fields[name.decode()] = value.decode()
    return fields


@pytest.mark.parametrize("value", ["one line", "two\nlines", "a=b", "\n", "é\udcff", "x\nMESSAGE=forged\n"])
def test_no_value_forges_a_field(value: str):
    """Whatever a message holds, the journal reads it as one value."""
    fields = {"MESSAGE": value, "PRIORITY": "4", "EMPTY": ""}
    shown = value.encode("utf-8", "backslashreplace").decode()
    assert decode_entry(logs.encode_entry(fields)) == {"MESSAGE": shown, "PRIORITY": "4"}


def test_a_record_has_its_level_and_the_id_of_its_run(journal: socket.socket):
    """Each level is that of syslog(3); before and after a run there is no id."""
    handler = logs.LineHandler({"JOURNAL_STREAM": "1:2"})
    entries = []
    for level, run_id in (
        (logging.DEBUG, None),
        (logging.INFO, "a-b"),
        (logging.WARNING, "a-b"),
        (logging.ERROR, None),
    ):
        logs.set_run_id(run_id)
        handler.emit(logging.LogRecord("monitor.x", level, "", 0, "no %s\n here", ("space",), None))
        entries.append(decode_entry(journal.recv(65_536)))
    logs.set_run_id(None)
    assert [(entry["PRIORITY"], entry.get("RUN_ID")) for entry in entries] == [
        ("7", None),
        ("6", "a-b"),
        ("4", "a-b"),
        ("3", None),
    ]
    assert {(entry["MESSAGE"], entry["SYSLOG_IDENTIFIER"]) for entry in entries} == {("no space here", "speedmon")}


def test_a_terminal_gets_one_line_for_each_message(capsys: pytest.CaptureFixture[str]):
    """An exception is at the end of its line, and what is no warning is left out."""
    handler = logs.LineHandler({})
    error = ValueError("first\nsecond")
    handler.emit(logging.LogRecord("x", logging.ERROR, "", 0, "it\nbroke", (), (ValueError, error, None)))
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "fine", (), None))
    assert capsys.readouterr().err == "speedmon: it broke: ValueError: first second\n"


@pytest.mark.usefixtures("journal")
def test_without_a_journal_nothing_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A socket that is gone sends the line to stderr."""
    handler = logs.LineHandler({"JOURNAL_STREAM": "1:2"})
    (tmp_path / "journal").unlink()
    handler.write("a line", logging.WARNING)
    assert capsys.readouterr().err == "speedmon: a line\n"


PROGRAM = """
import sys
from monitor.system import logs
logs.JOURNAL_SOCKET = sys.argv.pop(1)
from monitor.cli.main import main
main()
"""


@pytest.fixture
def site(tmp_path: Path) -> Installation:
    """Return an installation that confirms failures at once."""
    return make_installation(tmp_path, "attempts = 1")


def collect(site: Installation, socket_path: Path) -> tuple[str, str]:
    """Run a test whose stderr is the journal's stream; return what it wrote there, and to stdout."""
    read, write = os.pipe()
    state = os.fstat(write)
    environ = site.environ | {"JOURNAL_STREAM": f"{state.st_dev}:{state.st_ino}"}
    command = [sys.executable, "-c", PROGRAM, str(socket_path), "collect", "-q"]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=write, check=False)
    os.close(write)
    with os.fdopen(read) as stream:
        return stream.read(), done.stdout.decode()


def test_a_test_is_one_entry_with_its_run_id(site: Installation, tmp_path: Path, journal: socket.socket):
    """The journal can be asked for a run: a result is information, a failure a warning; neither stands there twice."""
    site.script(stdout=STREAM)
    assert collect(site, tmp_path / "journal") == ("", "")
    site.script(stderr=DNS, exit_code=2)
    assert collect(site, tmp_path / "journal") == ("", "")
    entries = [decode_entry(journal.recv(65_536)) for _ in range(2)]
    assert [entry["RUN_ID"] for entry in entries] == [run.id for run in reversed(site.rows())]
    assert [entry["PRIORITY"] for entry in entries] == ["6", "4"]
    assert entries[0]["MESSAGE"].startswith("measured: download ")
    assert entries[1]["MESSAGE"].startswith("test failed: ")
