"""The recordings of tests/data, as what a child process left: exit code, stdout, stderr."""

from __future__ import annotations

import re
from dataclasses import dataclass

from places import DATA


@dataclass(frozen=True)
class FailureRecording:
    """What an engine printed, and how it ended."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0


def read_recording(name: str) -> bytes:
    """Return a file of tests/data."""
    return (DATA / name).read_bytes()


def read_failure(name: str) -> FailureRecording:
    """Return a recorded failure; lines on top of a .txt name the exit code and the streams, and are no output."""
    text = read_recording(name).decode()
    code = re.search(r"exit (?:code|status): (\d+)", text)
    body = re.sub(
        r"^(#.*|exit code: .*|stdout: \(empty\)|stderr:|--- stdout|--- stderr)\n", "", text, flags=re.MULTILINE
    )
    return FailureRecording(stderr=body.encode(), exit_code=int(code[1]) if code else 2)
