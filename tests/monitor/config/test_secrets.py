"""Secrets come from files of their own or from systemd, and are never printed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from monitor.config import load
from monitor.config.secrets import MAX_BYTES
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.config.settings import Settings

FLEET_URL = "postgresql://ann:hunter2@db.example/fleet"


def load_with(tmp_path: Path, text: str = "", **environ: str) -> Settings:
    """Return the settings of a file and an environment."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load.load_settings(file, {"HOME": "/nowhere"} | environ, 1000)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("fleet", "database_url", FLEET_URL),
        ("database", "url", FLEET_URL),
        ("notify", "ping_url", "https://hc.example/hunter2"),
    ],
)
def test_a_secret_comes_from_its_file(tmp_path: Path, section: str, key: str, value: str):
    """From the file that is named, from systemd, and what is written out goes before the file."""
    secret = tmp_path / "secret"
    secret.write_text(f"# comment\n{value}\n\n")
    named = f'[{section}]\n{key}_file = "{secret}"\n'
    assert getattr(getattr(load_with(tmp_path, named), section), key) == value
    variable = f"SPEEDMON_{section}__{key}_FILE".upper()
    assert getattr(getattr(load_with(tmp_path, **{variable: str(secret)}), section), key) == value
    other = value.replace("example", "invalid")
    assert getattr(getattr(load_with(tmp_path, f'{named}{key} = "{other}"\n'), section), key) == other
    (tmp_path / f"{section}.{key}").write_text(value)
    assert getattr(getattr(load_with(tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path)), section), key) == value


def test_addresses_of_notifications_may_be_a_credential(tmp_path: Path):
    """One a line."""
    (tmp_path / "notify.urls").write_text("json://a.example/\nmailto://ann:hunter2@example.org\n")
    urls = load_with(tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path)).notify.urls
    assert urls == ["json://a.example/", "mailto://ann:hunter2@example.org"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty: write the secret into it"),
        (b"\xff hunter2", "is not UTF-8"),
        (b"hunter2" * MAX_BYTES, "is larger than 65,536 bytes"),
        (b"hunter2", "database_url"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_not_quoted(tmp_path: Path, content: bytes | None, words: str):
    """The error has the setting and the file."""
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_with(tmp_path, f'[fleet]\ndatabase_url_file = "{secret}"\n')
    assert words in str(caught.value)
    assert "fleet.database_url_file" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "command", [["config", "show"], ["config", "show", "--json"], ["history"], ["fleet", "status"]]
)
def test_no_command_prints_it(tmp_path: Path, command: list[str]):
    """Neither what is shown nor an error holds the password."""
    (tmp_path / "fleet.database_url").write_text(FLEET_URL.replace("db.example", "127.0.0.1:1"))
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    program = [sys.executable, "-m", "monitor", *command]
    done = subprocess.run(program, env=environ, capture_output=True, text=True, check=False)
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("section", "key", "is_needed"), [("database", "url", True), ("fleet", "database_url", False)])
def test_who_may_not_read_a_secret_can_do_without_the_fleet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, key: str, is_needed: bool
):
    """A member of the group sees the runs although only the service may know the fleet's password."""

    def refuse(file: Path, name: str) -> str:
        raise ConfigError(f"{name}: {file}: cannot be read") from PermissionError(13, "Permission denied")

    monkeypatch.setattr("monitor.config.load.secrets.read_secret", refuse)
    (tmp_path / "config.toml").write_text(f'[{section}]\n{key}_file = "/secret"\n')
    if is_needed:
        with pytest.raises(ConfigError, match=r"database\.url_file: /secret: cannot be read"):
            load.load_settings(tmp_path / "config.toml", {"HOME": "/nowhere"}, 1000)
        return
    assert load.load_settings(tmp_path / "config.toml", {"HOME": "/nowhere"}, 1000).fleet.database_url == ""
