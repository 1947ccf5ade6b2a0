"""An engine that prints without end: what it costs to read and to judge it, in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

# 60 MB, far more than is kept. Prints how many MiB the peak rose, then the kind of failure.
SCRIPT = """
import resource, sys
from monitor.system import process
from monitor.diagnosis.classify import classify
from monitor.engines.registry import load_engine

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

engine = load_engine("ookla")
engine.parse(b"{}", b"")
before = peak()
environ = {"PATH": "/usr/bin:/bin"}
output = process.OutputOptions(on_line=engine.progress)
ended = process.run(["/bin/sh", "-c", sys.argv[1]], env=environ, deadline_s=60, output=output)
failure = classify(engine, ended, engine.parse(ended.stdout, ended.stderr), None, 60)
print(peak() - before, failure.kind)
"""

FLOODS = {
    "lines on stdout": "yes 'some junk that is no result at all, again and again' | head -c 60000000",
    "lines on stderr": "yes 'some junk that is no result at all, again and again' | head -c 60000000 >&2",
    "no line at all": "head -c 60000000 /dev/zero | tr '\\0' x",
    "an object without end": "{ echo '{'; yes '  \"a\": 1234567890, \"b\": [1234567890],'; } | head -c 60000000",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_memory_is_bounded(flood: str) -> None:
    """Whatever an engine prints without end, it costs a few times the memory of the part that is kept."""
    command = [sys.executable, "-c", SCRIPT, FLOODS[flood]]
    risen, kind = subprocess.check_output(command, text=True, timeout=120).split()
    assert int(risen) < 24
    assert kind in {"bad_output", "unknown"}
