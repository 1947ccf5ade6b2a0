"""The name in the package index, the command that adds a library, and the commit of the build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from typing import TYPE_CHECKING

import pytest
from places import ROOT

from monitor import __version__
from monitor.system.installation import DISTRIBUTION, Installation, checked_out, command_for, install_command

if TYPE_CHECKING:
    from pathlib import Path

PIPX = Installation("/opt/pipx/venvs/speedmon-ip4only", "/opt/pipx/venvs/speedmon-ip4only/bin/python", pipx=True)

MINE = "/home/joe/.local/share/pipx/venvs/speedmon-ip4only"

SYSTEM = "/usr/bin/python3"


@pytest.mark.parametrize(
    ("here", "command"),
    [
        (PIPX, "PIPX_HOME=/opt/pipx pipx inject speedmon-ip4only psycopg"),
        (
            Installation(PIPX.prefix, PIPX.executable, pipx=True, writable=False),
            "sudo PIPX_HOME=/opt/pipx pipx inject speedmon-ip4only psycopg",
        ),
        (Installation(MINE, "x", pipx=True, home="/home/joe"), "pipx inject speedmon-ip4only psycopg"),
        (
            Installation(MINE, "x", pipx=True, writable=False, home="/home/joe"),
            "sudo PIPX_HOME=/home/joe/.local/share/pipx pipx inject speedmon-ip4only psycopg",
        ),
        (Installation("/srv/v", "/srv/v/bin/python"), "/srv/v/bin/python -m pip install psycopg"),
        (
            Installation("/opt/speedmon", "/opt/speedmon/bin/python", writable=False),
            "sudo /opt/speedmon/bin/python -m pip install psycopg",
        ),
        (Installation("/a b", "/a b/bin/python"), "'/a b/bin/python' -m pip install psycopg"),
        (Installation("/v", "/v/bin/python", pip=False), "uv pip install --python /v/bin/python psycopg"),
        (Installation("/usr", SYSTEM, venv=False), "/usr/bin/python3 -m pip install psycopg"),
        (
            Installation("/usr", SYSTEM, venv=False, writable=False, externally_managed=True),
            "sudo /usr/bin/python3 -m pip install --break-system-packages psycopg",
        ),
        (Installation("/v", "/v/bin/python", externally_managed=True), "/v/bin/python -m pip install psycopg"),
    ],
)
def test_the_command_reaches_this_installation(here: Installation, command: str):
    """Whether pipx, a virtual environment or the system's Python, and whoever owns it."""
    assert command_for(here, ("psycopg",)) == command


def test_an_extra_of_a_library_is_quoted():
    """A shell would take the brackets for a pattern."""
    assert command_for(PIPX, ("psycopg[binary]", "x")).endswith("inject speedmon-ip4only 'psycopg[binary]' x")


def test_the_command_of_this_installation_runs():
    """As it is printed, except for what it would download."""
    command = install_command("pip").removeprefix("sudo ")
    assert command.endswith("pip install pip")
    line = command.replace("pip install pip", "pip install --dry-run --no-index pip")
    assert subprocess.run(line, shell=True, check=False, capture_output=True).returncode == 0  # noqa: S602  as typed


def test_the_distribution_has_our_name():
    """The installed distribution has the name in the messages, and the versions agree."""
    described = metadata.metadata(DISTRIBUTION)
    assert (described["Name"], described["Version"]) == (DISTRIBUTION, __version__)
    assert "speedmon developers" in (described["Author"] or described["Author-email"])
    assert {line.split(",")[0] for line in described.get_all("Project-URL")} >= {"Homepage", "Source", "Changelog"}


# Words of options are passed over; what is installed must be no distribution by our command's name.
INSTALLS = re.compile(r"(?:pipx? install|pipx inject|pipx run|uv tool install|uvx|uv pip install|uv add)\b([^\n`]*)")

