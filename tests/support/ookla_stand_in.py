#!/usr/bin/env python3
"""A stand-in for Ookla's CLI: it replays a recording and fails as its script says. It is ours and measures nothing.

It reads `script.json` beside itself, an object of: stdout and stderr (texts), exit_code, signal (ends itself by it),
hang (seconds), ignore_term, grandchild (seconds that a child holds the pipes), version (what --version prints), servers
(what --servers prints), then (a list of such objects for the starts after the first, the last of them for all later).
Each start is noted as a line of `starts.jsonl` beside it: its arguments, environment, open descriptors and process id.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

HERE = Path(sys.argv[0]).absolute().parent

VERSION = "Speedtest by Ookla 1.2.0.84 (stand-in) Linux/x86_64\n\nReplays a recording.\n"


def note_start() -> int:
    """Write down how this was started; return how many starts there were before."""
    descriptors = {entry.name: os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()}
    start = {"argv": sys.argv[1:], "environ": dict(os.environ), "descriptors": descriptors, "pid": os.getpid()}
    with (HERE / "starts.jsonl").open("a+") as file:
        file.seek(0)
        before = len(file.readlines())
        file.write(json.dumps(start) + "\n")
    return before


def hold_pipes(seconds: float) -> None:
    """Leave a child behind that holds stdout open."""
    if seconds and os.fork() == 0:
        time.sleep(seconds)
        os._exit(0)


def play_script(script: dict) -> int:
    """Print the recording, then end as the script says."""
    if script.get("ignore_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stderr.write(script.get("stderr", ""))
    sys.stderr.flush()
    sys.stdout.write(script.get("stdout", ""))
    sys.stdout.flush()
    hold_pipes(script.get("grandchild", 0))
    time.sleep(script.get("hang", 0))
    if number := script.get("signal"):
        os.kill(os.getpid(), number)
    return script.get("exit_code", 0)


def main() -> int:
    """Answer --version, else play the script."""
    file = HERE / "script.json"
    script = json.loads(file.read_text()) if file.exists() else {}
    if "--version" in sys.argv:
        sys.stdout.write(script.get("version", VERSION))
        return 0
    if "--servers" in sys.argv:
        sys.stdout.write(script.get("servers", ""))
        return 0
    scripts = [script, *script.get("then", [])]
    return play_script(scripts[min(note_start(), len(scripts) - 1)])


if __name__ == "__main__":
    sys.exit(main())
