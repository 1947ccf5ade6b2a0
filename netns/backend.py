"""Which program holds our own rules, as data: nft where it is there, else the kind of iptables that the host has."""

from __future__ import annotations

from msgspec import Struct

NFT, IPTABLES_NFT, IPTABLES_LEGACY = "nft", "iptables-nft", "iptables-legacy"


class Backend(Struct, frozen=True):
    """The program, and whether it judges IPv6 as well: iptables does where there is an ip6tables."""

    program: str = NFT
    ipv6: bool = True

    @property
    def is_nft(self) -> bool:
        """Tell whether our rules are an nftables table of their own, and not chains of iptables."""
        return self.program == NFT
