# The namespace by hand, as many guides have it in this order and with these commands: the baseline of docs/namespace.md.
# Run as root on a host whose uplink is eth0. Do not use it: that document says what it breaks.
ip netns add ip4only
ip link add ip4only-root type veth peer name ip4only-ns
ip link set ip4only-ns netns ip4only
ip address add 192.168.200.1/24 dev ip4only-root
ip link set ip4only-root up
ip -n ip4only address add 192.168.200.2/24 dev ip4only-ns
ip -n ip4only link set ip4only-ns up
ip -n ip4only link set lo up
ip -n ip4only route add default via 192.168.200.1

echo 1 > /proc/sys/net/ipv4/ip_forward
iptables -P FORWARD ACCEPT
iptables -F
iptables -t nat -F
iptables -t nat -A POSTROUTING -s 192.168.200.0/24 -o eth0 -j MASQUERADE

mkdir -p /etc/netns/ip4only
echo "nameserver 203.0.113.53" > /etc/netns/ip4only/resolv.conf

cc -o /usr/local/bin/ip4only -x c - <<'PROGRAM'
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int fd = open("/run/netns/ip4only", O_RDONLY);
    if (argc < 2 || fd < 0 || setns(fd, CLONE_NEWNET) < 0)
        err(1, "ip4only");
    execvp(argv[1], argv + 1);
    err(1, "%s", argv[1]);
}
PROGRAM
setcap cap_sys_admin+ep /usr/local/bin/ip4only
