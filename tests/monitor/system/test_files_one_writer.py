"""All writing in folders goes through `monitor.system.files`: the source is searched for whatever does not."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest
from places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITER = "monitor/system/files.py"

# Methods of a Path, and functions of os and shutil, that create, change or remove what lies in a folder.
PATH_METHODS = {
    "write_text", "write_bytes", "mkdir", "touch", "rename", "unlink", "rmdir", "symlink_to", "hardlink_to", "chmod",
    "lchmod",
}  # fmt: skip

OS_FUNCTIONS = {
    "rename", "replace", "renames", "link", "symlink", "unlink", "remove", "removedirs", "rmdir", "mkdir", "makedirs",
    "chown", "fchown", "lchown", "chmod", "fchmod", "lchmod", "truncate", "mkfifo", "mknod", "utime", "setxattr",
    "creat",
}  # fmt: skip

SHUTIL_FUNCTIONS = {"copy", "copy2", "copyfile", "copytree", "move", "rmtree", "chown", "copymode", "copystat"}

TEMPFILE_FUNCTIONS = {
    "NamedTemporaryFile",
    "TemporaryDirectory",
    "mkstemp",
    "mkdtemp",
    "mktemp",
    "SpooledTemporaryFile",
}

WRITING_FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"}

# Where else something is written, and why that is right there. All folders of netns are root's own.
ALLOWED = {
    ("monitor/cli/main.py", "os.open"): "/dev/null",
    ("monitor/graph/render.py", "tempfile.mkdtemp"): "a private folder in /tmp for matplotlib",
    ("monitor/graph/render.py", "shutil.rmtree"): "the same, at the end; passed on, not called",
    ("monitor/engines/base.py", "*"): "a home for another user, in a folder that only root can change",
    ("monitor/importers/sources.py", "sqlite3.connect"): "read-only, another program's file",
    ("monitor/importers/sources.py", "tempfile.NamedTemporaryFile"): "what comes through a pipe, in a private file",
    ("monitor/cli/notify.py", "tempfile.TemporaryDirectory"): "a private folder for the digest's picture",
    ("monitor/notify/deliver.py", "tempfile.TemporaryDirectory"): "a private folder for the digest's picture",
    ("monitor/notify/deliver.py", "tempfile.mkdtemp"): "a folder in that folder",
    ("monitor/notify/summary.py", "write_bytes"): "the picture, in that folder",
    ("monitor/install/apply.py", "rmdir"): "an empty folder that `install` made",
    ("monitor/install/apply.py", "shutil.rmtree"): "a tree that `install` made; no link is followed",
    ("monitor/install/apply.py", "os.chown"): "a tree goes to another user, name by name; no link is followed",
    ("monitor/install/apply.py", "os.fchown"): "the same, by descriptor",
    ("monitor/install/apply.py", "os.fchmod"): "the same",
    ("monitor/install/observe.py", "tempfile.TemporaryDirectory"): "a private folder in /tmp",
    ("monitor/report/pdf/layout.py", "open"): "a picture in memory",
    ("web/reports.py", "tempfile.TemporaryDirectory"): "a private folder for a report that is downloaded",
    ("monitor/system/ownership.py", "os.open"): "O_PATH, which neither reads nor writes",
    ("monitor/system/state_files.py", "os.open"): "read-only, or a new lock file, as the owner of the folder",
    ("monitor/system/state_files.py", "os.rename"): "sets aside what is broken, by the descriptor of its folder",
    ("monitor/system/state_files.py", "os.fchmod"): "the new lock file",
    ("monitor/store/sqlite.py", "sqlite3.connect"): "the one place that opens databases, as the owner of the folder",
    ("netns/apply.py", "*"): "/etc/netns and /proc/sys, folders of root's",
    ("netns/journal.py", "*"): "/run/speedmon, a folder of root's",
    ("netns/kernel/namespaces.py", "*"): "/run/netns, a folder of root's",
    ("netns/launcher/install.py", "*"): "/usr/local/bin, and a private build folder below /run",
    ("netns/entry/pasta.py", "*"): "a private temporary folder of a plain user; root is refused",
    ("netns/entry/pasta_inside.py", "*"): "/proc/sys of a namespace of our own",
    ("netns/entry/inside.py", "*"): "/dev/null, and /proc/self/uid_map",
    ("netns/lab/run.py", "*"): "the mounts of a lab of our own",
}


def name_of(call: ast.Call) -> str:
    """Return what is called: `os.open`, or the bare method of anything else."""
    function = call.func
    if isinstance(function, ast.Attribute):
        known = isinstance(function.value, ast.Name) and function.value.id in {"os", "shutil", "tempfile", "sqlite3"}
        return f"{function.value.id}.{function.attr}" if known else function.attr
    return function.id if isinstance(function, ast.Name) else ""


def opens_for_writing(call: ast.Call, mode_at: int) -> bool:
    """Whether a call of `open` has a mode that writes; one that is computed counts as such."""
    modes = [*call.args[mode_at : mode_at + 1], *(word.value for word in call.keywords if word.arg == "mode")]
    return any(not isinstance(mode, ast.Constant) or set(str(mode.value)) & set("wax+") for mode in modes)


def writes(call: ast.Call) -> bool:
    """Whether a call may write in a folder."""
    name = name_of(call)
    module, _, function = name.rpartition(".")
    match module, function:
        case ("os", "open"):
            flags = {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
            return bool(flags & WRITING_FLAGS) or not flags & {"O_RDONLY", "O_PATH"}
        case ("os", _):
            return function in OS_FUNCTIONS
        case ("shutil", _):
            return function in SHUTIL_FUNCTIONS
        case ("tempfile", _):
            return function in TEMPFILE_FUNCTIONS
        case ("sqlite3", "connect"):
            return True
        case ("", "open"):
            return opens_for_writing(call, 0 if isinstance(call.func, ast.Attribute) else 1)
        case ("", "replace"):  # Path.replace has one argument, str.replace two, dataclasses.replace names
            return isinstance(call.func, ast.Attribute) and len(call.args) == 1 and not call.keywords
        case ("", "FileHandler" | "RotatingFileHandler" | "TimedRotatingFileHandler"):
            return True
        case _:
            return isinstance(call.func, ast.Attribute) and function in PATH_METHODS


def find_writing(file: Path) -> Iterator[tuple[str, int]]:
    """Yield what writes in a source file, and its line."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and writes(node):
            yield name_of(node), node.lineno


