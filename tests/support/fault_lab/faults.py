"""The faults of the lab, each with the scope that is right for it: written down before the first run, and kept.

`before` makes the fault before the test, `during` while it runs (seconds after its start, script). More of them:
`network_faults` (boxes in between, names, the provider) and `machine_faults`.
"""

from __future__ import annotations

from fault_lab.fault import (
    BACK_AFTER_LOOK,
    CLI,
    CONFIG,
    DROP_ALL,
    HIJACK,
    HOST,
    IPERF,
    ISP_NAMES,
    LINE,
    LOCAL,
    OWN_TLS,
    PAGE,
    PROVIDER,
    PUBLIC_WITNESSES,
    WITNESSES,
    Fault,
)
from fault_lab.machine_faults import MACHINE_FAULTS
from fault_lab.network_faults import NETWORK_FAULTS


def _line_faults() -> tuple[Fault, ...]:
    return (
        Fault("isp drops everything", "isp", LINE, DROP_ALL),
        Fault("isp drops everything, speedtest-cli", "isp", LINE, DROP_ALL, engine=CLI),
        Fault("isp drops everything, host", "isp", LINE, DROP_ALL, path=HOST),
        Fault("isp drops everything, its names asked directly", "isp", LINE, DROP_ALL, prepare=ISP_NAMES),
        Fault("isp cut off from the internet", "isp", LINE, "ip -n isp link set up0 down; isp nft add rule inet faults"
              " input udp dport 53 drop"),
        Fault("isp cut off, its name server still answers", "isp", ("unknown", "line"), "rule isp forward drop",
              prepare=ISP_NAMES),
        Fault("isp drops replies only", "isp", LINE, 'rule isp forward iifname up0 drop; rule isp input udp dport 53 drop'),
        Fault("isp drops new connections", "isp", LINE, "rule isp forward ct state new drop; rule isp input udp dport 53 drop"),
        Fault("isp prohibits everything", "isp", LINE, "rule isp forward reject with icmpx admin-prohibited;"
              " rule isp input udp dport 53 drop"),
        Fault("isp resets every connection", "isp", LINE, "rule isp forward meta l4proto tcp reject with tcp reset;"
              " rule isp forward drop; rule isp input udp dport 53 drop"),
        Fault("isp fails during the download", "line", LINE, during=((5.0, DROP_ALL),)),
        Fault("isp fails during the test, speedtest-cli", "line", LINE, during=((6.0, DROP_ALL),), engine=CLI),
        Fault("modem dead", "line", LINE, "ip -n isp link set sub0 down"),
        Fault("router lost its line", "line", LINE, "ip -n router link set wan0 down"),
        Fault("router lost its line, speedtest-cli, host", "line", LINE, "ip -n router link set wan0 down", engine=CLI, path=HOST),
        Fault("router forwards nothing", "router", LINE, "rule router forward drop; control router=SERVFAIL"),
        Fault("router hangs", "router", LINE, "ip -n router address del 192.168.1.1/24 dev lan0"),
        Fault("router off", "router", LINE, "ip -n router link set lan0 down"),
        Fault("router off, host", "router", LINE, "ip -n router link set lan0 down", path=HOST),
        Fault("router silent to all", "router", LINE, "rule router forward drop; rule router input drop"),
        Fault("router rejects by ICMP", "router", LINE, "rule router forward reject; control router=SERVFAIL"),
        Fault("router resets every connection", "router", LINE,
              "rule router forward meta l4proto tcp reject with tcp reset; rule router forward drop; control router=SERVFAIL"),
        Fault("router resets every connection, host", "router", LINE,
              "rule router forward meta l4proto tcp reject with tcp reset; rule router forward drop; control router=SERVFAIL",
              path=HOST),
        Fault("router restarts during the test", "router", LINE, during=((5.0, "ip -n router link set lan0 down"),)),
    )  # fmt: skip


