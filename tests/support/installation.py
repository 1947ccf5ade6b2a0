"""An installation for tests: Ookla's stand-in, database, state and lock below one folder, and collects made there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from places import SUPPORT
from recordings import read_recording

from monitor.collect.collector import collect, make_request
from monitor.collect.measure import Runtime
from monitor.config.settings import (
    CollectSettings,
    DatabaseSettings,
    OoklaSettings,
    PlanSettings,
    ProbeSettings,
    RetrySettings,
    Settings,
)
from monitor.model import FailureKind, Run, Scope, Trigger
from monitor.store.connection import open_reader
from monitor.store.read import latest_runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAND_IN = SUPPORT / "ookla_stand_in.py"

STREAM = read_recording("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl").decode()

DNS = read_recording("ookla/fail_dns_exit2_2020-03-22.txt").decode().partition("stderr:\n")[2]

# Packages that take too long to import before a test.
HEAVY = {"sqlalchemy", "alembic", "matplotlib", "numpy", "pyroute2", "fastapi", "starlette", "apscheduler", "pydantic"}

# A collect that prints, where the engine would be started, which packages are imported by then.
LISTS_ITS_IMPORTS = """
import json, os, sys
import monitor.cli.collect
from monitor.collect import collector
from monitor.collect import measure
from monitor.config import load
from monitor.model import Trigger

def wrap(name, argv, *, environ):
    print(json.dumps(sorted({module.partition(".")[0] for module in sys.modules})), flush=True)
    return argv

settings = load.load_settings(None, os.environ, os.geteuid())
request = collector.make_request(settings, None, "ip4only", None, Trigger.CLI)
collector.collect(settings, request, measure.Runtime(os.environ, os.geteuid(), wrap))
"""

CONFIG = """\
[probe]
name = "home"
[collect]
engine = "ookla"
path = "host"
lock_file = "{folder}/lock"
probe_failures = false
[retry]
{retry}
[ookla]
binary = "{folder}/speedtest"
accept_license = true
"""


@dataclass(frozen=True)
class Installation:
    """An installation of its own below one folder: stand-in, database, state, lock."""

    folder: Path

    @property
    def url(self) -> str:
        """The database."""
        return f"sqlite:///{self.folder}/speedmon.db"

    @property
    def environ(self) -> dict[str, str]:
        """The environment that configures the command line for this site."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "STATE_DIRECTORY": str(self.folder / "state"),
            "SPEEDMON_CONFIG": str(self.folder / "config.toml"),
            "SPEEDMON_DATABASE_URL": self.url,
        }

    def settings(self, **changes: Any) -> Settings:
        """Return settings for this site: Ookla's stand-in, licence accepted, on the host."""
        collect_settings = CollectSettings(
            engine="ookla",
            path="host",
            timeout_s=60,
            lock_file=str(self.folder / "lock"),
            probe_failures=False,  # it would ask the network of this machine
        )
        return Settings(
            probe=ProbeSettings("home"),
            collect=replace(collect_settings, **changes),
            ookla=OoklaSettings(binary=str(self.folder / "speedtest"), accept_license=True),
            plan=PlanSettings(download_mbps=100),
            retry=RetrySettings(attempts=1),
            database=DatabaseSettings(self.url),
        )

    def script(self, **script: object) -> None:
        """Write the script that the stand-in follows."""
        (self.folder / "script.json").write_text(json.dumps(script))

    def starts(self) -> list[dict[str, Any]]:
        """Return how the stand-in was started, one entry per test."""
        file = self.folder / "starts.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def rows(self) -> list[Run]:
        """Return the stored runs, newest first."""
        with open_reader(self.url) as connection:
            return latest_runs(connection, limit=10)

    def imports(self, **environ: str) -> set[str]:
        """Return the packages that are imported when the first engine starts."""
        code = [sys.executable, "-c", LISTS_ITS_IMPORTS]
        done = subprocess.run(code, env=self.environ | environ, capture_output=True, text=True, check=True)
        return set(json.loads(done.stdout.splitlines()[0]))

    def run(self, settings: Settings | None = None, wrap: Callable[..., list[str]] | None = None) -> tuple[Run, int]:
        """Collect once, in this process."""
        settings = settings or self.settings()
        request = make_request(settings, None, None, None, Trigger.CLI)
        return collect(settings, request, Runtime(self.environ, os.geteuid(), wrap or refuse_entry(AssertionError)))

    def command(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start `speedmon collect` as a user would."""
        command = [sys.executable, "-m", "monitor", "collect", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environ, stdout=pipe, stderr=pipe, text=True, **options)

    def finish(self, *arguments: str) -> tuple[int, str, str]:
        """Run `speedmon collect` to its end; return its exit code and what it printed."""
        with self.command(*arguments) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def make_installation(folder: Path, retry: str = "attempts = 1") -> Installation:
    """Return a site whose stand-in replays a successful test, with this line in [retry]."""
    shutil.copy(STAND_IN, folder / "speedtest")
    (folder / "config.toml").write_text(CONFIG.format(folder=folder, retry=retry))
    site = Installation(folder)
    site.script(stdout=STREAM)
    return site


def refuse_entry(error: type[Exception]) -> Callable[..., list[str]]:
    """Return a function that fails to enter the namespace with this error."""

    def wrap(name: str, _argv: list[str], *, environ: object) -> list[str]:
        raise error(f"namespace {name} is out of reach; run: fix")

    return wrap


def failure_kind_and_scope(run: Run) -> tuple[FailureKind, Scope]:
    """Return kind and scope of a run that failed."""
    assert run.failure is not None
    return run.failure.kind, run.failure.scope
