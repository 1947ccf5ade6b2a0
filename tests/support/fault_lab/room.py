"""Makes one fault in a private machine and runs one test: `python -m fault_lab.room NAME` prints a report as JSON.

It is process 1 of the private machine, on the client. What it needs is in the environment: LAB_CERTIFICATES.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fault_lab import plan
from fault_lab.faults import FAULTS

from netns.lab import run as lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fault_lab.faults import Fault

SPEEDMON = str(Path(sys.executable).with_name("speedmon"))

ETC = {
    "resolv.conf": f"nameserver {plan.ROUTER}\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "hosts": "127.0.0.1 localhost\n",
    "gai.conf": "",
}

ENGINE = Path(__file__).with_name("engine.py")

TIMEOUT_S = 14

# Engines that do not note their end themselves.
_OTHER_ENGINES = re.compile(rb" -m speedtest --json|^[^ ]*iperf3 ")

ENVIRONMENT = {
    "SPEEDMON_RETRY__ATTEMPTS": "1",
    "SPEEDMON_COLLECT__LOCK_FILE": "/run/lock/lab",
    "SPEEDMON_DATABASE_URL": "sqlite:////run/lab/db",
    "SPEEDMON_OOKLA__BINARY": "/run/lab/speedtest",
    "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
    "SPEEDMON_COLLECT__TIMEOUT_S": str(TIMEOUT_S),
}


def main() -> None:
    """Make the fault that is named, run a test, and print what was stored."""
    fault = next(fault for fault in FAULTS if fault.name == sys.argv[1])
    lab.require_private_machine()
    lab.replace_directories(ETC)
    Path("/run/lab").mkdir()
    _trust_authority(Path(os.environ["LAB_CERTIFICATES"]))
    _shell(plan.BUILD_SCRIPT)
    engine = Path("/run/lab/speedtest")
    engine.write_text(f"#!{sys.executable} -P\n{ENGINE.read_text()}")
    engine.chmod(0o755)
    with contextlib.ExitStack() as stack:
        for role in ("internet", "isp", "router"):
            stack.enter_context(_server(role, role))
        _shell(fault.prepare)
        for namespace, role in fault.servers:
            stack.enter_context(_server(namespace, role))
        print(json.dumps(_report(fault)), flush=True)  # noqa: T201  the driver reads it


def _trust_authority(certificates: Path) -> None:
    folder = Path("/etc/ssl")
    if folder.is_symlink():
        folder.unlink()
    (folder / "certs").mkdir(parents=True, exist_ok=True)
    digest = (certificates / "authority.hash").read_text()
    for name in (f"{digest}.0", "ca-certificates.crt"):
        (folder / "certs" / name).write_text((certificates / "authority.pem").read_text())


def _shell(script: str) -> None:
    done = subprocess.run(["sh", "-ec", plan.HELPERS + script], check=False, capture_output=True, text=True)
    if done.returncode:
        message = f"the script failed:\n{script}\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)


@contextlib.contextmanager
def _server(namespace: str, role: str) -> Iterator[None]:
    inside = ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []
    program = [*inside, sys.executable, "-P", "-m", "fault_lab.servers", role]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline(), f"the server {role} did not start"
            Path(f"/run/lab/{role}.pid").write_text(str(server.pid))
            yield
        finally:
            server.kill()


def _report(fault: Fault) -> dict[str, object]:
    environment = {**os.environ, **ENVIRONMENT, **fault.environment}
    environment |= {"SPEEDMON_COLLECT__ENGINE": fault.engine, "SPEEDMON_COLLECT__PATH": fault.path}
    if fault.path == "ip4only":
        _speedmon(environment, "setup-netns", "--quiet", "--no-launcher")
    if fault.earlier:
        _speedmon(environment, "collect", "--no-retry", "--anyway", "-q")
        Path("/run/lab/ended").unlink(missing_ok=True)
    _shell(fault.before)
    timers = [threading.Timer(after_s, _shell, [script]) for after_s, script in fault.during]
    for timer in timers:
        timer.daemon = True
        timer.start()
    threading.Thread(target=_note_engine_end, daemon=True).start()
    began = time.time()
    printed = _speedmon(environment, "collect", "--no-retry", "--anyway", "--json")
    ended = time.time()
    row = json.loads(printed.stdout)
    shown = _speedmon(environment, "show", "last", "--json")
    findings = json.loads(shown.stdout).get("findings") or {}
    return {
        "name": fault.name,
        "status": row["status"],
        "failure": row["failure"],
        "rule": (findings.get("verdict") or {}).get("rule"),
        "stalled": bool(findings.get("stalled")),
        "seconds": round(ended - began, 2),
        "beyond": round(ended - _engine_end(began), 2),
        "findings": findings,
    }


def _engine_end(began: float) -> float:
    """Return when the engine ended; one that was killed at the deadline noted nothing."""
    file = Path("/run/lab/ended")
    return float(file.read_text()) if file.exists() else began + TIMEOUT_S + 1


def _note_engine_end() -> None:
    """Note the last moment at which one of the other engines was alive."""
    while True:
        commands = (_read(file).replace(b"\0", b" ") for file in Path("/proc").glob("[0-9]*/cmdline"))
        if any(_OTHER_ENGINES.search(command) for command in commands):
            Path("/run/lab/ended").write_text(str(time.time()))
        time.sleep(0.1)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # it has just ended


def _speedmon(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SPEEDMON, *arguments], env=environment, check=False, capture_output=True, text=True)


if __name__ == "__main__":
    main()