def _name_faults() -> tuple[Fault, ...]:
    silent = "rule isp input udp dport 53 drop"
    return (
        Fault("isp's name server silent", "dns", LINE, silent, prepare=ISP_NAMES),
        Fault("isp's name server silent, host", "dns", LINE, silent, prepare=ISP_NAMES, path=HOST),
        Fault("isp's name server silent, speedtest-cli", "dns", LINE, silent, prepare=ISP_NAMES, engine=CLI),
        Fault("isp's name server fails", "dns", LINE, "control isp=SERVFAIL", prepare=ISP_NAMES),
        Fault("isp's name server refuses", "dns", LINE, "control isp=REFUSED", prepare=ISP_NAMES),
        Fault("isp's name server knows nothing", "dns", LINE, "control isp=NXDOMAIN", prepare=ISP_NAMES),
        Fault("isp's name server port closed", "dns", LINE, "rule isp input udp dport 53 reject", prepare=ISP_NAMES),
        Fault("router's names fail", "dns", LINE, silent),
        Fault("router's names silent", "dns", LINE, "control router=silent"),
        Fault("router's name port closed", "dns", LINE, "rule router input udp dport 53 reject"),
        Fault("name servers of the settings dead", "dns", CONFIG, environment={"SPEEDMON_NAMESPACE__DNS": "203.0.113.99"}),
        Fault("provider's name unknown everywhere", "dns", PROVIDER, "control hide=speedtest.net:NXDOMAIN"),
        Fault("provider's name fails everywhere", "dns", PROVIDER, "control hide=speedtest.net:SERVFAIL"),
        Fault("provider's name unknown, speedtest-cli", "dns", PROVIDER, "control hide=speedtest.net:NXDOMAIN", engine=CLI),
        Fault("a filter at home blocks the provider", "block", CONFIG, "control hide_pihole=speedtest.net:0.0.0.0",
              prepare="echo nameserver 192.168.1.2 >/etc/resolv.conf", servers=(("router", "pihole"),)),
        Fault("a filter at the router blocks the provider", "block", CONFIG, "control hide_router=speedtest.net:0.0.0.0"),
        Fault("a filter at home hides the provider", "block", CONFIG, "control hide_pihole=speedtest.net:NXDOMAIN",
              prepare="echo nameserver 192.168.1.2 >/etc/resolv.conf", servers=(("router", "pihole"),)),
        Fault("name server at home died", "dns", CONFIG, prepare="echo nameserver 192.168.1.2 >/etc/resolv.conf"),
        Fault("name server on this host died", "dns", LOCAL, prepare="echo nameserver 127.0.0.53 >/etc/resolv.conf", path=HOST),
        Fault("name server on this host died, speedtest-cli", "dns", LOCAL, engine=CLI,
              prepare="echo nameserver 127.0.0.53 >/etc/resolv.conf", path=HOST),
        Fault("name server answers this host only", "dns", ("local", "config"),
              "nft add table inet vpn; nft 'add chain inet vpn in { type filter hook input priority -200; }';"
              " nft add rule inet vpn in iifname ip4only-root udp dport 53 drop",
              prepare="ip link add vpn0 type veth peer name vpn1; ip link set vpn1 up; ip address add 100.100.100.100/32 dev vpn0; ip link set vpn0 up;"
              " echo nameserver 100.100.100.100 >/etc/resolv.conf", servers=(("", "vpn"),)),
        Fault("copy of name servers out of date", "dns", ("local", "config"),
              "echo nameserver 192.168.1.1 >/etc/resolv.conf; rule router forward ip daddr 203.0.113.54 drop",
              prepare="echo nameserver 203.0.113.54 >/etc/resolv.conf;"
              " ip -n isp address add 203.0.113.54/32 dev lo"),
        Fault("no name server on this host", "dns", ("config", "local"), ": >/etc/resolv.conf", path=HOST),
    )  # fmt: skip


def _portal_faults() -> tuple[Fault, ...]:
    rest = "rule router forward drop"
    return (
        Fault("portal with page and certificate", "portal", LINE, f"{PAGE}; {OWN_TLS}; {rest}"),
        Fault("portal with page and certificate, speedtest-cli", "portal", LINE, f"{PAGE}; {OWN_TLS}; {rest}", engine=CLI),
        Fault("portal with page and certificate, host", "portal", LINE, f"{PAGE}; {OWN_TLS}; {rest}", path=HOST),
        Fault("portal by redirection, TLS dropped", "portal", LINE, f"control page=redirect; {PAGE}; {rest}"),
        Fault("portal by redirection, speedtest-cli", "portal", LINE, f"control page=redirect; {PAGE}; {rest}", engine=CLI),
        Fault("portal by redirection, the rest reset", "portal", LINE, f"control page=redirect; {PAGE};"
              " rule router forward meta l4proto tcp reject with tcp reset; " + rest),
        Fault("portal with status 511", "portal", LINE, f"control page=511; {PAGE}; {rest}"),
        Fault("portal by certificate only", "portal", LINE, f"{OWN_TLS}; {rest}"),
        Fault("portal by names", "portal", LINE, f"{HIJACK}; rule router pre ip daddr 192.168.1.1 tcp dport 80 redirect to :8081;"
              f" rule router pre ip daddr 192.168.1.1 tcp dport 443 redirect to :8443; {rest}"),
        Fault("portal by names, speedtest-cli", "portal", LINE, engine=CLI, before=f"{HIJACK};"
              f" rule router pre ip daddr 192.168.1.1 tcp dport 80 redirect to :8081; {rest}"),
        Fault("portal by names, TLS dropped", "portal", LINE, f"{HIJACK}; {rest}; rule router input tcp dport 443 drop;"
              " rule router pre ip daddr 192.168.1.1 tcp dport 80 redirect to :8081"),
    )  # fmt: skip


