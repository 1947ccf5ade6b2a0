"""More faults of this machine: its name servers, its routes, its firewalls of many kinds, its programs."""

from __future__ import annotations

from fault_lab.fault import CLI, CONFIG, HOST, LOCAL, Fault

_HERE = ("local", "config")

_OWN = (
    "nft add table inet own; nft 'add chain inet own {0} {{ type filter hook {0} priority {2}; }}';"
    " nft add rule inet own {0} {1}"
)

_NO_MEMORY = r"""cat >/run/lab/speedtest <<'END'
#!/bin/sh
case "$*" in *--version*) echo "Speedtest by Ookla 1.2.0.84 (lab) Linux/x86_64";;
*) echo "[2026-11-30 12:00:00.000] [error] Cannot allocate memory" >&2; exit 2;; esac
END"""

_KILL = "until pgrep -f '[-]m speedtest --json'; do sleep 0.05; done; sleep 1; pkill -9 -f '[-]m speedtest --json'"

_PORT = "tcp dport 8080"

_SIX = ("ip -6 address add fd00::10/64 dev eth0 nodad; ip -n router -6 address add fd00::1/64 dev lan0 nodad;"
        " sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0; echo nameserver fd00::1 >/etc/resolv.conf")  # fmt: skip


def _firewall(hook: str, rule: str, priority: int = 10) -> str:
    return _OWN.format(hook, rule, priority)


def _names() -> tuple[Fault, ...]:
    return (
        Fault("name servers of IPv6 only, the guess falls silent", "dns", _HERE, "control router=silent", prepare=_SIX,
              servers=(("router", "names6"),)),
        Fault("name servers of IPv6 only, the guess never answered", "dns", _HERE,
              prepare=f"{_SIX}; control router=silent",
              servers=(("router", "names6"),)),
        Fault("copy of name servers missing", "dns", _HERE,
              "rm -f /etc/netns/ip4only/resolv.conf; echo nameserver 127.0.0.53 >/etc/resolv.conf"),
        Fault("copy of name servers empty", "dns", _HERE, ": >/etc/netns/ip4only/resolv.conf"),
        Fault("provider in the file of hosts", "dns", _HERE, "echo 127.0.0.1 www.speedtest.net >>/etc/hosts"),
        Fault("provider in the file of hosts, speedtest-cli, host", "dns", _HERE,
              "echo 0.0.0.0 c.speedtest.net www.speedtest.net >>/etc/hosts",
              engine=CLI, path=HOST),
        Fault("own firewall drops names", "dns", LOCAL, _firewall("output", "udp dport 53 drop"), path=HOST),
        Fault("own firewall drops names of the namespace", "dns", LOCAL, _firewall("forward", "udp dport 53 drop")),
        Fault("own firewall rejects names, host", "dns", LOCAL, _firewall("output", "udp dport 53 reject"), path=HOST),
    )  # fmt: skip


def _routes() -> tuple[Fault, ...]:
    return (
        Fault("wrong default gateway", "machine", LOCAL, "ip route replace default via 192.168.1.77", earlier=True),
        Fault("wrong default gateway, host", "machine", LOCAL,
              "ip route replace default via 192.168.1.77", path=HOST, earlier=True),
        Fault("wrong default gateway from the start", "machine", ("local", "unknown"),
              "ip route replace default via 192.168.1.77", path=HOST),
        Fault("default gateway is no router", "machine", ("local", "unknown"),
              "ip netns add nas; ip link add nas0 type veth peer name nas1 netns nas;"
              " ip address add 192.168.3.1/24 dev nas0; ip link set nas0 up;"
              " ip -n nas address add 192.168.3.2/24 dev nas1; ip -n nas link set nas1 up;"
              " ip route replace default via 192.168.3.2", path=HOST, earlier=True),
        Fault("default route without a gateway", "machine", ("local", "unknown"),
              "ip route replace default dev eth0 scope link", path=HOST,
              earlier=True),
        Fault("router's address entered by hand, wrongly", "machine", LOCAL,
              "ip neighbour replace 192.168.1.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent", path=HOST),
        Fault("own route swallows the server", "machine", LOCAL, "ip route add blackhole 198.51.100.80", earlier=True),
        Fault("own route swallows the provider", "machine", LOCAL, "ip route add blackhole 151.101.2.219"),
        Fault("own route denies the provider, host", "machine", LOCAL,
              "ip route add unreachable 151.101.2.219", path=HOST),
        Fault("way back into the namespace lost", "machine", LOCAL, "ip address flush dev ip4only-root"),
        Fault("address of another network", "machine", ("local", "unknown"), "ip address flush dev eth0;"
              " ip address add 169.254.7.7/16 dev eth0", path=HOST),
        Fault("forwarding off everywhere", "machine", LOCAL,
              "sysctl -qw net.ipv4.ip_forward=1; sysctl -qw net.ipv4.ip_forward=0"),
        Fault("namespace's link removed", "machine", LOCAL, "ip link del ip4only-root"),
        Fault("namespace's address lost", "machine", LOCAL, "ip netns exec ip4only ip address flush dev ip4only-ns"),
    )  # fmt: skip


