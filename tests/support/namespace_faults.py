"""What can break a namespace, each as a shell command; `check` reports it, and set-up repairs it."""

FAULTS = {
    "namespace deleted": "ip netns delete ip4only",
    "handle is a plain file": "umount /run/netns/ip4only",
    "host end deleted": "ip link delete ip4only-root",
    "host end has lost its mark": "ip link set ip4only-root alias ''",
    "host end down": "ip link set ip4only-root down",
    "inner end down": "ip -n ip4only link set ip4only-ns down",
    "loopback down": "ip -n ip4only link set lo down",
    "no default route": "ip -n ip4only route delete default",
    "second default route": "ip -n ip4only route add default via 192.168.200.1 dev ip4only-ns metric 50",
    "wrong address": "ip -n ip4only address flush dev ip4only-ns; ip -n ip4only address add 10.9.9.9/8 dev ip4only-ns",
    "no address on the host": "ip address flush dev ip4only-root",
    "wrong MTU": "ip link set ip4only-root mtu 1400",
    "IPv6 on inside": "ip netns exec ip4only sysctl -qw net.ipv6.conf.all.disable_ipv6=0",
    "IPv6 on at the host end": "sysctl -qw net.ipv6.conf.ip4only-root.disable_ipv6=0",
    "uplink forwards no more": "echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding",
    "host switched to routing and back": "sysctl -qw net.ipv4.ip_forward=1; sysctl -qw net.ipv4.ip_forward=0",
    "rules flushed": "nft flush ruleset",
    "rule added": "nft insert rule inet speedmon forward accept",
    "resolver file deleted": "rm /etc/netns/ip4only/resolv.conf",
    "resolver file edited": "echo 'nameserver 9.9.9.9' >> /etc/netns/ip4only/resolv.conf",
}
