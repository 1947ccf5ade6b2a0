"""Engines of other packages, each a real distribution on the path of a real `speedmon`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SPEEDMON = Path(sys.executable).with_name("speedmon")

ENGINE = """
from monitor.engines.base import Engine, EngineLocation, ParsedOutput, Sign
from monitor.model import FailureKind, Measurement, Scope
def broken(*_arguments): raise ValueError("of the\\npackage")
def engine(name="tin-can", **changes):
    return Engine(**(dict(
        name=name,
        locate=lambda settings, environ, ask: EngineLocation(("/bin/echo",), "7"),
        command=lambda located, settings, server_id: [*located.command, "42", server_id],
        parse=lambda stdout, stderr: ParsedOutput(Measurement(download_bps=int(stdout.split()[0]), upload_bps=1)),
        signs=(),
    ) | changes))
"""


class Site:
    """A folder with distributions and a `speedmon` that has it on its path, with a database and a state of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tin_engine.py").write_text(ENGINE)
        self.environ = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(folder),
            "HOME": str(folder),
            "STATE_DIRECTORY": str(folder),
            "SPEEDMON_COLLECT__LOCK_FILE": str(folder / "lock"),
            "SPEEDMON_COLLECT__PROBE_FAILURES": "false",
        }

    def lay(self, package: str, entries: str, code: str = "") -> None:
        """Lay a distribution of version 1.0 with its entry points and one module named like it."""
        info = self.folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[speedmon.engines]\n{entries}\n")
        (self.folder / f"{package}.py").write_text(f"from tin_engine import *\n{code}")

    def collect(self, engine: str) -> subprocess.CompletedProcess[str]:
        """Run one test on the host."""
        command = [SPEEDMON, "collect", "--path", "host", "--json", "--engine", engine]
        return subprocess.run(command, env=self.environ, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site without any distribution."""
    return Site(tmp_path)


def test_engine_of_a_package_measures(site: Site) -> None:
    """A registered engine is run, read and stored like one of our own."""
    site.lay("tin", "tin-can = tin:ENGINE", "ENGINE = engine()")
    done = site.collect("tin-can")
    assert (done.returncode, done.stderr) == (0, "")
    run = json.loads(done.stdout)
    assert (run["engine"], run["engine_version"], run["download_bps"]) == ("tin-can", "7", 42)


REFUSED = [
    ("tin-can = tin:ENGINE", "raise SystemExit(3)", "engine 'tin-can' of tin 1.0 cannot be loaded: SystemExit: 3;"),
    ("tin-can = tin:ENGINE", "", "engine 'tin-can' of tin 1.0 cannot be loaded: AttributeError: module 'tin' has"),
    (
        "tin-can = tin:ENGINE",
        "ENGINE = 7",
        "engine 'tin-can' of tin 1.0 is not a monitor.engines.base.Engine but of type int;",
    ),
    ("tin-can = tin:ENGINE", "ENGINE = engine('other')", "engine 'tin-can' of tin 1.0 calls itself 'other';"),
    (
        "tin-can = tin:ENGINE",
        "ENGINE = engine(signs=(Sign('(', FailureKind.DNS, Scope.LINE),))",
        "engine 'tin-can' of tin 1.0 has a sign that is not a regular expression: '(':",
    ),
    ("tin-can = tin:ENGINE", "ENGINE = engine(command=broken)", "the engine tin-can is broken: its command raised"),
]


@pytest.mark.parametrize(("entries", "code", "words"), REFUSED)
def test_package_that_cannot_be_used(site: Site, entries: str, code: str, words: str) -> None:
    """Whatever is wrong with a package is one line that names it, and an exit code of configuration."""
    site.lay("tin", entries, code)
    done = site.collect("tin-can")
    assert done.returncode == 2
    assert done.stderr.startswith(f"speedmon: {words}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("function", ["barred", "locate", "parse"])
def test_mistake_of_a_package_is_a_recorded_failure(site: Site, function: str) -> None:
    """A function that raises before or after the test makes a failed run, never a traceback."""
    site.lay("tin", "tin-can = tin:ENGINE", f"ENGINE = engine({function}=broken)")
    done = site.collect("tin-can")
    assert done.returncode == 3
    failure = json.loads(done.stdout)["failure"]
    assert (failure["kind"], failure["scope"]) == ("crashed", "config")
    assert failure["message"] == f"the engine tin-can is broken: its {function} raised ValueError: of the package"


@pytest.mark.parametrize("function", ["locate", "parse"])
def test_wrong_type_from_a_package_is_a_recorded_failure(site: Site, function: str) -> None:
    """A function that returns a wrong type is reported like one that raises."""
    site.lay("tin", "tin-can = tin:ENGINE", f"ENGINE = engine({function}=lambda *_: 7)")
    done = site.collect("tin-can")
    assert done.returncode == 3
    words = f"the engine tin-can is broken: its {function} raised TypeError: it returned a value of type int"
    assert json.loads(done.stdout)["failure"]["message"] == words


def test_two_packages_with_one_name(site: Site) -> None:
    """An engine that two packages claim is neither's."""
    for package in ("tin", "zinc"):
        site.lay(package, f"tin-can = {package}:ENGINE", "ENGINE = engine()")
    done = site.collect("tin-can")
    assert done.returncode == 2
    assert "engine 'tin-can' is claimed by tin 1.0 and zinc 1.0: remove one of them" in done.stderr


def test_unknown_name_lists_engines_and_refuses_names_of_ours(site: Site) -> None:
    """The list has the engines of packages that are not imported for it, and says who may not use a name of ours."""
    site.lay("tin", "tin-can = tin:ENGINE\niperf3 = tin:ENGINE", "raise RuntimeError")
    done = site.collect("telegraph")
    known = "auto, ookla, speedtest-cli, librespeed, iperf3, tin-can, iperf3 of tin 1.0 is refused"
    assert (done.returncode, done.stderr) == (2, f"speedmon: unknown engine 'telegraph' (known: {known})\n")


def test_broken_package_hurts_no_other_engine(site: Site) -> None:
    """An engine of our own is neither replaced nor hindered, and entry points are not even read for it."""
    site.lay("tin", "iperf3 = tin:ENGINE", "raise RuntimeError")
    lists_modules = (
        "import sys; from monitor.engines import registry; registry.load_engine('iperf3');"
        " print(*sys.modules, sep='\\n')"
    )
    loaded = subprocess.check_output(
        [sys.executable, "-c", lists_modules], env=site.environ, cwd=os.sep, text=True
    ).split()
    assert "monitor.engines.iperf3" in loaded
    assert not {"tin", "importlib.metadata"} & set(loaded)
