"""Everything about nftables, iptables and firewalld: rules as data, the programs that load and list them, and finding the rule that drops a packet.

May import: spec, state, errors, kernel.
"""
