"""Plays the scenario of the demo with speedmon's own commands, inside the lab, as `speedmon demo --inside`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from monitor.demo import scenario
from monitor.errors import SpeedmonError
from monitor.model import Run
from netns import apply
from netns.lab import run, topology

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


STATE_DIR = "/run/speedmon-demo"

# Variables kept from the caller's environment: none of its SPEEDMON_ settings.
KEPT_VARIABLES = ("HOME", "LANG", "TERM", "PYTHONPATH", "SPEEDMON_DEBUG")

SYSTEM_PATHS = "/usr/local/sbin:/usr/sbin:/sbin"

# Expected exit codes of collect: measured, or failed and recorded.
COLLECT_EXITS = (0, 3)

# Good runs over the line to show, and the most attempts at them: the demo ends within a minute.
RUNS, MAX_RUNS = 2, 4

Printer = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the user asked for: the file of the graph, where to keep the database (None: nowhere), JSON or text."""

    output: Path
    keep_database: Path | None = None
    as_json: bool = False


def demo_environment(caller: Mapping[str, str], database: Path | None = None) -> dict[str, str]:
    """Return the environment of the commands in the lab: separate state, the line of the lab as the plan."""
    inherited = {name: caller[name] for name in KEPT_VARIABLES if name in caller}
    own = {
        "PATH": f"{caller.get('PATH', '/usr/local/bin:/usr/bin:/bin')}:{SYSTEM_PATHS}",
        "STATE_DIRECTORY": f"{STATE_DIR}/state",
        "CACHE_DIRECTORY": f"{STATE_DIR}/cache",
        "XDG_CONFIG_HOME": f"{STATE_DIR}/config",
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


def play_demo(options: DemoOptions) -> int:
    """Open the lab, play the scenario, draw it, and return 0 if all went as expected, else 1."""
    say: Printer = _discard if options.as_json else _print
    with run.open_lab():
        story = _play_scenario(say)
        _draw_graph(story, options.output)
    differences = scenario.find_differences(story)
    _print_result(story, differences, options, say)
    return 1 if differences else 0


def _play_scenario(say: Printer) -> scenario.DemoResult:
    say(scenario.describe_lab())
    say("1. A test as any program runs it: the host prefers IPv6.")
    host = _collect("host", say)
    say(f"   {scenario.run_summary(host)}. That is the tunnel: {scenario.line_share_text(host)}.\n")
    say("2. A namespace without IPv6, behind NAT.\n   $ speedmon setup-netns --no-launcher")
    _speedmon_output("setup-netns", "--no-launcher", "--quiet")
    ping = _ping(say)
    say(f"   {ping}. {'IPv6 is unreachable inside.' if scenario.ping_shows_no_ipv6(ping) else ''}\n")
    say("3. The same test inside it.")
    line = _measure_line(say)
    say("\n4. The line fails: the lab cuts it behind the ISP.")
    apply.apply_steps([topology.cut_line_step()])
    outage = _collect("ip4only", say)
    say(f"   {scenario.run_summary(outage)}.\n   Recorded as a failed run, without zeros for the rates.\n")
    return scenario.DemoResult(host, ping, line, outage)


def _measure_line(say: Printer) -> tuple[Run, ...]:
    """Return the runs over the line: `RUNS` good ones, with a few more attempts if the machine is busy."""
    runs: list[Run] = []
    while len(runs) < MAX_RUNS and sum(map(scenario.is_at_line_rate, runs)) < RUNS:
        run = _collect("ip4only", say)
        comment = "That is the line" if scenario.is_at_line_rate(run) else "Less than the line; is this machine busy?"
        say(f"   {scenario.run_summary(run)}. {comment}: {scenario.line_share_text(run)}.")
        runs.append(run)
    return tuple(runs)


def _print_result(story: scenario.DemoResult, differences: list[str], options: DemoOptions, say: Printer) -> None:
    if options.as_json:
        _print(to_json(story, differences, options))
        return
    for row in scenario.result_table(story):
        say(row)
    say(f"\nPicture: {options.output}")
    if options.keep_database is not None:
        say(f"Database: {options.keep_database}")
    for difference in differences:
        say(f"NOT as expected: {difference}")


def to_json(story: scenario.DemoResult, differences: list[str], options: DemoOptions) -> str:
    """Return what happened as JSON."""
    fields = {
        "came_true": not differences,
        "differences": differences,
        "shaped": scenario.shaped_rates(),
        "ping": story.ping,
        "runs": msgspec.to_builtins(story.runs),
        "picture": str(options.output),
        "database": str(options.keep_database) if options.keep_database else None,
    }
    return json.dumps(fields)


def _draw_graph(story: scenario.DemoResult, output: Path) -> None:
    since, until = scenario.graph_window(story)
    _speedmon_output("graph", "--path", "all", "--since", since, "--until", until, "--quiet", "--output", str(output))


def _collect(path: str, say: Printer) -> Run:
    say(f"   $ speedmon collect --no-retry --path {path} --engine speedtest-cli")
    printed = _speedmon_output(
        "collect", "--no-retry", "--path", path, "--engine", "speedtest-cli", "--json", allowed=COLLECT_EXITS
    )
    try:
        return msgspec.json.decode(printed, type=Run)
    except msgspec.DecodeError as error:
        raise SpeedmonError(f"collect --json printed no run: {error}: {printed[:200]}") from error


def _ping(say: Printer) -> str:
    """Return the last line of a ping over IPv6 to the test server from inside the namespace."""
    command = ["exec", "--", "ping", "-6", "-c", "1", "-W", "2", topology.SERVER_IPV6]
    say(f"   $ speedmon {' '.join(command)}")
    result = _run_speedmon(command)
    return ((result.stdout + result.stderr).strip().splitlines() or ["nothing"])[-1]


def _speedmon_output(*arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
    result = _run_speedmon(arguments)
    if result.returncode not in allowed:
        raise SpeedmonError(
            f"speedmon {arguments[0]} ended with {result.returncode} in the lab: {result.stderr.strip()}"
        )
    return result.stdout


def _run_speedmon(arguments: list[str] | tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "monitor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _print(line: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)  # noqa: T201  the output of the demo


def _discard(_line: str) -> None:
    pass
