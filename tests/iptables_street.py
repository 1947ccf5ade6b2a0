"""A home host on a street that has iptables of one kind and no nft: what is hidden cannot be run by anybody."""

from __future__ import annotations

from street import Street

HIDE = """
touch /run/hidden
for tool in TOOLS; do mount --bind /run/hidden /usr/sbin/$tool; done
for what in '' -save -restore; do for command in iptables ip6tables; do
    ln -sf /usr/sbin/$command-KIND$what /etc/alternatives/$command$what
done; done
"""
# Looking at the tables first makes those of legacy iptables and the chains of the other kind, which nothing removes.
MAKE_TABLES = """
for table in filter nat; do
    iptables -t $table -N made; iptables -t $table -X made; ip6tables -t $table -N made; ip6tables -t $table -X made
done
"""
SAVED = "{ iptables-save; ip6tables-save; } | sed -E '/^#/d; s/\\[[0-9:]+\\]//'"


def only(kind: str, *, both: bool = False) -> str:
    """Return the script that leaves a host iptables of one kind and no nft; `both` leaves the other kind as well."""
    other = "nft" if kind == "legacy" else "legacy"
    tools = ["nft", *([] if both else [f"xtables-{other}-multi"])]
    return (HIDE.replace("TOOLS", " ".join(tools)).replace("KIND", kind) + MAKE_TABLES).rstrip()


class IptablesStreet(Street):
    """The street whose home has only iptables of `kind`, "nft" or "legacy"; `both` leaves the other kind there too."""

    def __init__(self, kind: str, *, both: bool = False) -> None:
        super().__init__()
        self.shell(only(kind, both=both))

    def saved(self) -> list[str]:
        """Return the rules of iptables and ip6tables, without what they have counted."""
        return self.shell(SAVED).stdout.splitlines()

    def counted(self, words: str) -> int:
        """Return how many packets the rules whose text has `words` have seen."""
        lines = self.shell("iptables-save -c; ip6tables-save -c").stdout.splitlines()
        return sum(int(line[1:].partition(":")[0]) for line in lines if line.startswith("[") and words in line)

    def snapshot(self) -> list[str]:
        """Return everything that a set-up could change, as lines."""
        return [*super().snapshot(), *self.saved()]
