"""A router advertisement to a link that speaks no IPv6 otherwise, and how to see that it has arrived."""

# Sends one (RFC 4861, section 4.2) by a link, with a lifetime and a prefix to form addresses from.
ADVERTISE_CODE = """
import socket, struct, sys
link = socket.if_nametoindex(sys.argv[1])
sender = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link)
header = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
network = socket.inet_pton(socket.AF_INET6, "2001:db8:bad::")
prefix = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 86400, 14400, 0, network)
sender.sendto(header + prefix, ("ff02::1", 0, 0, link))
"""

ENABLE_IPV6_COMMAND = "sysctl -qw net.ipv6.conf.{0}.disable_ipv6=0; ip address add fe80::1/64 dev {0} nodad"
COUNT_RECEIVED_COMMAND = "ip netns exec ip4only cat /proc/net/dev | awk '/ip4only-ns/ {print $3}'"