FOREIGN = re.compile(r"(?<![\w./-])speedmon(?![\w./-])")

SUFFIXES = {".py", ".md", ".toml", ".service", ".timer", ".html", ".txt", ".sh", ".cfg", ".j2", ".conf", ""}


def texts() -> list[Path]:
    """Return all files that a user may read or run."""
    names = ["monitor", "netns", "web", "migrations", "docs", "deploy", "scripts", "benchmarks"]
    folders = [path for name in names for path in (ROOT / name).rglob("*") if path.is_file()]
    return [path for path in (*folders, *ROOT.glob("*")) if path.is_file() and path.suffix in SUFFIXES]


def test_no_text_installs_the_project_of_somebody_else():
    """`speedmon` in the package index is not ours: whoever typed such a line would run it, as root."""
    wrong = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in texts()
        for match in INSTALLS.finditer(path.read_text(encoding="utf-8", errors="ignore"))
        if FOREIGN.search(match[1].split("#")[0])
    ]
    assert wrong == []
    assert len(texts()) > 200


@pytest.mark.parametrize("line", ["pip install speedmon", "pip install 'speedmon[x]'", "pipx inject speedmon psycopg"])
def test_such_a_line_would_be_found(line: str):
    """The search of the test above finds each such line."""
    match = INSTALLS.search(line)
    assert match
    assert FOREIGN.search(match[1])


def test_extras_name_what_the_messages_name():
    """What a message installs is what the extra would."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    bare = {re.split("[><=]", each)[0] for extra in extras.values() for each in extra}
    assert bare == {"apprise", "paho-mqtt", "psycopg[binary]", "pyarrow", "ruptures", "scipy"}


def _git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["/usr/bin/git", "-C", folder, *who, *words], check=True, capture_output=True)


def _build(source: Path, kind: str, target: Path) -> Path:
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", target, source]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHONWARN")}
    subprocess.run(command, check=True, capture_output=True, env=environ)
    return next(target.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


def _says(wheel: Path, target: Path) -> str:
    """Return what the program in a wheel prints as its version."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    run = [sys.executable, "-P", "-m", "monitor", "--version"]
    done = subprocess.run(run, env=os.environ | {"PYTHONPATH": str(target)}, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> Path:
    """Return a copy of what is built, without a repository."""
    source = tmp_path / "source"
    for name in ("monitor", "netns", "web", "migrations"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    return source


def test_what_is_built_names_its_commit(source: Path, tmp_path: Path):
    """A wheel from a checkout, and one from a source distribution of it."""
    _git(source, "init", "--quiet")
    _git(source, "add", "--all")
    _git(source, "commit", "--quiet", "--message", "x")
    commit = checked_out(source)
    assert re.fullmatch("[0-9a-f]{12}", commit)
    said = f"speedmon {__version__} (commit {commit})\n"
    assert _says(_build(source, "wheel", tmp_path / "a"), tmp_path / "a1") == said
    packed = _build(source, "sdist", tmp_path / "b")
    (tmp_path / "c").mkdir()
    subprocess.run(["/usr/bin/tar", "-xf", packed, "-C", tmp_path / "c"], check=True)
    unpacked = next((tmp_path / "c").iterdir())
    assert _says(_build(unpacked, "wheel", tmp_path / "d"), tmp_path / "d1") == said


def test_without_a_repository_no_commit_is_named(source: Path, tmp_path: Path):
    """An unknown commit is left out."""
    assert _says(_build(source, "wheel", tmp_path / "a"), tmp_path / "a1") == f"speedmon {__version__}\n"


def test_a_checkout_with_changes_says_so(source: Path):
    """The commit alone would name another program."""
    _git(source, "init", "--quiet")
    _git(source, "add", "--all")
    _git(source, "commit", "--quiet", "--message", "x")
    (source / "README.md").write_text("other", encoding="utf-8")
    assert checked_out(source).endswith(", with changes")
