"""The faults' lab as data: a client behind its router, an ISP, and an internet of servers, each in a namespace.

    client 192.168.1.10 ── router 192.168.1.1 ── isp 100.64.0.1 ── internet: witnesses, name servers, a speedtest.net

Addresses of the internet exist only here. Control words in a file change what the servers do, see `servers`.
"""

from __future__ import annotations

from pathlib import Path

CLIENT, ROUTER, ISP_GATEWAY = "192.168.1.10", "192.168.1.1", "100.64.0.1"

ISP_NAMES = "203.0.113.53"

PUBLIC_NAMES = ("1.1.1.1", "9.9.9.9", "8.8.8.8")

WIKIPEDIA, GOOGLE, EXAMPLE = "91.198.174.192", "142.250.74.36", "93.184.216.34"

PROVIDER, TEST_SERVER = "151.101.2.219", "198.51.100.80"

ZONE = {
    "www.google.com": GOOGLE,
    "www.wikipedia.org": WIKIPEDIA,
    "example.com": EXAMPLE,
    "www.speedtest.net": PROVIDER,
    "c.speedtest.net": PROVIDER,
    "near.speedtest.example": TEST_SERVER,
    "far.speedtest.example": TEST_SERVER,
}

# The names that the certificate of each address is valid for.
CERTIFIED = {
    "1.1.1.1": "IP:1.1.1.1",
    "9.9.9.9": "IP:9.9.9.9",
    GOOGLE: "DNS:www.google.com",
    WIKIPEDIA: "DNS:www.wikipedia.org",
    PROVIDER: "DNS:www.speedtest.net,DNS:c.speedtest.net",
}

INTERNET = (*PUBLIC_NAMES, WIKIPEDIA, GOOGLE, EXAMPLE, PROVIDER, TEST_SERVER)

CONTROL = Path("/run/lab/control.json")

PORTAL_PAGE_PORT, PORTAL_TLS_PORT = 8081, 8443

BUILD_SCRIPT = f"""
set -e
ip link set lo up
for name in router isp internet; do ip netns add $name; ip -n $name link set lo up; done
sysctl -qw net.ipv4.ip_forward=0 net.ipv4.ping_group_range='0 2147483647' || true
for name in router isp; do ip netns exec $name sysctl -qw net.ipv4.ip_forward=1; done
ip link add eth0 type veth peer name lan0 netns router
ip -n router link add wan0 type veth peer name sub0 netns isp
ip -n isp link add up0 type veth peer name isp0 netns internet
ip address add {CLIENT}/24 dev eth0; ip link set eth0 up
ip -n router address add {ROUTER}/24 dev lan0; ip -n router address add 192.168.1.2/24 dev lan0; ip -n router link set lan0 up
ip -n router address add 100.64.0.2/24 dev wan0; ip -n router link set wan0 up
ip -n isp address add {ISP_GATEWAY}/24 dev sub0; ip -n isp link set sub0 up
ip -n isp address add 198.18.0.1/30 dev up0; ip -n isp link set up0 up
ip -n internet address add 198.18.0.2/30 dev isp0; ip -n internet link set isp0 up
ip -n isp address add {ISP_NAMES}/32 dev lo
for address in {" ".join(INTERNET)}; do
    ip -n internet address add $address/32 dev lo; ip -n isp route add $address/32 via 198.18.0.2
done
ip route add default via {ROUTER}
ip -n router route add default via {ISP_GATEWAY}
ip -n internet route add default via 198.18.0.1
ip netns exec router nft -f - <<'END'
table ip nat {{
    chain post {{ type nat hook postrouting priority 100; oifname "wan0" masquerade; }}
}}
table inet faults {{
    chain pre {{ type nat hook prerouting priority -100; }}
    chain forward {{ type filter hook forward priority 0; }}
    chain input {{ type filter hook input priority 0; }}
}}
END
for name in isp internet; do ip netns exec $name nft -f - <<'END'
table inet faults {{
    chain pre {{ type nat hook prerouting priority -100; }}
    chain forward {{ type filter hook forward priority 0; }}
    chain input {{ type filter hook input priority 0; }}
}}
END
done
ip netns exec isp tc qdisc add dev sub0 root tbf rate 40mbit burst 64kb latency 60ms
ip netns exec router tc qdisc add dev wan0 root tbf rate 20mbit burst 64kb latency 60ms
"""

# Words of the scripts that make faults.
HELPERS = """
router() { ip netns exec router "$@"; }
isp() { ip netns exec isp "$@"; }
internet() { ip netns exec internet "$@"; }
rule() { place=$1; chain=$2; shift 2; ip netns exec "$place" nft add rule inet faults "$chain" "$@"; }
control() { python3 -c '
import json, os, sys
file = "/run/lab/control.json"
words = json.load(open(file)) if os.path.exists(file) else {}
words.update(pair.split("=", 1) for pair in sys.argv[1:])
json.dump(words, open(file + ".new", "w")); os.replace(file + ".new", file)' "$@"; }
"""
