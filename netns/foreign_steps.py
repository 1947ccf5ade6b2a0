"""Steps that open other firewalls and close them again, planned by `netns.openings`. Pure data; see `netns.steps`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from netns.steps import Step

if TYPE_CHECKING:
    from netns.opening import NameOpening, Opening


class OpenChain(Step, frozen=True):
    """Let the namespace through a chain of another firewall: our tagged rules at its head, replacing older ones.

    `program` is nft, iptables-nft or iptables-legacy; for nft, `chain` begins with family and table.
    """

    program: str
    chain: str
    opening: Opening | NameOpening

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


def _twice(arguments: str) -> str:
    return f"firewall-cmd {arguments} && firewall-cmd --permanent {arguments}"


class TrustSource(Step, frozen=True):
    """Add a subnet to firewalld's trusted zone, in the runtime and the permanent configuration."""

    subnet: str

    def __str__(self) -> str:
        return _twice(f"--zone=trusted --add-source={self.subnet}")

    @property
    def undo(self) -> Step:
        return DistrustSource(self.subnet)


class DistrustSource(Step, frozen=True):
    """Remove a subnet from firewalld's trusted zone."""

    subnet: str

    def __str__(self) -> str:
        return _twice(f"--zone=trusted --remove-source={self.subnet}")
