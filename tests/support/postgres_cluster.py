"""A real PostgreSQL server for tests, in a temporary folder, which listens on a Unix socket in it only.

It uses the PostgreSQL that is installed. The server refuses to run as root, so root starts it as nobody.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from contextlib import closing
from pathlib import Path
from typing import Self

import psycopg

from monitor.store.connection import upgrade_schema

PATH = os.pathsep.join([os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))])

SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "shared_buffers": "32MB",
    "max_connections": "30",
    "jit": "off",
    "autovacuum": "off",
}

USER = "speedmon"


class Cluster:
    """A PostgreSQL server, running between `start` and `stop`; a context manager."""

    def __init__(self) -> None:
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="speedmon-pg-"))
        self._template = ""
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        initdb = ["initdb", "-D", "data", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(self._as_user(initdb), check=True, capture_output=True, env=self._environ, cwd=self.folder)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        command = ["postgres", "-D", "data", "-k", str(self.folder), *settings]
        self._server = subprocess.Popen(
            self._as_user(command), stderr=subprocess.PIPE, text=True, env=self._environ, cwd=self.folder
        )
        assert self._server.stderr
        for line in self._server.stderr:
            if "ready to accept connections" in line:
                return
        raise AssertionError("the server ended while it started")

    def stop(self, signal_number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT disconnects clients, SIGQUIT is an immediate shutdown."""
        if self._server:
            self._server.send_signal(signal_number)
            self._server.communicate(timeout=120)
            self._server = None

    def database(self, like: str = "") -> str:
        """Create an empty database and return its URL."""
        name = f"t{uuid.uuid4().hex}"
        with closing(psycopg.connect(host=str(self.folder), user=USER, dbname="postgres", autocommit=True)) as server:
            server.execute(f"CREATE DATABASE {name}{like}".encode())
        return f"postgresql://{USER}@/{name}?host={self.folder}"

    def store(self) -> str:
        """Create a database with our schema and no rows, and return its URL."""
        if not self._template:
            self._template = self.database()
            upgrade_schema(self._template)
        return self.database(f" TEMPLATE {_database_name(self._template)}")

    @property
    def _environ(self) -> dict[str, str]:
        return {"PATH": PATH, "LC_ALL": "C.UTF-8"}

    def _as_user(self, command: list[str]) -> list[str]:
        if self._user is None:
            return command
        return ["setpriv", f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups", *command]


def _database_name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