SOURCES = sorted(file for folder in ("monitor", "web", "netns", "migrations") for file in (ROOT / folder).rglob("*.py"))


def test_everything_that_writes_goes_through_one_module():
    """Each exception has a reason here."""
    found = [
        f"{name}:{line}: {what}"
        for file in SOURCES
        for what, line in find_writing(file)
        if (name := str(file.relative_to(ROOT))) != WRITER and not {(name, what), (name, "*")} & ALLOWED.keys()
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "open(x, 'w')", "open(x, mode='ab')", "open(x, m)", "p.open('x')", "io.open(x, 'r+')", "p.write_bytes(b'')",
        "p.replace(q)", "os.open(p, os.O_CREAT)", "os.open(p, flags)", "os.rename(a, b)", "shutil.copy(a, b)",
        "tempfile.mkstemp()", "sqlite3.connect(p)", "logging.FileHandler(p)", "p.touch()", "os.fchown(1, 2, 3)",
    ],
)  # fmt: skip
def test_the_search_finds_what_writes(tmp_path: Path, line: str):
    """Else it would prove nothing."""
    (tmp_path / "a.py").write_text(line)
    assert [*find_writing(tmp_path / "a.py")]


@pytest.mark.parametrize(
    "line",
    ["open(x)", "open(x, 'rb')", "p.open()", "'a'.replace('b', 'c')", "replace(run, id=1)", "structs.replace(a, b=1)",
     "os.open(p, os.O_RDONLY)", "os.stat(p)", "shutil.which('nft')", "p.read_bytes()"],
)  # fmt: skip
def test_the_search_leaves_reading_alone(tmp_path: Path, line: str):
    """Else nobody would keep the list of exceptions."""
    (tmp_path / "a.py").write_text(line)
    assert [*find_writing(tmp_path / "a.py")] == []
