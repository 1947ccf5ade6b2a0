"""Make docs/failures.md: every recorded failure as the code classifies it, with the advice to the user.

`python tests/failure_table.py` writes it; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recording import DATA, failure, read

from monitor.advice import ADVICE, OF_ENGINE, SCOPED, advice
from monitor.classify import classify
from monitor.engines import load
from monitor.process import Ended

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.model import Failure

DOCUMENT = Path(__file__).parent.parent / "docs" / "failures.md"
COLLECTIONS = ("fail_log_lines_stderr_collection.jsonl", "fail_json_error_object_stdout.txt")
TEXTS = (
    ("ookla", "fail_*"),
    ("ookla", "wrong_*"),
    ("ookla", "license_*"),
    ("speedtest-cli", "fail*"),
    ("librespeed", "fail_*"),
)
ENDINGS = {
    "exit code 173 and silence": Ended(173),
    "exit code 0 and silence": Ended(0),
    "a web page on stdout": Ended(0, stdout=b"<!DOCTYPE html><html><title>Login</title></html>"),
    "half a result": Ended(2, stdout=b'{"type":"result","download":{"bandw'),
    "a result without rates": Ended(0, stdout=b'{"type":"result"}'),
    "a rate that is a text": Ended(
        0, stdout=b'{"type":"result","download":{"bandwidth":"9"},"upload":{"bandwidth":9}}'
    ),
    "a result of the Python speedtest": Ended(0, stdout=b'{"download":9.0,"upload":9.0}'),
    "the deadline": Ended(signal=9, timed_out=True),
    "Ctrl-C or SIGTERM to speedmon": Ended(signal=15, interrupted=15),
    "SIGKILL from elsewhere": Ended(signal=9),
    "SIGSEGV": Ended(signal=11),
    "SIGILL": Ended(signal=4),
    "abort without HOME": Ended(signal=6, stderr=b"basic_string::_M_construct null not valid"),
    "a program that is gone": Ended(127, stderr=b"ip4only: /opt/speedtest: No such file or directory\n"),
    "a launcher that refuses": Ended(125, stderr=b"ip4only: open /run/netns/ip4only: No such file or directory\n"),
}
HEAD = """# Failures

Every failure that was recorded or made to an engine's rules (`tests/data`), as speedmon classifies it. Made by
`python tests/failure_table.py` from the code that classifies; a test compares.

`scope` is whose fault it is: of the `line`, the `provider` of the test, the `config`uration, this machine (`local`), or
`unknown` where the engine's words alone cannot tell the line from the provider.
"""


@dataclass(frozen=True)
class Row:
    """A failure of an engine and what it was drawn from."""

    engine: str
    source: str
    found: Failure


def row(engine: str, source: str, ended: Ended) -> Row:
    """Return the row of an engine that ended so in the namespace."""
    chosen = load(engine)
    return Row(engine, source, classify(chosen, ended, chosen.parse(ended.stdout, ended.stderr), "ip4only", 120))


def rows() -> dict[str, list[Row]]:
    """Return the rows of each engine, and those of the ways to end."""
    found: dict[str, list[Row]] = {}
    for engine, pattern in TEXTS:
        found.setdefault(engine, []).extend(_texts(engine, pattern))
    found["ookla"] += _collected()
    found["iperf3"] = list(_iperf3())
    found["However an engine ends (ookla's signs)"] = [row("ookla", name, end) for name, end in ENDINGS.items()]
    return found


def _texts(engine: str, pattern: str) -> Iterator[Row]:
    for path in sorted(DATA.glob(f"{engine}/{pattern}")):
        if path.name not in COLLECTIONS:
            recorded = failure(f"{engine}/{path.name}")
            ended = Ended(recorded.exit_code, stdout=recorded.stdout, stderr=recorded.stderr)
            yield row(engine, path.name, ended)


def _collected() -> Iterator[Row]:
    """Yield a row for each line of the files that hold one failure a line."""
    for name in COLLECTIONS:
        lines = [line for line in read(f"ookla/{name}").splitlines() if line.startswith(b"{")]
        for number, line in enumerate(lines, 1):
            yield row("ookla", f"{name}, line {number}", Ended(2, stdout=line))


def _iperf3() -> Iterator[Row]:
    for path in sorted(DATA.glob("iperf3/*_error_*")):
        yield row("iperf3", path.name, Ended(0, stdout=path.read_bytes()))


def document() -> str:
    """Return the whole page."""
    sections = [f"## {name}\n\n{_table(of_engine)}" for name, of_engine in rows().items()]
    return "\n".join((HEAD, *sections, f"## Advice\n\n{_advice()}"))


def _table(found: Iterable[Row]) -> str:
    lines = ["| what was seen | kind | scope | stage | told as | advice |", "|---|---|---|---|---|---|"]
    for each in found:
        one = each.found
        words = (each.source, one.kind, one.scope, one.stage or "", f"`{one.message}`", advice(one, each.engine))
        lines.append(_line(words))
    return "\n".join(lines) + "\n"


def _advice() -> str:
    lines = [_line((kind, "", words)) for kind, words in ADVICE.items()]
    lines += [_line((kind, f"scope {scope}", words)) for (kind, scope), words in SCOPED.items()]
    lines += [_line((kind, engine, words)) for (engine, kind), words in OF_ENGINE.items()]
    return "\n".join(("| kind | only | advice |", "|---|---|---|", *sorted(lines))) + "\n"


def _line(words: Iterable[str]) -> str:
    return f"| {' | '.join(word.replace('|', '/') for word in words)} |"


if __name__ == "__main__":
    DOCUMENT.write_text(document())
