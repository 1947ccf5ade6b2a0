"""`make fuzz MINUTES=5`: changes recordings at random and feeds them to parsers, importers and the launcher.

Each of them must return, or refuse with an error of ours, within `CASE_S` seconds and in bounded memory. What breaks
one is written to tests/data/fuzz/TARGET; `test_fuzz.py` plays all of that folder again.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from places import DATA

from monitor.engines import iperf3, librespeed, ookla, speedtest_cli
from monitor.errors import SpeedmonError
from netns.entry.inside import EXIT_REFUSED
from netns.errors import NetnsError
from netns.firewall import iptables_rules
from netns.launcher import install
from netns.probe import findings

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

CORPUS = DATA / "fuzz"
CASE_S, MEMORY_BYTES = 20, 4 * 1024**3
SMALLEST_S = 1.0

# What has broken parsers before, or is at the edge of what a format allows.
WORDS = [
    *(b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\\ud800", b"\r", b"\n\n", b'""'),
    *(b"[]", b"{}", b"null", b"true", b"NaN", b"Infinity", b"-1", b"-0", b"1e999", b"9" * 400, b"0x10", b"1_000"),
    *(b"+9900", b"-99:99", b"2026-02-30T25:61:61Z", b"0000-00-00", b"9999-12-31T23:59:59Z", b"[" * 3000),
    *(
        b'{"a":' * 3000,
        b"=1+1",
        b"@SUM(A1)",
        b"\xc3",
        b"\xe2\x80\xae",
        b"%s%n",
        b"../../etc/passwd",
        b"'; DROP TABLE runs",
    ),
]


class Target(NamedTuple):
    """What is fuzzed: its seeds, and a function that raises if the input broke it."""

    seeds: tuple[bytes, ...]
    feed: Callable[[bytes], None]


class BrokenError(Exception):
    """The input broke what was fuzzed."""


def mutate(seed: bytes, chance: random.Random, others: tuple[bytes, ...]) -> bytes:
    """Return a seed with a few changes: bits, pieces removed, repeated, swapped with another seed's, odd words."""
    text = bytearray(seed[:200_000])
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice((1, 2, 8, 64, 1024)))
        match chance.randrange(7):
            case 0 if text:
                text[at % len(text)] ^= 1 << chance.randrange(8)
            case 1:
                del text[at:end]
            case 2:
                text[at:at] = text[at:end] * chance.choice((1, 3, 50))
            case 3:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                text[at:end] = other[start : start + (end - at)]
            case 4:
                text[at:end] = chance.choice(WORDS)
            case 5:
                replace_value(text, chance)
            case _:
                text[at:at] = chance.randbytes(chance.choice((1, 4, 32)))
    return bytes(text[:1_000_000])


def replace_value(text: bytearray, chance: random.Random) -> None:
    """Put an odd word in the place of what stands between two separators."""
    marks = [position for position, byte in enumerate(text[:50_000]) if byte in b':,;"\n\t']
    if len(marks) > 1:
        start = chance.randrange(len(marks) - 1)
        text[marks[start] + 1 : marks[start + 1]] = chance.choice(WORDS)


def read_seeds(*patterns: str) -> tuple[bytes, ...]:
    """Return the recordings that match one of the patterns."""
    return tuple(file.read_bytes() for pattern in patterns for file in sorted(DATA.glob(pattern)) if file.is_file())


def feed_engine(engine: object) -> Callable[[bytes], None]:
    """Return a function that gives an engine's output to its parsers, as stdout and stderr; they never raise."""

    def feed(data: bytes) -> None:
        half = len(data) // 2
        for stdout, stderr in ((data, b""), (b"", data), (data[:half], data[half:])):
            engine.ENGINE.parse(stdout, stderr)  # type: ignore[attr-defined]
            if engine.ENGINE.parse_servers:  # type: ignore[attr-defined]
                engine.ENGINE.parse_servers(stdout, stderr)  # type: ignore[attr-defined]
        for line in data.decode("utf-8", "replace").splitlines()[:200]:
            engine.ENGINE.progress(line)  # type: ignore[attr-defined]

    return feed


def feed_import(data: bytes) -> None:
    """Read a file as `speedmon import` does; what cannot be read is refused with an error of ours."""
    from import_helpers import CONTEXT  # noqa: PLC0415  the store, which other targets do not need

    from monitor.importers import importer  # noqa: PLC0415  as above

    with tempfile.NamedTemporaryFile(suffix=".log") as file:
        for content in (data, gzip.compress(data, 1)):
            file.seek(0)
            file.truncate()
            file.write(content)
            file.flush()
            try:
                with importer.open_source(Path(file.name), CONTEXT) as source:
                    for _ in source.records:
                        pass
            except (SpeedmonError, NetnsError):
                pass


def feed_host(data: bytes) -> None:
    """Parse what the kernel and other programs print about a host."""
    text = data.decode("utf-8", "replace")
    findings.from_json(data)
    for program in ("iptables-nft", "iptables-legacy"):
        iptables_rules.parse_chains(program, text)


