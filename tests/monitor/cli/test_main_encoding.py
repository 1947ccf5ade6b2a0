"""In any locale: JSON and CSV are UTF-8, tables replace what the terminal cannot show, and no command fails for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from example_runs import make_attempt

from monitor.model import Server
from monitor.store.connection import open_writer
from monitor.store.write import add_attempt

ISP = "Büro 東京 Ω"

LOCALES = {
    "LC_ALL=POSIX": {"LC_ALL": "POSIX"},
    "no coercion": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1:strict"},
}


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment with a database of one run, whose names are not ASCII."""
    folder = tmp_path_factory.mktemp("names")
    url = f"sqlite:///{folder}/speedmon.db"
    with open_writer(url) as connection:
        run = replace(make_attempt().run, isp=ISP, probe="Haus→1", server=Server("1", "Köln €"))
        add_attempt(connection, replace(make_attempt(), run=run))
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "SPEEDMON_DATABASE_URL": url, "TZ": "UTC"}


def speedmon(environ: dict[str, str], *arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a command."""
    argv = [sys.executable, "-m", "monitor", *arguments]
    return subprocess.run(argv, env=environ, check=False, capture_output=True, timeout=120)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_locale(environ: dict[str, str], locale: str):
    """What programs read is UTF-8; what people read is there, with a ? for what is lacking."""
    environ = environ | LOCALES[locale]
    for command in (["history", "--days", "36500", "--json"], ["show", "last", "--json"]):
        done = speedmon(environ, *command)
        assert (done.returncode, done.stderr) == (0, b"")
        document = json.loads(done.stdout.decode("utf-8"))
        assert (document[0] if isinstance(document, list) else document["run"])["isp"] == ISP
    assert ISP in speedmon(environ, "history", "--days", "36500", "--csv").stdout.decode("utf-8")
    table = speedmon(environ | {"COLUMNS": "160"}, "history", "--days", "36500")
    assert (table.returncode, table.stderr) == (0, b"")
    assert b" ok " in table.stdout
    if "PYTHONIOENCODING" in environ or "PYTHONUTF8" in environ:
        encoding = environ.get("PYTHONIOENCODING", "ascii").partition(":")[0]
        assert ISP.encode(encoding, "replace") in table.stdout


@pytest.mark.parametrize(
    "arguments", [["history", "--probe", b"\xff"], ["show", b"\xff"], ["graph", "--output", b"\xff/x.png"]]
)
def test_an_argument_that_is_not_utf8(environ: dict[str, str], arguments: list[str | bytes]):
    """It is one line, and no UnicodeEncodeError."""
    done = speedmon(environ, *arguments)
    assert (done.returncode in {1, 2}, done.stderr.count(b"\n")) == (True, 1)
    assert b"Unicode" not in done.stderr
    assert b"unexpected" not in done.stderr


def test_a_setting_that_is_not_utf8(environ: dict[str, str]):
    """It would make every run impossible to store; it is named at once."""
    argv = [sys.executable, "-m", "monitor", "history"]
    done = subprocess.run(
        argv,
        env={**{name.encode(): text.encode() for name, text in environ.items()}, b"SPEEDMON_PROBE__NAME": b"a\xff"},
        check=False,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"speedmon: SPEEDMON_PROBE__NAME: is not UTF-8")
