"""Plays the scenario of `monitor.demo` with speedmon's own commands, inside the lab, as `speedmon demo --inside`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from monitor import demo
from monitor.errors import SpeedmonError
from monitor.model import Run
from netns import apply
from netns.lab import run, topology

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STATE = "/run/speedmon-demo"
# Variables kept from the caller's environment: none of its SPEEDMON_ settings.
KEPT = ("HOME", "LANG", "TERM", "PYTHONPATH", "SPEEDMON_DEBUG")
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
# Expected exit codes of collect: measured, or failed and recorded.
ENDED = (0, 3)
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for: the file of the graph, where to keep the database (None: nowhere), JSON or text."""

    output: Path
    keep_database: Path | None = None
    as_json: bool = False


# Good runs over the line to show, and the most attempts at them: the demo ends within a minute.
RUNS, MOST_RUNS = 2, 4


def environment(caller: Mapping[str, str], database: Path | None = None) -> dict[str, str]:
    """Return the environment of the commands in the lab: separate state, the line of the lab as the plan."""
    inherited = {name: caller[name] for name in KEPT if name in caller}
    own = {
        "PATH": f"{caller.get('PATH', '/usr/local/bin:/usr/bin:/bin')}:{SBIN}",
        "STATE_DIRECTORY": f"{STATE}/state",
        "CACHE_DIRECTORY": f"{STATE}/cache",
        "XDG_CONFIG_HOME": f"{STATE}/config",
        "SPEEDMON_PROBE__NAME": "demo",
        # The machine's own lock would block its scheduled tests.
        "SPEEDMON_COLLECT__LOCK_FILE": "/run/lock/speedmon.lock",
        "SPEEDMON_RETRY__ATTEMPTS": "1",
        "SPEEDMON_PLAN__DOWNLOAD_MBPS": str(topology.FIBRE.download_bps // 1_000_000),
        "SPEEDMON_PLAN__UPLOAD_MBPS": str(topology.FIBRE.upload_bps // 1_000_000),
    }
    if database is not None:
        own["SPEEDMON_DATABASE_URL"] = f"sqlite:///{database}"
    return inherited | own


def act(options: Wanted) -> int:
    """Open the lab, play the scenario, draw it, and return 0 if all went as expected, else 1."""
    say: Tell = _silent if options.as_json else _print
    with run.opened():
        story = _story(say)
        _draw(story, options.output)
    differences = demo.differences(story)
    _finish(story, differences, options, say)
    return 1 if differences else 0


def _story(say: Tell) -> demo.Story:
    say(demo.opening())
    say("1. A test as any program runs it: the host prefers IPv6.")
    host = _collect("host", say)
    say(f"   {demo.measured(host)}. That is the tunnel: {demo.share(host)}.\n")
    say("2. A namespace without IPv6, behind NAT.\n   $ speedmon setup-netns --no-launcher")
    _speedmon("setup-netns", "--no-launcher", "--quiet")
    ping = _ping(say)
    say(f"   {ping}. {'IPv6 is unreachable inside.' if demo.ping_says_none(ping) else ''}\n")
    say("3. The same test inside it.")
    line = _measure_line(say)
    say("\n4. The line fails: the lab cuts it behind the ISP.")
    apply.run([topology.cut()])
    outage = _collect("ip4only", say)
    say(f"   {demo.measured(outage)}.\n   Recorded as a failed run, without zeros for the rates.\n")
    return demo.Story(host, ping, line, outage)


def _measure_line(say: Tell) -> tuple[Run, ...]:
    """Return the runs over the line: `RUNS` good ones, with a few more attempts if the machine is busy."""
    runs: list[Run] = []
    while len(runs) < MOST_RUNS and sum(map(demo.at_line_rate, runs)) < RUNS:
        run = _collect("ip4only", say)
        comment = "That is the line" if demo.at_line_rate(run) else "Less than the line; is this machine busy?"
        say(f"   {demo.measured(run)}. {comment}: {demo.share(run)}.")
        runs.append(run)
    return tuple(runs)


def _finish(story: demo.Story, differences: list[str], options: Wanted, say: Tell) -> None:
    if options.as_json:
        _print(document(story, differences, options))
        return
    for row in demo.table(story):
        say(row)
    say(f"\nPicture: {options.output}")
    if options.keep_database is not None:
        say(f"Database: {options.keep_database}")
    for difference in differences:
        say(f"NOT as expected: {difference}")


def document(story: demo.Story, differences: list[str], options: Wanted) -> str:
    """Return what happened as JSON."""
    fields = {
        "came_true": not differences,
        "differences": differences,
        "shaped": demo.shaped(),
        "ping": story.ping,
        "runs": msgspec.to_builtins(story.runs),
        "picture": str(options.output),
        "database": str(options.keep_database) if options.keep_database else None,
    }
    return json.dumps(fields)


def _draw(story: demo.Story, output: Path) -> None:
    since, until = demo.window(story)
    _speedmon("graph", "--path", "all", "--since", since, "--until", until, "--quiet", "--output", str(output))


def _collect(path: str, say: Tell) -> Run:
    say(f"   $ speedmon collect --no-retry --path {path} --engine speedtest-cli")
    printed = _speedmon("collect", "--no-retry", "--path", path, "--engine", "speedtest-cli", "--json", allowed=ENDED)
    try:
        return msgspec.json.decode(printed, type=Run)
    except msgspec.DecodeError as error:
        raise SpeedmonError(f"collect --json printed no run: {error}: {printed[:200]}") from error


def _ping(say: Tell) -> str:
    """Return the last line of a ping over IPv6 to the test server from inside the namespace."""
    command = ["exec", "--", "ping", "-6", "-c", "1", "-W", "2", topology.SERVER_IPV6]
    say(f"   $ speedmon {' '.join(command)}")
    result = _start(command)
    return ((result.stdout + result.stderr).strip().splitlines() or ["nothing"])[-1]


def _speedmon(*arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
    result = _start(arguments)
    if result.returncode not in allowed:
        raise SpeedmonError(
            f"speedmon {arguments[0]} ended with {result.returncode} in the lab: {result.stderr.strip()}"
        )
    return result.stdout


def _start(arguments: list[str] | tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "monitor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _print(line: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)  # noqa: T201  the output of the demo


def _silent(_line: str) -> None:
    pass
