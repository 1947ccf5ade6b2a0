"""Runs `nft`, for our own table and for our tagged rules in other chains; each change is one transaction.

The only module that does.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from netns.errors import MissingToolError, StepError
from netns.opening import is_tagged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netns.opening import NameOpening, Opening
    from netns.ruleset import Command

# Where distributions install nft and iptables; a user's PATH often lacks /usr/sbin.
SBIN = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
TIMEOUT_S = 30
# nft's message for a table that does not exist: ENOENT in the C locale.
NO_TABLE = "No such file or directory"


def is_there() -> bool:
    """Return whether this host has `nft`."""
    return _nft_path() is not None


def _nft_path() -> str | None:
    return shutil.which("nft", path=f"{os.environ.get('PATH', '')}:{SBIN}")


def find_nft() -> str:
    """Return the path of `nft`.

    Raises:
        MissingToolError: it is not installed.
    """
    nft = _nft_path()
    if nft is None:
        raise MissingToolError("nft is not installed, and NAT needs it: apt install nftables")
    return nft


def load(commands: tuple[Command, ...]) -> None:
    """Carry out `commands` in one transaction: all of them or none.

    Raises:
        StepError: nft or the kernel refused; the message quotes it.
    """
    _nft("-j", "-f", "-", stdin=json.dumps({"nftables": list(commands)}))


def listing(table: str) -> list[dict[str, Any]] | None:
    """Return the objects of table `inet TABLE` as nft lists them, None if there is no such table."""
    try:
        objects: list[dict[str, Any]] = json.loads(_nft("-j", "list", "table", "inet", table))["nftables"]
    except StepError as error:
        if NO_TABLE in str(error):
            return None
        raise
    return objects


def delete(table: str) -> None:
    """Delete table `inet TABLE`; no error if there is none."""
    table_object = {"table": {"family": "inet", "name": table}}
    load(({"add": table_object}, {"delete": table_object}))


def filter_chains() -> list[dict[str, Any]]:
    """Return every base chain that filters IPv4 packets, forwarded or for the host itself, without its rules.

    Each is a chain object of libnftables-json(5).
    """
    chains = (entry.get("chain", {}) for entry in json.loads(_nft("-j", "list", "chains"))["nftables"])
    return [
        chain
        for chain in chains
        if chain.get("hook") in {"forward", "input"} and chain["type"] == "filter" and chain["family"] in {"ip", "inet"}
    ]


def chain(name: str) -> list[dict[str, Any]]:
    """Return a chain, such as "inet filter forward", and its rules."""
    objects: list[dict[str, Any]] = json.loads(_nft("-j", "list", "chain", *name.split()))["nftables"]
    return objects


def open_chain(name: str, opening: Opening | NameOpening) -> None:
    """Insert the rules of an opening at the head of a chain, in place of rules with its tag.

    Raises:
        StepError: nft or the kernel refused; the message quotes it.
    """
    added = [f"insert rule {name} {rule}" for rule in reversed(opening.nft())]
    _nft("-f", "-", stdin="\n".join([*_removals(name, opening.tag), *added, ""]))


def close_chain(name: str, tag: str) -> None:
    """Remove the rules with a tag from a chain.

    Raises:
        StepError: nft or the kernel refused; the message quotes it.
    """
    _nft("-f", "-", stdin="\n".join([*_removals(name, tag), ""]))


def _removals(name: str, tag: str) -> list[str]:
    rules = (entry["rule"] for entry in chain(name) if "rule" in entry)
    ours = (rule["handle"] for rule in rules if is_tagged(rule.get("comment", ""), tag))
    return [f"delete rule {name} handle {handle}" for handle in ours]


def counters(table: str) -> dict[str, int]:
    """Return how many packets each named counter of table `inet TABLE` has seen."""
    objects = json.loads(_nft("-j", "list", "counters", "table", "inet", table))["nftables"]
    named_counters = (entry["counter"] for entry in objects if "counter" in entry)
    return {counter["name"]: counter["packets"] for counter in named_counters}


@contextlib.contextmanager
def tracing() -> Iterator[int]:
    """Yield a descriptor with the output of `nft monitor trace`, about packets that are marked with nftrace."""
    with subprocess.Popen([find_nft(), "monitor", "trace"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101  a pipe was asked for
        try:
            yield process.stdout.fileno()
        finally:
            process.kill()


def _nft(*arguments: str, stdin: str = "") -> str:
    command = [find_nft(), *arguments]
    environ = {**os.environ, "LC_ALL": "C"}
    completed = subprocess.run(
        command, env=environ, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if completed.returncode != 0:
        lines = completed.stderr.strip().splitlines()
        raise StepError(f"nft: {lines[0] if lines else f'exit code {completed.returncode}'}")
    return completed.stdout
