"""Runs iptables of either kind: for our own chains if there is no nft, and for our tagged rules in other chains.

The only module that does. Only tables that exist are read: `iptables-legacy` creates a table by listing it.
"""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from netns.errors import MissingToolError, StepError
from netns.firewall import iptables_rules
from netns.firewall.iptables_rules import IPV4, IPV6, OWN_TABLES
from netns.firewall.rules import TIMEOUT_S, find_tool, has_tag
from netns.state import IPTABLES_LEGACY, IPTABLES_NFT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.firewall.iptables_rules import OwnTable
    from netns.firewall.rules import DnsOpening, Opening

LEGACY_TABLES_FILES = {IPV4: Path("/proc/net/ip_tables_names"), IPV6: Path("/proc/net/ip6_tables_names")}
COMMANDS = {IPV4: "iptables", IPV6: "ip6tables"}

# How long to wait, in seconds, for another program that holds the lock of legacy iptables.
LOCK_WAIT_S = 5


def list_legacy_tables() -> list[str]:
    """Return the tables of legacy iptables that are in use, such as filter; none if the kernel does not say."""
    try:
        return LEGACY_TABLES_FILES[IPV4].read_text().split()
    except (FileNotFoundError, PermissionError):  # only real root may read it, not root of a user namespace
        return []


def find_program() -> str | None:
    """Return which kind `iptables` is on this host, else a kind of which only `iptables-KIND` exists, else None."""
    if (generic := find_tool("iptables")) is not None:
        return _detect_program(generic)
    return next((program for program in (IPTABLES_NFT, IPTABLES_LEGACY) if find_tool(program)), None)


def has_ip6tables(program: str) -> bool:
    """Return whether there is an ip6tables of this kind."""
    return _find_tool(program, "restore", IPV6) is not None


def save_table(program: str, table: str = "filter", version: int = IPV4) -> str:
    """Return a table, with its counters, as `PROGRAM-save` prints it; empty if the program is not installed.

    Raises:
        StepError: the program failed; the message quotes it.
    """
    tool = _find_tool(program, "save", version)
    if tool is None or (program == IPTABLES_LEGACY and not _is_table_in_use(table, version)):
        return ""
    return _run_tool([tool, "-c", "-t", table])


def save_own_tables(program: str) -> list[str]:
    """Return each table that may hold chains of ours, in the format of `save_table`.

    Raises:
        StepError: the program failed.
    """
    return [save_table(program, table, version) for version, table in OWN_TABLES]


def load_tables(program: str, tag: str, wanted: Iterable[OwnTable]) -> None:
    """Replace everything with the tag by these tables, one transaction each; if one fails, nothing of ours is left.

    Raises:
        MissingToolError: the program is not installed.
        StepError: it refused.
    """
    tables = {(table.version, table.name): table for table in wanted}
    try:
        for version, name in OWN_TABLES:
            existing = iptables_rules.parse_table(tag, save_table(program, name, version))
            table = tables.get((version, name))
            changes = existing.replacement(table) if table else existing.removal()
            if changes:
                _restore_table(program, changes, name, version)
    except StepError:
        delete_chains(program, tag)
        raise


def delete_chains(program: str, tag: str) -> None:
    """Remove our chains and the jumps to them; no error if there are none.

    Raises:
        MissingToolError: the program is not installed.
        StepError: it refused.
    """
    for version, table in OWN_TABLES:
        if changes := iptables_rules.parse_table(tag, save_table(program, table, version)).removal():
            _restore_table(program, changes, table, version)


def open_chain(program: str, chain: str, opening: Opening | DnsOpening) -> None:
    """Insert the rules of an opening at the head of a chain, replacing rules with its tag, in one transaction.

    Raises:
        MissingToolError: the program is not installed.
        StepError: it refused.
    """
    added = [f"-I {chain} {place} {rule}" for place, rule in enumerate(opening.iptables(), 1)]
    _restore_table(program, [*_removal_lines(program, chain, opening.tag), *added])


def close_chain(program: str, chain: str, tag: str) -> None:
    """Remove the rules with a tag from a chain, in one transaction.

    Raises:
        MissingToolError: the program is not installed.
        StepError: it refused.
    """
    _restore_table(program, _removal_lines(program, chain, tag))


def _removal_lines(program: str, chain: str, tag: str) -> list[str]:
    rules = iptables_rules.parse_table(tag, save_table(program)).rules
    return [f"-D {rule.text}" for rule in rules if rule.chain == chain and has_tag(rule.comment, tag)]


def _restore_table(program: str, changes: Iterable[str], table: str = "filter", version: int = IPV4) -> None:
    tool = _find_tool(program, "restore", version)
    if tool is None:
        raise MissingToolError(f"{program} is not installed, but its rules are loaded: apt install iptables")
    _run_tool([tool, "--noflush", "--wait", str(LOCK_WAIT_S)], "\n".join([f"*{table}", *changes, "COMMIT", ""]))


def _is_table_in_use(table: str, version: int) -> bool:
    """Return whether legacy iptables has the table: listing one that does not exist would create it."""
    try:
        return table in LEGACY_TABLES_FILES[version].read_text().split()
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # in a user namespace the kernel does not say


def _find_tool(program: str, action: str, version: int = IPV4) -> str | None:
    """Return the path of `iptables-KIND-ACTION`, else of an `iptables-ACTION` of that kind."""
    command = COMMANDS[version]
    specific = find_tool(f"{program.replace(COMMANDS[IPV4], command, 1)}-{action}")
    if specific is not None or (generic := find_tool(f"{command}-{action}")) is None:
        return specific
    return generic if _detect_program(generic) == program else None


@functools.cache
def _detect_program(tool: str) -> str:
    """Return the kind of a tool, from its version text; before 1.8, which does not name it, all were legacy."""
    return IPTABLES_NFT if "nf_tables" in _run_tool([tool, "--version"]) else IPTABLES_LEGACY


def _run_tool(argv: list[str], stdin: str = "") -> str:
    completed = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if completed.returncode != 0:
        output = "\n".join(line for line in completed.stderr.splitlines() if not line.startswith("#"))
        raise StepError.from_output(Path(argv[0]).name, output, completed.returncode)
    return completed.stdout
