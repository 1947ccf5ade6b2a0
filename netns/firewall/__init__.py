"""Everything about nftables, iptables and firewalld.

Rules as data, the programs that load and list them, and the search for the rule that drops a packet.
May import: spec, state, errors, kernel.
"""
