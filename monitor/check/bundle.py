"""What belongs into a bug report, as one text in which secrets, addresses and names are masked.

It is read by a person before it is sent: plain text, one section for each subject.
"""

from __future__ import annotations

import json
import os
import platform
import pwd
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from monitor.check.masking import Masker
from monitor.check.run import run_checks
from monitor.config import load
from monitor.config.secrets import SECRET_SETTINGS
from monitor.errors import SpeedmonError
from monitor.store.connection import open_reader
from monitor.store.read import latest_runs
from monitor.system.installation import version_line
from netns.errors import NetnsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from monitor.config.settings import Settings

MAX_RUNS = 50
MAX_LOG_LINES = 300
COMMAND_TIMEOUT_S = 10

# Read-only, and each present on some machines only.
COMMANDS = (
    ("ip", "-brief", "link"),
    ("ip", "-brief", "address"),
    ("ip", "route"),
    ("ip", "rule"),
    ("ip", "netns"),
    ("systemctl", "--no-pager", "--plain", "list-units", "--all", "speedmon*"),
    ("journalctl", "--no-pager", "--output=short-iso", f"--lines={MAX_LOG_LINES}", "--unit=speedmon*"),
)

_PASSWORD = re.compile(r"//[^/:@\s]*:([^\s]*)@")

HEAD = """\
speedmon: what belongs into a bug report.
Secrets are ***; addresses, names of hosts and users, and wireless networks are numbered (ip4-1, host-2).
Read it before you send it: a name that speedmon does not know may still be in it.
"""


def make_bundle(settings: Settings, environ: Mapping[str, str], uid: int, now: datetime) -> str:
    """Return the text; a part that cannot be read says why."""
    parts: list[tuple[str, Callable[[], str]]] = [
        ("versions", lambda: describe_versions(now)),
        ("checks", lambda: _to_json_lines(run_checks(settings, environ, uid, now))),
        ("settings", lambda: load.to_toml(settings)),
        ("environment", lambda: "\n".join(sorted(name for name in environ if name.startswith(load.PREFIX)))),
        ("last runs", lambda: _to_json_lines(_read_runs(settings))),
        *((" ".join(command), lambda command=command: _run(command)) for command in COMMANDS),
    ]
    masker = Masker(secret_values(settings), known_names(settings, environ))
    sections = (f"== {title}\n{_read_part(read).strip()}\n" for title, read in parts)
    return masker.mask("\n".join([HEAD, *sections]))


def secret_values(settings: Settings) -> list[str]:
    """Return every value that may hold a secret."""
    values = ((section, getattr(getattr(settings, section), key)) for section, key in SECRET_SETTINGS)
    urls = [(section, url) for section, value in values for url in (value if isinstance(value, list) else [value])]
    passwords = [password for _, url in urls if (match := _PASSWORD.search(url)) for password in match.groups()]
    # The URL of a SQLite database is a path, which a report needs.
    return [*(url for section, url in urls if section != "database"), *passwords, *map(unquote, passwords)]


def known_names(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the kinds and names that are masked wherever they stand."""
    host = socket.gethostname()
    yield from (("host", name) for name in (host, host.partition(".")[0], settings.iperf3.host) if name != "localhost")
    yield "probe", settings.probe.name
    yield from (("host", name) for name in settings.web.allowed_hosts)
    for name in (_user_name(), environ.get("SUDO_USER", ""), environ.get("USER", "")):
        if name not in {"root", "speedmon"}:
            yield "user", name


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""


def describe_versions(now: datetime) -> str:
    """Return the versions of the program, Python and the system."""
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        system = "not known"
    lines = [
        f"made {now:%Y-%m-%dT%H:%M:%SZ}",
        f"speedmon {version_line()}",
        f"python {sys.version.split()[0]}",
        f"system {system}, kernel {platform.release()}, {platform.machine()}",
        f"init {'systemd' if Path('/run/systemd/system').is_dir() else 'not systemd'}, uid {os.geteuid()}",
    ]
    return "\n".join(lines)


def _read_runs(settings: Settings) -> list[object]:
    with open_reader(settings.database.url) as connection:
        return [*latest_runs(connection, limit=MAX_RUNS)]


def _to_json_lines(values: Sequence[object]) -> str:
    return "\n".join(json.dumps(msgspec.to_builtins(value), ensure_ascii=False) for value in values)


def _read_part(read: Callable[[], str]) -> str:
    try:
        return read()
    except (SpeedmonError, NetnsError, OSError, subprocess.SubprocessError) as error:
        return f"cannot be read: {error}"


def _run(command: tuple[str, ...]) -> str:
    if shutil.which(command[0]) is None:
        return "not installed"
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_TIMEOUT_S, check=False
    )
    return (done.stdout + done.stderr).decode(errors="replace")
