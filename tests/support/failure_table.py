"""Generate docs/failures.md: every recorded failure as the code classifies it, with the advice for the user.

`python tests/support/failure_table.py` writes it; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fault_lab.table import read_section
from places import ROOT
from recordings import DATA, read_failure, read_recording

from monitor.diagnosis.advice import ADVICE, ADVICE_BY_ENGINE, ADVICE_BY_SCOPE, advice_for
from monitor.diagnosis.classify import classify
from monitor.engines.registry import load_engine
from monitor.system.process import ProcessResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.model import Failure

DOCUMENT = ROOT / "docs" / "failures.md"

COLLECTIONS = ("fail_log_lines_stderr_collection.jsonl", "fail_json_error_object_stdout.txt")

TEXTS = (
    ("ookla", "fail_*"),
    ("ookla", "wrong_*"),
    ("ookla", "license_*"),
    ("speedtest-cli", "fail*"),
    ("librespeed", "fail_*"),
)

ENDINGS = {
    "exit code 173, no output": ProcessResult(173),
    "exit code 0, no output": ProcessResult(0),
    "a web page on stdout": ProcessResult(0, stdout=b"<!DOCTYPE html><html><title>Login</title></html>"),
    "half a result": ProcessResult(2, stdout=b'{"type":"result","download":{"bandw'),
    "a result without rates": ProcessResult(0, stdout=b'{"type":"result"}'),
    "a rate that is not a number": ProcessResult(
        0, stdout=b'{"type":"result","download":{"bandwidth":"9"},"upload":{"bandwidth":9}}'
    ),
    "a result of the Python speedtest": ProcessResult(0, stdout=b'{"download":9.0,"upload":9.0}'),
    "the deadline passed": ProcessResult(signal=9, timed_out=True),
    "Ctrl-C or SIGTERM to speedmon": ProcessResult(signal=15, interrupted=15),
    "SIGKILL from another program": ProcessResult(signal=9),
    "SIGSEGV": ProcessResult(signal=11),
    "SIGILL": ProcessResult(signal=4),
    "aborted because HOME is not set": ProcessResult(signal=6, stderr=b"basic_string::_M_construct null not valid"),
    "the program does not exist": ProcessResult(127, stderr=b"ip4only: /opt/speedtest: No such file or directory\n"),
    "the launcher refuses": ProcessResult(125, stderr=b"ip4only: open /run/netns/ip4only: No such file or directory\n"),
}

HEAD = """# Failures

A failed test is a result: it is stored with what failed (its *kind*, such as `dns` or `timeout`), whose fault it is
(its *scope*), and what the engine said. Graphs mark it, and no statistic counts it as a speed of 0.

| scope | whose fault it is |
|---|---|
| `line` | the connection to your ISP |
| `provider` | the servers of the speed test |
| `config` | a setting or a program on this machine that you can fix |
| `local` | something else on this machine |
| `unknown` | cannot be decided from what is known |

`collect` prints one line, with what to do about it:

```text
speedmon: test failed: refused (provider): unable to connect to server: Connection refused; diagnosis: a moment later
the line and its DNS worked; fix: see that `iperf3 -s` runs at iperf3.host and iperf3.port, idle and without a login
```

```sh
speedmon history --verbose        # below each failed run: the whole message, and what the diagnosis found
speedmon incidents                # the outages: begin, end, length, cause; --json for programs
```

## How the fault is found

The engine's message alone often cannot say whether the line or the provider failed. So speedmon makes a *diagnosis* the
moment a test fails, from inside the namespace and from the host at the same time. It asks:

- **witnesses** (`check.hosts`): four hosts of different operators that have nothing to do with the test, two by address
  and two by name. Connections are repeated, so that a line that loses packets is told from one that is dead, and TLS
  shows who answers: a valid certificate, somebody else's (a login page), a wrong date (the clock), or silence after
  large packets (MTU). Name witnesses of your own there; once some have answered on your line, only those count.
- **name servers**, each for names of others and for the provider's; any reply is an answer, NXDOMAIN too.
- **the provider**, the server of the test, and pages that a login page would answer.
- **this machine**: its links, addresses and routes, its router and the one of the last good test, the provider's names
  in `/etc/hosts`, and packets that came and that no program got. To see whether what is sent to the provider, and to
  the port of a test, leaves this host at all, packets are sent that must expire at the router, which reports it: where
  it does for a witness and not for the provider, a firewall or a route of this host is in the way.

A test that stands still for 3 s is asked about at once, so that a short outage is caught even if the line is back when
the test ends. What came back during the test counts too: its bytes, and an HTTP status that the engine reports.

The answers are the *evidence*, and a list of rules makes a verdict of it, the first that fits (`monitor/diagnosis`):
this machine first, then somebody who answers in the place of others, then silence; where something came back over the
line it is not called down, and where the answers contradict each other the verdict is `unknown`. `speedmon show RUN`
prints evidence, verdict and reason. `collect.probe_failures = false` turns the diagnosis off.

### How often it is right

A lab of our own makes the faults with real namespaces, routers, firewalls and servers, and runs one test each:
`make lab`. The right verdicts are written beside the faults (`tests/support/fault_lab/faults.py`). Where the evidence
cannot decide, `unknown` is right too. The times below were taken while the machine had five times more to do than it
has processors. A look alone takes 3.5 s where nobody answers, 0.4 s of them the processor's, and 1.5 s where somebody
does. After this run the rules about boxes in between, a filter's own page and a router that refuses one port were
corrected for what came out wrong; those faults have not been run again yet.