def _packet_faults() -> tuple[Fault, ...]:
    large = "rule isp forward ip length '>' 1300 drop"
    lose = "numgen random mod 100 '<'"
    return (
        Fault("large packets dropped", "mtu", LINE, large),
        Fault("large packets dropped, speedtest-cli", "mtu", LINE, large, engine=CLI),
        Fault("large packets dropped, host", "mtu", LINE, large, path=HOST),
        Fault("large packets up dropped", "mtu", LINE, "rule router forward iifname lan0 ip length '>' 1300 drop"),
        Fault("30 % of packets lost both ways", "loss", ("line", "ok"), f"rule isp forward {lose} 30 drop"),
        Fault("50 % of packets up lost", "loss", ("line", "ok"), f"rule router forward iifname lan0 {lose} 50 drop"),
        Fault("30 % lost, speedtest-cli", "loss", ("line", "ok"), f"rule isp forward {lose} 30 drop", engine=CLI),
        Fault("80 % of packets lost", "loss", LINE, f"rule isp forward {lose} 80 drop"),
        Fault("short silence at the start", "flap", LINE, f"{DROP_ALL}; rule router forward drop",
              during=((0.1, BACK_AFTER_LOOK + "router nft flush chain inet faults forward; isp nft flush ruleset"),)),
        Fault("short silence at the start, host", "flap", LINE, f"{DROP_ALL}; rule router forward drop", path=HOST,
              during=((0.1, BACK_AFTER_LOOK + "router nft flush chain inet faults forward; isp nft flush ruleset"),)),
        Fault("short silence in the download", "flap", ("line", "ok"),
              during=((5.0, DROP_ALL), (5.2, BACK_AFTER_LOOK + "isp nft flush ruleset"))),
        Fault("names silent for a moment", "flap", LINE, "control router=silent",
              during=((0.1, BACK_AFTER_LOOK + "control router="),)),
    )  # fmt: skip


def _provider_faults() -> tuple[Fault, ...]:
    refuse = "rule internet input tcp dport 8080 reject with tcp reset"
    home = "rule internet input ip daddr 151.101.2.219 tcp dport"
    return (
        Fault("server refuses", "provider", PROVIDER, refuse),
        Fault("server refuses, host", "provider", PROVIDER, refuse, path=HOST),
        Fault("server refuses, speedtest-cli", "provider", PROVIDER, refuse, engine=CLI),
        Fault("server silent", "provider", PROVIDER, "rule internet input tcp dport 8080 drop"),
        Fault("server unreachable in its own network", "provider", PROVIDER,
              "rule internet input tcp dport 8080 reject with icmpx host-unreachable"),
        Fault("home silent", "provider", PROVIDER, f"{home} 443 drop"),
        Fault("home refuses", "provider", PROVIDER, f"{home} 443 reject with tcp reset"),
        Fault("home refuses, host", "provider", PROVIDER, f"{home} 443 reject with tcp reset", path=HOST),
        Fault("certificate expired", "provider", PROVIDER, "control certificate=expired"),
        Fault("certificate of another", "provider", PROVIDER, "control certificate=foreign"),
        Fault("home speaks no TLS", "provider", PROVIDER, "control certificate=plain"),
        Fault("home cuts connections", "provider", PROVIDER, "control certificate=cut"),
        Fault("home opens and is silent", "provider", PROVIDER, "control certificate=silent"),
        Fault("status 503", "provider", PROVIDER, "control status=503"),
        Fault("status 429", "provider", PROVIDER, "control status=429"),
        Fault("status 503, speedtest-cli", "provider", PROVIDER, "control status=503", engine=CLI),
        Fault("status 403, speedtest-cli, host", "provider", PROVIDER, "control status=403", engine=CLI, path=HOST),
        Fault("home refuses, speedtest-cli", "provider", PROVIDER, f"{home} 80 reject with tcp reset", engine=CLI),
        Fault("home silent, speedtest-cli", "provider", PROVIDER, f"{home} 80 drop", engine=CLI),
        Fault("server freezes", "provider", PROVIDER, "control freeze=1"),
        Fault("server freezes, speedtest-cli", "provider", PROVIDER, "control freeze=1", engine=CLI),
        Fault("server resets during the test", "provider", PROVIDER, during=((5.0, refuse),)),
        Fault("server silent during the test", "provider", PROVIDER, during=((5.0, "rule internet input tcp dport 8080 drop"),)),
        Fault("server refuses, public witnesses blocked", "block", PROVIDER,
              f"{refuse}; rule isp forward ip daddr {PUBLIC_WITNESSES} drop"),
        Fault("status 503, every witness blocked", "block", PROVIDER,
              f"control status=503; rule isp forward ip daddr {WITNESSES} drop"),
        Fault("server refuses, every witness blocked", "block", PROVIDER,
              f"{refuse}; rule isp forward ip daddr {WITNESSES} drop", engine=CLI),
        Fault("status 503, TLS blocked, speedtest-cli", "block", PROVIDER,
              "control status=503; rule isp forward tcp dport 443 drop", engine=CLI),
        Fault("iperf3 server refuses", "provider", PROVIDER, engine="iperf3", environment=IPERF),
        Fault("iperf3 server silent", "provider", PROVIDER, "rule internet input tcp dport 5201 drop", engine="iperf3",
              environment=IPERF),
        Fault("iperf3 server's name wrong", "machine", CONFIG, engine="iperf3",
              environment={"SPEEDMON_IPERF3__HOST": "no.such.example"}),
    )  # fmt: skip


