"""The only room that speaks to iptables: read the filter table, put a tagged pair into a chain, take it out by its tag.

Both kinds have programs of their own, and only what is there is read: `iptables-legacy` makes its tables when it looks.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from netns.errors import MissingToolError, StepError
from netns.firewall import SBIN, TIMEOUT_S
from netns.opening import is_tagged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.opening import NameOpening, Opening

NFT, LEGACY = "iptables-nft", "iptables-legacy"
LEGACY_TABLES = Path("/proc/net/ip_tables_names")
# How long to wait for another program that holds the lock of legacy iptables, in seconds.
LOCK_S = 5


def legacy_tables() -> list[str]:
    """Return the tables of legacy iptables that are in use, such as filter; none where that cannot be known."""
    try:
        return LEGACY_TABLES.read_text().split()
    except (FileNotFoundError, PermissionError):  # it is shown to real root only, not to that of a user namespace
        return []


def saved(program: str) -> str:
    """Return the filter table as `PROGRAM-save` prints it, nothing where that program is not installed.

    Raises:
        StepError: the program failed; its words are in the message.
    """
    tool = _find(f"{program}-save")
    return "" if tool is None else _run([tool, "-t", "filter"])


def counted(table: str) -> str:
    """Return a table of legacy iptables with its counters, as `iptables-legacy-save -c` prints it.

    Raises:
        StepError: the program failed; its words are in the message.
    """
    tool = _find(f"{LEGACY}-save")
    return "" if tool is None else _run([tool, "-c", "-t", table])


def open_chain(program: str, chain: str, opening: Opening | NameOpening) -> None:
    """Put the rules of an opening at the head of a chain, in place of what has its tag, in one transaction.

    Raises:
        MissingToolError: the program is not installed.
        StepError: it refused.
    """
    added = [f"-I {chain} {place} {rule}" for place, rule in enumerate(opening.iptables(), 1)]
    _restore(program, [*_removals(program, chain, opening.tag), *added])


def close_chain(program: str, chain: str, tag: str) -> None:
    """Remove the rules with a tag from a chain, in one transaction.

    Raises:
        MissingToolError: the program is not installed.
        StepError: it refused.
    """
    _restore(program, _removals(program, chain, tag))


def _removals(program: str, chain: str, tag: str) -> list[str]:
    rules = [line for line in saved(program).splitlines() if line.startswith(f"-A {chain} ")]
    return [f"-D{line.removeprefix('-A')}" for line in rules if any(is_tagged(word, tag) for word in shlex.split(line))]


def _restore(program: str, changes: Iterable[str]) -> None:
    tool = _find(f"{program}-restore")
    if tool is None:
        raise MissingToolError(f"{program} is not installed, and its rules are in the way: apt install iptables")
    _run([tool, "--noflush", "--wait", str(LOCK_S)], "\n".join(["*filter", *changes, "COMMIT", ""]))


def _find(tool: str) -> str | None:
    return shutil.which(tool) or shutil.which(tool, path=SBIN)


def _run(argv: list[str], stdin: str = "") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        words = [line for line in done.stderr.splitlines() if not line.startswith("#")]
        raise StepError(f"{Path(argv[0]).name}: {words[0] if words else f'exit code {done.returncode}'}")
    return done.stdout
