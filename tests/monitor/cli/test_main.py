"""The command line as a whole: light to start, complete in its help, and one line for every mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from places import ROOT

from monitor.cli.main import COMMANDS, SHORT_HELP, cli

HEAVY = (
    "sqlalchemy",
    "alembic",
    "matplotlib",
    "numpy",
    "pyroute2",
    "fastapi",
    "starlette",
    "uvicorn",
    "apscheduler",
    "dns",
)

AFTER_HELP = f"""
import sys
from monitor.cli.main import cli
try:
    cli.main(sys.argv[1:], standalone_mode=False)
finally:
    print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
"""


def command(name: str) -> click.Command:
    """Return a command as the group loads it."""
    loaded = cli.get_command(click.Context(cli), name)
    assert loaded is not None
    return loaded


def speedmon(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the installed program."""
    program = [str(Path(sys.executable).with_name("speedmon")), *arguments]
    return subprocess.run(program, check=False, capture_output=True, text=True, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["collect", "--help"], ["exec", "--help"], ["setup-netns", "--help"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]):
    """A help page starts fast, because no heavy library is imported for it."""
    done = subprocess.run([sys.executable, "-c", AFTER_HELP, *arguments], check=True, capture_output=True, text=True)
    assert done.stderr.strip().endswith("[]")
    assert "Usage:" in done.stdout


def test_short_help_names_every_command():
    """The list of commands in `--help` is written without loading them, and is complete."""
    assert list(SHORT_HELP) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_help(name: str):
    """Each command says what it does, and each of its options too."""
    loaded = command(name)
    assert loaded.help
    subcommands = loaded.commands.values() if isinstance(loaded, click.Group) else [loaded]
    options = [option for each in subcommands for option in each.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help and not option.hidden] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_readme_mentions_the_command(name: str):
    """A user finds each command in the README."""
    assert name in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        (["colect"], {}, "No such command 'colect'. Did you mean 'collect'? (see `speedmon --help`)"),
        (
            ["history", "--dayz", "3"],
            {},
            "No such option '--dayz'. Did you mean '--days'? (see `speedmon history --help`)",
        ),
        (["db", "chekc"], {}, "No such command 'chekc'."),
        (["history"], {"SPEEDMON_CONFIG": "/nonexistent/config.toml"}, "/nonexistent/config.toml"),
        (["--config", "/nonexistent.toml", "history"], {}, "/nonexistent.toml"),
        (["history"], {"SPEEDMON_COLLECT__TIMEOUTS": "3"}, "did you mean 'timeout_s'"),
        (["history"], {"SPEEDMON_DISPLAY__TIMEZONE": "Mars/Base"}, "Mars/Base"),
        (
            ["history"],
            {"SPEEDMON_FLEET__DATABASE_URL": "sqlite:///x"},
            "URL of a PostgreSQL database to which every run is forwarded",
        ),
        (
            ["history"],
            {"SPEEDMON_DATABASE_URL": "mysql://joe:secret@db/x"},
            "'mysql://joe:***@db/x': only SQLite and PostgreSQL are supported",
        ),
        (["exec"], {}, "Missing argument '-- COMMAND [ARG]...' (see `speedmon exec --help`)"),
    ],
)
def test_mistake_is_named_with_exit_code_2(arguments: list[str], environ: dict[str, str], words: str, tmp_path: Path):
    """What is wrong with a call or the configuration is said in one line, without a traceback."""
    failed = speedmon(*arguments, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **environ})
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("speedmon: ")
    assert failed.stderr.count("\n") == 1
    assert words in failed.stderr


def test_group_without_a_command_shows_its_help():
    """What `speedmon db` alone could have meant is listed, and the exit code says that nothing was done."""
    failed = speedmon("db")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "backup" in failed.stderr


def test_reader_that_leaves_early_is_not_an_error(tmp_path: Path):
    """`speedmon … | head` ends quietly when the reader has read enough."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    program = f"{Path(sys.executable).with_name('speedmon')} config init --output - | head -n 0"
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {program}"], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_full_disk_behind_stdout_is_one_line(tmp_path: Path):
    """When what is printed cannot be written, that is said in one line."""
    program = [str(Path(sys.executable).with_name("speedmon")), "--help"]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environ)
    assert (done.returncode, done.stderr) == (1, "speedmon: no space left on device: output\n")


def test_closed_stdout_is_not_an_error():
    """Started without a stdout, as some supervisors do, the program still ends with its own exit code."""
    program = str(Path(sys.executable).with_name("speedmon"))
    done = subprocess.run(["/bin/sh", "-c", f"{program} --version >&-"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
