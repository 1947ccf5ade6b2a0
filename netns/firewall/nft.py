"""Runs `nft`, for our own table and for our tagged rules in other chains; the only module that does.

Each change is one transaction. A drop in another base chain overrides an accept in our own table, whatever the
priorities (nft(8), "verdict statements"), so those chains are listed and parsed as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from netns.errors import MissingToolError, StepError
from netns.firewall.rules import TIMEOUT_S, find_tool, has_tag, is_own_table
from netns.state import NFT, ChainRule, FilterChain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netns.firewall.nft_rules import Command
    from netns.firewall.rules import DnsOpening, Opening

# nft's message for a table that does not exist: ENOENT in the C locale.
NO_TABLE = "No such file or directory"

# Tables that never get a rule of ours: firewalld manages its own, the next three only drop packets to their own
# bridges, and an accept in the last two would skip what they do to packets, such as clamping the MSS.
CLOSED_TABLES = frozenset({"firewalld", "docker-bridges", "libvirt_network", "netavark", "mangle", "security"})

# nft statements that can drop a packet or lead to a rule that does, and iptables targets that cannot.
DECISIVE_STATEMENTS = frozenset({"drop", "reject", "jump", "goto", "vmap", "queue", "xt"})


def is_installed() -> bool:
    """Return whether this host has `nft`."""
    return find_tool("nft") is not None


def find_nft() -> str:
    """Return the path of `nft`.

    Raises:
        MissingToolError: it is not installed.
    """
    nft = find_tool("nft")
    if nft is None:
        raise MissingToolError("nft is not installed, and NAT needs it: apt install nftables")
    return nft


def run_commands(commands: tuple[Command, ...]) -> None:
    """Carry out `commands` in one transaction: all of them or none.

    Raises:
        StepError: nft or the kernel refused; the message quotes it.
    """
    _run_nft("-j", "-f", "-", stdin=json.dumps({"nftables": list(commands)}))


def list_table(table: str) -> list[dict[str, Any]] | None:
    """Return the objects of table `inet TABLE` as nft lists them, None if there is no such table."""
    try:
        objects: list[dict[str, Any]] = json.loads(_run_nft("-j", "list", "table", "inet", table))["nftables"]
    except StepError as error:
        if NO_TABLE in str(error):
            return None
        raise
    return objects


def delete_table(table: str) -> None:
    """Delete table `inet TABLE`; no error if there is none."""
    table_object = {"table": {"family": "inet", "name": table}}
    run_commands(({"add": table_object}, {"delete": table_object}))


def list_filter_chains() -> list[dict[str, Any]]:
    """Return every base chain that filters IPv4 packets, forwarded or for the host itself, without its rules.

    Each is a chain object of libnftables-json(5).
    """
    chains = (entry.get("chain", {}) for entry in json.loads(_run_nft("-j", "list", "chains"))["nftables"])
    return [
        chain
        for chain in chains
        if chain.get("hook") in {"forward", "input"} and chain["type"] == "filter" and chain["family"] in {"ip", "inet"}
    ]


def is_closed_table(table: str) -> bool:
    """Return whether this nftables table must not get a rule: it is ours, or one of `CLOSED_TABLES`."""
    return table in CLOSED_TABLES or is_own_table(table)


def list_chain(name: str) -> list[dict[str, Any]]:
    """Return a chain, such as "inet filter forward", and its rules."""
    objects: list[dict[str, Any]] = json.loads(_run_nft("-j", "list", "chain", *name.split()))["nftables"]
    return objects


def parse_chain(objects: Iterable[dict[str, Any]]) -> FilterChain:
    """Return the chain listed by `nft -j list chain`: libnftables-json(5) objects, first the chain, then its rules.

    Raises:
        StopIteration: there is no chain among the objects.
    """
    object_list = list(objects)
    chain = next(entry["chain"] for entry in object_list if "chain" in entry)
    rules = (entry["rule"] for entry in object_list if "rule" in entry)
    name = f"{chain['family']} {chain['table']} {chain['name']}"
    hook = chain.get("hook", "forward")
    return FilterChain(NFT, name, chain.get("policy") == "drop", tuple(map(_parse_chain_rule, rules)), hook)


def _parse_chain_rule(rule: dict[str, Any]) -> ChainRule:
    statements = {name for expression in rule.get("expr", ()) for name in expression}
    return ChainRule(rule.get("comment", ""), may_drop=bool(statements & DECISIVE_STATEMENTS))


def open_chain(name: str, opening: Opening | DnsOpening) -> None:
    """Insert the rules of an opening at the head of a chain, in place of rules with its tag.

    Raises:
        StepError: nft or the kernel refused; the message quotes it.
    """
    added = [f"insert rule {name} {rule}" for rule in reversed(opening.nft())]
    _run_nft("-f", "-", stdin="\n".join([*_removal_commands(name, opening.tag), *added, ""]))


def close_chain(name: str, tag: str) -> None:
    """Remove the rules with a tag from a chain.

    Raises:
        StepError: nft or the kernel refused; the message quotes it.
    """
    _run_nft("-f", "-", stdin="\n".join([*_removal_commands(name, tag), ""]))


def _removal_commands(name: str, tag: str) -> list[str]:
    rules = (entry["rule"] for entry in list_chain(name) if "rule" in entry)
    ours = (rule["handle"] for rule in rules if has_tag(rule.get("comment", ""), tag))
    return [f"delete rule {name} handle {handle}" for handle in ours]


def read_counters(table: str) -> dict[str, int]:
    """Return how many packets each named counter of table `inet TABLE` has seen."""
    objects = json.loads(_run_nft("-j", "list", "counters", "table", "inet", table))["nftables"]
    named_counters = (entry["counter"] for entry in objects if "counter" in entry)
    return {counter["name"]: counter["packets"] for counter in named_counters}


@contextlib.contextmanager
def monitor_trace() -> Iterator[int]:
    """Yield a descriptor with the output of `nft monitor trace`, about packets that are marked with nftrace."""
    with subprocess.Popen([find_nft(), "monitor", "trace"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101  a pipe was asked for
        try:
            yield process.stdout.fileno()
        finally:
            process.kill()


def _run_nft(*arguments: str, stdin: str = "") -> str:
    command = [find_nft(), *arguments]
    environ = {**os.environ, "LC_ALL": "C"}
    completed = subprocess.run(
        command, env=environ, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if completed.returncode != 0:
        raise StepError.from_output("nft", completed.stderr, completed.returncode)
    return completed.stdout