def feed_launcher(program: Path) -> Callable[[bytes], None]:
    """Return a function that starts the launcher with odd arguments, environment and descriptors.

    It must refuse (125), run nothing and not die of a signal: it has neither its capability nor a namespace.
    """

    def feed(data: bytes) -> None:
        words = [word[:4000] for word in data.split(b"\0")[:40]] or [b""]
        few = data[:1] in {b"\1", b"\2"}

        def prepare() -> None:
            if few:
                resource.setrlimit(resource.RLIMIT_NOFILE, (3 + data[0], 3 + data[0]))

        command = [str(program).encode(), *words[1:]]
        environment = {
            b"LD_PRELOAD": words[0],
            b"PATH": b"/usr/bin:/bin",
            b"X" + words[0].replace(b"=", b""): words[-1],
        }
        done = subprocess.run(
            command,
            env=environment,
            preexec_fn=prepare,
            capture_output=True,
            check=False,
            timeout=CASE_S,
        )
        if done.returncode != EXIT_REFUSED or done.stdout:
            raise BrokenError(f"exit code {done.returncode}, {done.stdout[:100]!r}, {done.stderr[:200]!r}")

    return feed


def make_database() -> bytes:
    """Return a small database of Speedtest Tracker."""
    columns = "id integer primary key, service, ping real, download integer, upload integer, data, status, created_at"
    row = (1, "ookla", 3.1, 1_000_000, 200_000, '{"type":"result"}', "completed", "2026-01-01 10:00:00")
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"create table results({columns})")
        connection.execute(f"insert into results values({', '.join('?' * len(row))})", row)
        connection.commit()
        return connection.serialize()


def find_targets(folder: Path) -> dict[str, Target]:
    """Return what is fuzzed, by name; the launcher is built in `folder`, where there is a compiler."""
    files = ("ookla/*", "speedtest-cli/*", "librespeed/*", "iperf3/*")
    engines = {"ookla": ookla, "speedtest_cli": speedtest_cli, "librespeed": librespeed, "iperf3": iperf3}
    targets = {
        name: Target(read_seeds(f"{name.replace('_', '-')}/*"), feed_engine(engine)) for name, engine in engines.items()
    }
    targets["import"] = Target((*read_seeds(*files), make_database()), feed_import)
    targets["host"] = Target((*read_seeds("firewalls/*"), b'{"links": [], "routes": [], "servers": []}'), feed_host)
    if install.find_compiler():
        program = folder / "ip4only"
        program.write_bytes(install.build_launcher("fuzz-none", folder))
        program.chmod(0o755)
        seeds = (b"\0echo\0ran", b"\1\0--die-with-parent\0echo", b"x\0--as\0-\0--", b"\2\0/bin/echo\0%s%n")
        targets["launcher"] = Target(seeds, feed_launcher(program))
    return targets


def run_case(target: Target, data: bytes) -> str | None:
    """Return what broke a target, None if nothing did."""

    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise BrokenError(f"it took more than {CASE_S} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(CASE_S)
    try:
        target.feed(data)
    except Exception:  # noqa: BLE001  whatever it is, it is what we look for
        return traceback.format_exc()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return None


def describe_case(target: Target, data: bytes) -> str:
    """Return what broke a target and in which line, empty if nothing did."""
    trace = (run_case(target, data) or "").splitlines()
    places = [line for line in trace if line.startswith("  File ")]
    return f"{trace[-1].partition(':')[0]} {places[-1]}" if places else "".join(trace[-1:])


def shrink(target: Target, data: bytes, reason: str) -> bytes:
    """Return a smaller input that breaks a target in the same way, by leaving out pieces for a few seconds."""
    end, size = time.monotonic() + 5, max(1, len(data) // 2)
    while size and time.monotonic() < end:
        for at in range(0, len(data), size):
            shorter = data[:at] + data[at + size :]
            if time.monotonic() < end and describe_case(target, shorter) == reason:
                data = shorter
                break
        else:
            size //= 2
    return data


def fuzz(name: str, target: Target, seconds: float, chance: random.Random) -> tuple[int, int]:
    """Fuzz a target for so long; return how many inputs it got, and how many broke it. Those are kept."""
    tried, seen = 0, set[str]()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutate(chance.choice(target.seeds), chance, target.seeds)
        tried += 1
        if (reason := describe_case(target, data)) and reason not in seen:
            seen.add(reason)
            smaller = shrink(target, data, reason)
            keep_broken(name, smaller, run_case(target, smaller) or reason)
    return tried, len(seen)


def keep_broken(name: str, data: bytes, trace: str) -> None:
    """Write an input that broke a target to the corpus, and say how."""
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / hashlib.sha256(data).hexdigest()[:12]
    file.write_bytes(data)
    sys.stdout.write(f"{name}: {file} broke it:\n{trace}\n")


def main() -> int:
    """Fuzz every target for its share of the minutes; the exit code is 1 if one broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=None, help="of the random numbers; default: another each time")
    parser.add_argument("--only", action="append", help="the name of a target")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int(datetime.now(UTC).timestamp())
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        targets = find_targets(Path(folder))
        chosen = {name: target for name, target in targets.items() if not options.only or name in options.only}
        for name, target in chosen.items():
            seconds = max(SMALLEST_S, options.minutes * 60 / len(chosen))
            tried, found = fuzz(name, target, seconds, random.Random(f"{seed} {name}"))  # noqa: S311  no secret
            sys.stdout.write(f"{name}: {tried} inputs in {seconds:.0f} s, {found} broke it (seed {seed})\n")
            sys.stdout.flush()
            broken += found
    return 1 if broken else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
