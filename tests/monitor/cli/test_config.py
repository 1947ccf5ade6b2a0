"""`speedmon config init` and `speedmon config show`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from monitor.config import load as config_load

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.config.settings import Settings

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()", "config"]

USER = 1000


def run(home: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a home of its own."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home)} | environ
    return subprocess.run([*COMMAND, *argv], env=env, capture_output=True, text=True, check=False, timeout=60)


def load(tmp_path: Path, text: str) -> Settings:
    """Return the settings of a file with this text."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    return config_load.load_settings(file, {"HOME": "/nowhere"}, USER)


def uncommented(text: str) -> str:
    """Take away the first # of each setting."""
    return re.sub(r"^#(?=\w)", "", text, flags=re.MULTILINE)


def test_the_template_changes_nothing(tmp_path: Path):
    """Loaded as it is, it gives the defaults."""
    assert load(tmp_path, config_load.config_template()) == config_load.load_settings(None, {"HOME": "/nowhere"}, USER)


def test_the_template_can_be_uncommented(tmp_path: Path):
    """Every line holds a value that is accepted, and it is the default."""
    text = uncommented(config_load.config_template())
    assert load(tmp_path, text) == config_load.load_settings(None, {"HOME": "/nowhere"}, USER)


def test_the_template_has_every_setting():
    """No section and no key is left out."""
    template = tomllib.loads(uncommented(config_load.config_template()))
    known = {name: {*config_load.key_types(kind)} for name, kind in config_load.section_types().items()}
    assert {name: {*values} for name, values in template.items()} == known


def test_init_writes_a_file_that_loads(tmp_path: Path):
    """The directory is made as well."""
    file = tmp_path / "new" / "config.toml"
    done = run(tmp_path, "init", "--output", str(file))
    assert (done.returncode, done.stdout) == (0, f"wrote {file}\n")
    assert file.read_text() == config_load.config_template()


def test_init_writes_where_speedmon_looks(tmp_path: Path):
    """$SPEEDMON_CONFIG, or --config, is the file that the next command reads."""
    file = tmp_path / "mine.toml"
    assert run(tmp_path, "init", SPEEDMON_CONFIG=str(file)).returncode == 0
    assert run(tmp_path, "show", SPEEDMON_CONFIG=str(file)).stdout.startswith(f"# from {file},")
    other = tmp_path / "other.toml"
    assert run(tmp_path, "init", "--config", str(other)).stdout == f"wrote {other}\n"


def test_init_can_print(tmp_path: Path):
    """A dash is standard output."""
    assert run(tmp_path, "init", "--output", "-").stdout == config_load.config_template()


def test_init_overwrites_nothing(tmp_path: Path):
    """A file that is there stays, unless --force is given."""
    file = tmp_path / "config.toml"
    file.write_text("mine")
    refused = run(tmp_path, "init", "--output", str(file))
    assert (refused.returncode, refused.stderr.count("\n"), file.read_text()) == (2, 1, "mine")
    assert run(tmp_path, "init", "--output", str(file), "--force").returncode == 0
    assert file.read_text() == config_load.config_template()


@pytest.mark.parametrize("place", ["", "file/config.toml"])
def test_a_place_that_cannot_be_written(tmp_path: Path, place: str):
    """One line names it; exit code 1."""
    (tmp_path / "file").touch()
    done = run(tmp_path, "init", "--force", "--output", str(tmp_path / place))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "cannot be written" in done.stderr


def test_show_prints_what_is_in_force(tmp_path: Path):
    """File and environment are both in it, and it is TOML."""
    file = tmp_path / "config.toml"
    file.write_text("[collect]\ntimeout_s = 60\n")
    done = run(tmp_path, "show", "--config", str(file), SPEEDMON_COLLECT__SERVER_ID="7")
    shown = tomllib.loads(done.stdout)
    assert (shown["collect"]["timeout_s"], shown["collect"]["server_id"]) == (60, "7")
    assert done.stdout.startswith(f"# from {file}, the environment and the defaults\n")


def test_what_show_prints_can_be_loaded(tmp_path: Path):
    """The effective settings are a file that gives the same settings."""
    settings = config_load.load_settings(None, {"HOME": "/nowhere", "SPEEDMON_NAMESPACE__DNS": "9.9.9.9,1.1.1.1"}, USER)
    assert load(tmp_path, config_load.to_toml(settings)) == settings


def test_show_json(tmp_path: Path):
    """Programs get the file and the settings by section and key."""
    printed = json.loads(run(tmp_path, "show", "--json", SPEEDMON_WEB__PORT="0", SPEEDMON_CONFIG=os.devnull).stdout)
    assert (printed["file"], printed["settings"]["web"]["port"]) == (os.devnull, 0)


@pytest.mark.parametrize("setting", ["SPEEDMON_DATABASE_URL", "SPEEDMON_FLEET__DATABASE_URL"])
@pytest.mark.parametrize("argv", [("show",), ("show", "--json")])
def test_show_prints_no_password(tmp_path: Path, argv: tuple[str, ...], setting: str):
    """The output can be pasted into a bug report."""
    url = "postgresql+psycopg://joe:secret@db/speedmon"
    shown = run(tmp_path, *argv, **{setting: url}).stdout
    assert "secret" not in shown
    assert "joe:***@db" in shown


def test_show_reports_mistakes(tmp_path: Path):
    """A configuration with mistakes is exit code 2 and one line."""
    done = run(tmp_path, "show", SPEEDMON_WEB__PORT="many")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "SPEEDMON_WEB__PORT" in done.stderr


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("scedule.cron", "x", "unknown section [scedule] (did you mean 'schedule'?)"),
        ("plan.downlod_mbps", "3", "unknown key 'downlod_mbps' in [plan] (did you mean 'download_mbps'?)"),
        ("plan", "3", "'plan' names no setting: write SECTION.KEY"),
        ("schedule.night.cron", "x", "no [[schedule]] is called 'night': write its number, such as schedule.1.cron"),
        ("schedule.cron", "61 * * * *", "schedule.cron: minute: 61 is not from 0 to 59"),
    ],
)
def test_set_refuses_what_no_file_may_hold(tmp_path: Path, key: str, value: str, words: str):
    """One line says what is meant, and the file stays as it was."""
    file = tmp_path / "config.toml"
    file.write_text("# mine\n")
    done = run(tmp_path, "set", key, value, SPEEDMON_CONFIG=str(file))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert words in done.stderr
    assert file.read_text() == "# mine\n"


def test_set_changes_one_of_several(tmp_path: Path):
    """By its number or its name."""
    file = tmp_path / "config.toml"
    file.write_text('[[schedule]] # a\nname = "day"\n[[schedule]]\n')
    for key in ("schedule.day.every_s", "schedule.2.every_s"):
        assert run(tmp_path, "set", key, "900", SPEEDMON_CONFIG=str(file)).returncode == 0
    assert file.read_text() == '[[schedule]] # a\nname = "day"\nevery_s = 900\n[[schedule]]\nevery_s = 900\n'
