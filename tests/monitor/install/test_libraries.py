"""Optional libraries are added to this very installation, or the command that adds them is named."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from monitor.cli.main import cli
from monitor.install import libraries
from monitor.install.libraries import add_libraries, missing_libraries, split_command
from monitor.system.installation import Installation, command_for

if TYPE_CHECKING:
    from pathlib import Path

PIPX = Installation("/home/ann/.local/share/pipx/venvs/speedmon-ip4only", "/p/bin/python", pipx=True, writable=False)


@pytest.mark.parametrize(
    ("here", "words", "variables"),
    [
        (PIPX, ["pipx", "inject", "speedmon-ip4only", "apprise"], {"PIPX_HOME": "/home/ann/.local/share/pipx"}),
        (Installation("/opt/my venv", "/opt/my venv/bin/python"), ["/opt/my venv/bin/python", "-m", "pip"], {}),
        (Installation("/v", "/v/bin/python", pip=False), ["uv", "pip", "install", "--python", "/v/bin/python"], {}),
        (
            Installation("/usr", "/usr/bin/python3", venv=False, writable=False, externally_managed=True),
            ["/usr/bin/python3", "-m", "pip", "install", "--break-system-packages"],
            {},
        ),
    ],
    ids=["pipx", "venv", "uv", "system"],
)
def test_what_runs_is_the_command_that_is_named(here: Installation, words: list[str], variables: dict[str, str]):
    """Without a shell and without sudo, as whoever installs is root."""
    split, variables_before = split_command(command_for(here, ("apprise",)))
    assert split[: len(words)] == words
    assert split[-1] == "apprise"
    assert variables_before == variables


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the command that adds libraries write its arguments and environment; return the file."""
    script, record = tmp_path / "add", tmp_path / "record"
    script.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"open({str(record)!r}, 'w').write(json.dumps([sys.argv[1:], dict(os.environ)]))\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(libraries, "install_command", lambda *names: f"sudo PIPX_HOME=/x {script} {' '.join(names)}")
    return record


def test_a_library_is_added(recorder: Path, monkeypatch: pytest.MonkeyPatch):
    """With the variables of the command, a proxy and pip's own settings, and pipx on the PATH."""
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    monkeypatch.setenv("SUDO_USER", "ann")
    assert add_libraries(("apprise", "paho-mqtt")) == ""
    arguments, environ = json.loads(recorder.read_text())
    assert arguments == ["apprise", "paho-mqtt"]
    assert (environ["PIPX_HOME"], environ["https_proxy"]) == ("/x", "http://proxy:1")
    assert f"{environ['HOME']}/.local/bin" in environ["PATH"].split(os.pathsep)
    assert "SUDO_USER" not in environ


@pytest.mark.parametrize(
    ("command", "reason"),
    [("/nowhere/pipx inject", "No such file"), ("sh -c 'echo no network >&2; exit 1'", "no network"), ("false", "1")],
)
def test_what_cannot_be_added_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch, command: str, reason: str):
    """And the reason."""
    monkeypatch.setattr(libraries, "install_command", lambda *_: command)
    note = add_libraries(("apprise",))
    assert reason in note
    assert note.endswith(f"run: {command}")


def test_only_what_is_missing_is_added(monkeypatch: pytest.MonkeyPatch):
    """Each once."""
    assert missing_libraries(["notify", "mqtt"]) == ()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert missing_libraries(["mqtt", "notify", "mqtt"]) == ("paho-mqtt", "apprise")


def test_an_extra_that_nobody_knows_is_refused():
    """With those that there are."""
    result = CliRunner().invoke(cli, ["install", "--extra", "nonsense"])
    assert result.exit_code == 2
    assert "'notify'" in result.output
