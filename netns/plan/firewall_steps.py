"""Steps on iptables and on other firewalls, as pure data; see `netns.plan.steps`.

They load and remove our own iptables chains on hosts without nft, and open other firewalls and close them again.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from netns.firewall.iptables_rules import IPV6, chain_prefix
from netns.plan.steps import Step

if TYPE_CHECKING:
    from netns.firewall.iptables_rules import OwnTable
    from netns.firewall.rules import DnsOpening, Opening


class OpenChain(Step, frozen=True):
    """Let the namespace through a chain of another firewall: our tagged rules at its head, replacing older ones.

    `program` is nft, iptables-nft or iptables-legacy; for nft, `chain` begins with family and table.
    """

    program: str
    chain: str
    opening: Opening | DnsOpening

    def __str__(self) -> str:
        if self.program == "nft":
            return " && ".join(f"nft insert rule {self.chain} {shlex.quote(r)}" for r in reversed(self.opening.nft()))
        rules = enumerate(self.opening.iptables(), 1)
        return " && ".join(f"{self.program} -I {self.chain} {place} {rule}" for place, rule in rules)

    @property
    def undo(self) -> Step:
        return CloseChain(self.program, self.chain, self.opening.tag)


class CloseChain(Step, frozen=True):
    """Remove our rules from a chain of another firewall, found by their tag."""

    program: str
    chain: str
    tag: str

    def __str__(self) -> str:
        command = f"nft delete rule {self.chain}" if self.program == "nft" else f"{self.program} -D {self.chain}"
        return f"{command} ...  # each rule whose comment begins with {self.tag}"


def _now_and_permanently(arguments: str) -> str:
    return f"firewall-cmd {arguments} && firewall-cmd --permanent {arguments}"


class TrustSource(Step, frozen=True):
    """Add a subnet to firewalld's trusted zone, in the runtime and the permanent configuration."""

    subnet: str

    def __str__(self) -> str:
        return _now_and_permanently(f"--zone=trusted --add-source={self.subnet}")

    @property
    def undo(self) -> Step:
        return DistrustSource(self.subnet)


class DistrustSource(Step, frozen=True):
    """Remove a subnet from firewalld's trusted zone."""

    subnet: str

    def __str__(self) -> str:
        return _now_and_permanently(f"--zone=trusted --remove-source={self.subnet}")


def restore_tool(program: str, version: int) -> str:
    """Return the name of the restore tool of `iptables-nft` or `iptables-legacy` for an IP version."""
    kind = program.removeprefix("iptables")
    return f"{'ip6tables' if version == IPV6 else 'iptables'}{kind}-restore"


class LoadChains(Step, frozen=True):
    """Load our own chains and the jumps to them, one transaction per table; the rules of others stay as they are."""

    program: str
    tag: str
    tables: tuple[OwnTable, ...]

    def __str__(self) -> str:
        tools = " and ".join(dict.fromkeys(restore_tool(self.program, table.version) for table in self.tables))
        count = sum(len(chain.rules) + len(chain.entrances) for table in self.tables for chain in table.chains)
        return f"{tools} --noflush  # chains {chain_prefix(self.tag)}*: {count} rules, one transaction per table"

    @property
    def script(self) -> str:
        """The rules themselves. Older ones of ours are removed in the same transactions, which is not shown."""
        return "\n".join(_format_script(self.program, table) for table in self.tables)

    @property
    def undo(self) -> Step:
        return DeleteChains(self.program, self.tag)


def _format_script(program: str, table: OwnTable) -> str:
    tool = restore_tool(program, table.version)
    return "\n".join([f"{tool} --noflush <<'END'", f"*{table.name}", *table.lines(), "COMMIT", "END"])


class DeleteChains(Step, frozen=True):
    """Remove our own chains and the jumps to them."""

    program: str
    tag: str

    def __str__(self) -> str:
        return f"{self.program} -X ...  # each chain {chain_prefix(self.tag)}* of filter and nat, and the jumps to it"
