"""The program that holds our own firewall rules, as data: nft if it is installed, else the host's kind of iptables."""

from __future__ import annotations

from msgspec import Struct

NFT, IPTABLES_NFT, IPTABLES_LEGACY = "nft", "iptables-nft", "iptables-legacy"


class Backend(Struct, frozen=True):
    """The program, and whether it filters IPv6 as well: iptables does if ip6tables is installed."""

    program: str = NFT
    ipv6: bool = True

    @property
    def is_nft(self) -> bool:
        """Whether our rules are an nftables table of their own rather than iptables chains."""
        return self.program == NFT