def _firewalls() -> tuple[Fault, ...]:
    return (
        Fault("own firewall rejects the test's port, host", "machine", LOCAL,
              _firewall("output", f"{_PORT} reject"), path=HOST),
        Fault("own firewall resets the test's port", "machine", LOCAL,
              _firewall("forward", f"{_PORT} reject with tcp reset")),
        Fault("own firewall drops the test's port", "machine", LOCAL, _firewall("forward", f"{_PORT} drop")),
        Fault("own firewall drops the test's port, host", "machine", LOCAL,
              _firewall("output", f"{_PORT} drop"), path=HOST),
        Fault("own firewall resets the test's port, speedtest-cli", "machine", LOCAL,
              _firewall("forward", f"{_PORT} reject with tcp reset"), engine=CLI),
        Fault("own firewall drops the provider", "machine", LOCAL, _firewall("forward", "ip daddr 151.101.2.219 drop")),
        Fault("own firewall drops the provider, host", "machine", LOCAL,
              _firewall("output", "ip daddr 151.101.2.219 drop"), path=HOST),
        Fault("own firewall forwards nothing, as docker sets it", "machine", LOCAL,
              "nft add table ip filter; nft 'add chain ip filter FORWARD { type filter hook forward priority 0;"
              " policy drop; }'"),
        Fault("own firewall drops replies", "machine", LOCAL, _firewall("forward", "iifname eth0 drop")),
        Fault("own firewall drops replies, host", "machine", LOCAL, _firewall("input", "iifname eth0 drop"), path=HOST),
        Fault("own firewall drops new connections", "machine", LOCAL, _firewall("forward", "ct state new drop")),
        Fault("own masquerading removed", "machine", LOCAL,
              "nft delete table inet $(nft list tables | awk '/speedmon/ { print $3; exit }')"),
        Fault("own firewall set while the test runs", "machine", LOCAL, during=((5.0, _firewall("forward", "drop")),)),
    )  # fmt: skip


def _programs() -> tuple[Fault, ...]:
    return (
        Fault("engine may not be executed", "machine", CONFIG, "chmod 644 /run/lab/speedtest"),
        Fault("engine for another processor", "machine", CONFIG,
              "printf '\\177ELF\\2\\1\\1' >/run/lab/speedtest; chmod 755 /run/lab/speedtest"),
        Fault("engine is empty", "machine", ("config", "local", "unknown"), ": >/run/lab/speedtest"),
        Fault("engine has no memory", "machine", LOCAL, _NO_MEMORY),
        Fault("licence not accepted", "machine", CONFIG, environment={"SPEEDMON_OOKLA__ACCEPT_LICENSE": "false"}),
        Fault("namespace removed", "machine", _HERE, "ip netns del ip4only"),
        Fault("engine stopped by hand", "machine", LOCAL,
              engine=CLI, during=((0.1, _KILL),)),
    )  # fmt: skip


MACHINE_FAULTS = (*_names(), *_routes(), *_firewalls(), *_programs())
