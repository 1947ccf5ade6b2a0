"""Steps that load and remove our own iptables chains, for hosts without nft. Pure data; see `netns.steps`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netns.iptables_ruleset import prefix
from netns.steps import Step

if TYPE_CHECKING:
    from netns.iptables_ruleset import Table


def restore(program: str, version: int) -> str:
    """Return the name of the restore tool of `iptables-nft` or `iptables-legacy` for an IP version."""
    kind = program.removeprefix("iptables")
    return f"{'ip6tables' if version == 6 else 'iptables'}{kind}-restore"  # noqa: PLR2004  the version of IP


class LoadChains(Step, frozen=True):
    """Load our own chains and the jumps to them, one transaction per table; the rules of others stay as they are."""

    program: str
    tag: str
    tables: tuple[Table, ...]

    def __str__(self) -> str:
        tools = " and ".join(dict.fromkeys(restore(self.program, table.version) for table in self.tables))
        count = sum(len(chain.rules) + len(chain.entrances) for table in self.tables for chain in table.chains)
        return f"{tools} --noflush  # chains {prefix(self.tag)}*: {count} rules, one transaction per table"

    @property
    def script(self) -> str:
        """The rules themselves. Older ones of ours are removed in the same transactions, which is not shown."""
        return "\n".join(_script(self.program, table) for table in self.tables)

    @property
    def undo(self) -> Step:
        return DeleteChains(self.program, self.tag)


def _script(program: str, table: Table) -> str:
    tool = restore(program, table.version)
    return "\n".join([f"{tool} --noflush <<'END'", f"*{table.name}", *table.lines(), "COMMIT", "END"])


class DeleteChains(Step, frozen=True):
    """Remove our own chains and the jumps to them."""

    program: str
    tag: str

    def __str__(self) -> str:
        return f"{self.program} -X ...  # each chain {prefix(self.tag)}* of filter and nat, and the jumps to it"