def _machine_faults() -> tuple[Fault, ...]:
    firewall = "nft add table inet own; nft 'add chain inet own {0} {{ type filter hook {0} priority 10; }}'; nft add rule inet own {0}"
    return (
        Fault("no default route", "machine", LOCAL, "ip route del default"),
        Fault("no default route, host", "machine", LOCAL, "ip route del default", path=HOST),
        Fault("uplink set down", "machine", LOCAL, "ip link set eth0 down"),
        Fault("uplink set down, host", "machine", LOCAL, "ip link set eth0 down", path=HOST, engine=CLI),
        Fault("address lost", "machine", LOCAL, "ip address flush dev eth0"),
        Fault("address lost, host", "machine", LOCAL, "ip address flush dev eth0", path=HOST),
        Fault("own firewall rejects the namespace", "machine", LOCAL, firewall.format("forward") + " reject"),
        Fault("own firewall resets the namespace", "machine", LOCAL,
              firewall.format("forward") + " meta l4proto tcp reject with tcp reset"),
        Fault("own firewall drops the namespace", "machine", LOCAL, firewall.format("forward") + " drop"),
        Fault("own firewall rejects, host", "machine", LOCAL, firewall.format("output") + " oifname eth0 reject", path=HOST),
        Fault("own firewall resets, host", "machine", LOCAL,
              firewall.format("output") + " oifname eth0 meta l4proto tcp reject with tcp reset", path=HOST),
        Fault("own firewall drops, host", "machine", LOCAL, firewall.format("output") + " oifname eth0 drop", path=HOST),
        Fault("own firewall rejects the test's port", "machine", LOCAL, firewall.format("forward") + " tcp dport 8080 reject"),
        Fault("rule prohibits, host", "machine", LOCAL, "ip rule add prohibit pref 10", path=HOST),
        Fault("namespace's link set down", "machine", LOCAL, "ip link set ip4only-root down"),
        Fault("namespace lost its route", "machine", LOCAL, "ip netns exec ip4only ip route del default"),
        Fault("forwarding switched off", "machine", LOCAL, "sysctl -qw net.ipv4.conf.eth0.forwarding=0"),
        Fault("own rules flushed", "machine", LOCAL, "nft flush ruleset"),
        Fault("a tunnel takes the routes", "machine", LOCAL, "ip link add tun0 type veth peer name tun1; ip link set tun0 up; ip link set tun1 up;"
              " ip address add 10.99.0.1/24 dev tun0; ip route add 0.0.0.0/1 via 10.99.0.2; ip route add 128.0.0.0/1 via 10.99.0.2"),
        Fault("clock wrong", "machine", LOCAL, "control certificate=expired strangers=expired"),
        Fault("clock wrong, host", "machine", LOCAL, "control certificate=expired strangers=expired", path=HOST),
        Fault("no issuers of certificates", "machine", CONFIG, "rm -f /etc/ssl/certs/*"),
        Fault("engine killed", "machine", LOCAL, during=((5.0, "kill -9 $(pgrep -f '^[^ ]*python.* /run/lab/speedtest')"),)),
        Fault("engine missing", "machine", CONFIG, environment={"SPEEDMON_OOKLA__BINARY": "/run/lab/none"}),
    )  # fmt: skip


FAULTS = (
    Fault("no fault", "none", ("ok",)),
    Fault("no fault, speedtest-cli", "none", ("ok",), engine=CLI),
    *_line_faults(),
    *_name_faults(),
    *_portal_faults(),
    *_packet_faults(),
    *_provider_faults(),
    *_machine_faults(),
    *NETWORK_FAULTS,
    *MACHINE_FAULTS,
)
