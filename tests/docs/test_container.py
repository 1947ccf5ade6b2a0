"""The container's files keep what docs/install.md says of them: no capability, one volume, the page on loopback."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import httpx
from places import ROOT
from serve_process import serving

from monitor.config import load

if TYPE_CHECKING:
    from pathlib import Path

CONTAINERFILE, COMPOSE = ((ROOT / name).read_text() for name in ("Containerfile", "compose.yaml"))


def test_it_runs_as_a_user_without_capabilities():
    """Root only builds it."""
    assert re.findall(r"^USER (.*)$", CONTAINERFILE, re.MULTILINE) == ["speedmon"]
    assert CONTAINERFILE.index("USER") < CONTAINERFILE.index("ENTRYPOINT")
    assert re.findall(r"^ +cap_\w+: .*$", COMPOSE, re.MULTILINE) == ["    cap_drop: [ALL]"]


def test_there_is_one_volume_and_the_page_is_on_loopback():
    """What must last is in the state directory; nobody else on the network sees the page."""
    folder = re.findall(r"STATE_DIRECTORY=(\S+)", CONTAINERFILE)[0]
    assert re.findall(r"^VOLUME (.*)$", CONTAINERFILE, re.MULTILINE) == [folder]
    assert f'volumes: ["speedmon:{folder}"]' in COMPOSE
    assert re.findall(r"ports: \[(.*)\]", COMPOSE) == ['"127.0.0.1:8765:8765"']


def test_its_command_serves_the_page(tmp_path: Path):
    """`serve` refuses an address of the network without protection; the container's is protected by its port."""
    (command,) = re.findall(r"^CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    _, *options = json.loads(command)
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "STATE_DIRECTORY": str(tmp_path),
        "SPEEDMON_COLLECT__LOCK_FILE": str(tmp_path / "lock"),
        "SPEEDMON_WEB__PORT": "0",
    }
    with serving(environ, *options, "--no-schedule") as (_, url):
        page = httpx.get(url.replace("0.0.0.0", "127.0.0.1"), timeout=120)  # noqa: S104
        assert (page.status_code, "No test" in page.text) == (200, True)


def test_its_settings_are_settings():
    """Each variable that is set for speedmon is known, and so is its value."""
    lines = [line for line in f"{CONTAINERFILE}\n{COMPOSE}".splitlines() if "#" not in line]
    variables = dict(re.findall(r"(SPEEDMON_\w+)[=:] ?(\S+)", "\n".join(lines)))
    settings = load.load_settings(None, variables, 1000)
    assert (settings.collect.path, settings.probe.name) == ("host", "home")