LAB

## Outages

An outage of the line begins with the first failed test whose scope is `line` and ends with the next successful test.
Failures with any other scope, and skipped tests, neither begin an outage nor end one.

## What happens after a failure

Every attempt is stored. A second attempt has `"trigger": "retry"` and the id of the first in `retry_of`.

| fault | what speedmon does next |
|---|---|
| the line, or unknown | tests again after 20 s, to confirm it (`retry.confirm_s`) |
| the provider | leaves its engine alone for 5 minutes, doubling up to an hour (`retry.provider_s`) |
| a rate limit | leaves its engine alone for 4 hours, doubling up to a day (`retry.rate_limit_s`) |
| the server that you chose is gone | tests again, with a server that the engine chooses |
| the configuration, or this machine | nothing: a second test would fail too |

During such a back-off, `engine = "auto"` uses another engine that is installed. If you named an engine, its tests are
skipped, and the skipped runs say until when. If the test used a different server or engine from the one you asked for,
`remarks` says so. Back-off periods survive restarts. `collect --anyway` tests all the same; `collect --no-retry` makes
one attempt only.

With `retry.second_below_pct = 50`, a result below half of the plan (without a plan: of the median of the last month) is
followed by a test on another server, so that one bad server is not mistaken for a bad line.

## Known failures

How speedmon classifies each known failure: real recordings, and ones constructed from the engines' source
(`tests/data`). The scope is the one before a diagnosis. These tables are made from the code that classifies.
"""


@dataclass(frozen=True)
class FailureRow:
    """A failure of an engine, and the recording that it comes from."""

    engine: str
    source: str
    failure: Failure


def to_row(engine: str, source: str, ended: ProcessResult) -> FailureRow:
    """Return the row of an engine that ended in this way in the namespace."""
    chosen_engine = load_engine(engine)
    return FailureRow(
        engine, source, classify(chosen_engine, ended, chosen_engine.parse(ended.stdout, ended.stderr), "ip4only", 120)
    )


def failure_rows() -> dict[str, list[FailureRow]]:
    """Return the rows by engine, then those of the ways in which any engine can end."""
    failures: dict[str, list[FailureRow]] = {}
    for engine, pattern in TEXTS:
        failures.setdefault(engine, []).extend(_text_rows(engine, pattern))
    failures["ookla"] += _collected_rows()
    failures["iperf3"] = list(_iperf3_rows())
    failures["Any engine, by how it ended (with Ookla's patterns)"] = [
        to_row("ookla", name, end) for name, end in ENDINGS.items()
    ]
    return failures


def _text_rows(engine: str, pattern: str) -> Iterator[FailureRow]:
    for path in sorted(DATA.glob(f"{engine}/{pattern}")):
        if path.name not in COLLECTIONS:
            recorded = read_failure(f"{engine}/{path.name}")
            ended = ProcessResult(recorded.exit_code, stdout=recorded.stdout, stderr=recorded.stderr)
            yield to_row(engine, path.name, ended)


def _collected_rows() -> Iterator[FailureRow]:
    """Yield a row for each line of the files that hold one failure a line."""
    for name in COLLECTIONS:
        lines = [line for line in read_recording(f"ookla/{name}").splitlines() if line.startswith(b"{")]
        for number, line in enumerate(lines, 1):
            yield to_row("ookla", f"{name}, line {number}", ProcessResult(2, stdout=line))


def _iperf3_rows() -> Iterator[FailureRow]:
    for path in sorted(DATA.glob("iperf3/*_error_*")):
        yield to_row("iperf3", path.name, ProcessResult(0, stdout=path.read_bytes()))


def make_document() -> str:
    """Return the page."""
    sections = [f"### {name}\n\n{_to_table(of_engine)}" for name, of_engine in failure_rows().items()]
    head = HEAD.replace("LAB", read_section(DOCUMENT.read_text()))
    return "\n".join((head, *sections, f"## Advice\n\n{_advice_table()}"))


def _to_table(entries: Iterable[FailureRow]) -> str:
    lines = ["| what happened | kind | scope | stage | message | advice |", "|---|---|---|---|---|---|"]
    for entry in entries:
        cause = entry.failure
        cells = (entry.source, cause.kind, cause.scope, cause.stage or "", f"`{cause.message}`")
        lines.append(_to_table_line((*cells, advice_for(cause, entry.engine))))
    return "\n".join(lines) + "\n"


def _advice_table() -> str:
    lines = [_to_table_line((kind, "", cells)) for kind, cells in ADVICE.items()]
    lines += [_to_table_line((kind, f"scope {scope}", cells)) for (kind, scope), cells in ADVICE_BY_SCOPE.items()]
    lines += [_to_table_line((kind, engine, cells)) for (engine, kind), cells in ADVICE_BY_ENGINE.items()]
    return "\n".join(("| kind | only | advice |", "|---|---|---|", *sorted(lines))) + "\n"


def _to_table_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(word.replace('|', '/') for word in cells)} |"


if __name__ == "__main__":
    DOCUMENT.write_text(make_document())
