"""Runs the faults' lab: `python -m fault_lab.run [--jobs N] [--output FILE] [--table] [NAME…]`; all without a name.

Each fault gets a private machine, so that nothing of this machine changes; it needs root. The results go to FILE as
JSON, one object a line, from which `fault_lab.table` makes the table of docs/failures.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fault_lab import table
from fault_lab.certificates import make_certificates
from fault_lab.faults import FAULTS

from netns.lab.run import private_machine_command

DEADLINE_S = 240


def run_faults(names: list[str], jobs: int, certificates: Path) -> list[dict[str, object]]:
    """Run the faults, several at once, and return their reports in order."""
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda name: _run_fault(name, certificates), names))


def _run_fault(name: str, certificates: Path) -> dict[str, object]:
    program = private_machine_command([sys.executable, "-P", "-m", "fault_lab.room", name], rootless=os.geteuid() != 0)
    environment = {
        **os.environ,
        "LAB_CERTIFICATES": str(certificates),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    done = subprocess.run(
        program,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        stdin=subprocess.DEVNULL,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {"name": name, "status": "broken", "failure": None, "error": (done.stderr or done.stdout)[-1500:]}
    report: dict[str, object] = json.loads(lines[-1])
    scope = (report["failure"] or {}).get("scope", report["status"])  # type: ignore[attr-defined]
    right = next(fault.right for fault in FAULTS if fault.name == name)
    mark = "right" if scope in right else "WRONG"
    message = (report["failure"] or {}).get("message", "")  # type: ignore[attr-defined]
    print(f"{mark:5} {name}: {scope} [{report['rule']}] {report.get('beyond')} s {message}", flush=True)  # noqa: T201
    return report


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--table", action="store_true", help="write the table of docs/failures.md")
    options = parser.parse_args()
    names = options.names or [fault.name for fault in FAULTS]
    with tempfile.TemporaryDirectory() as folder:
        make_certificates(Path(folder))
        reports = run_faults(names, options.jobs, Path(folder))
    for report in reports:
        if report["status"] == "broken":
            print(f"BROKEN {report['name']}: {report['error']}")  # noqa: T201
    if options.table:
        table.DOCUMENT.write_text(table.put_section(table.DOCUMENT.read_text(), table.make_section(reports)))
    if options.output:
        options.output.write_text("".join(json.dumps(report) + "\n" for report in reports))


if __name__ == "__main__":
    main()
