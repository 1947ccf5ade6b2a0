"""What a fault of the lab is, and the words that several of them share."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """One fault; `right` names the scopes that are right for it, the first of them the one to expect.

    Attributes:
        name: one that is unique.
        group: line, router, isp, dns, portal, block, mtu, loss, flap, provider or machine.
        right: the right scope; more where the evidence cannot decide, as `unknown` then is.
        before: shell script that makes the fault before the test.
        during: the same while the test runs.
        prepare: shell script before the namespace is set up.
        engine: the engine of the test.
        path: the path of the test.
        servers: servers that run beside the usual ones: namespace (empty: the client) and role.
        environment: settings.
        earlier: a test without the fault comes first.
    """

    name: str
    group: str
    right: tuple[str, ...]
    before: str = ""
    during: tuple[tuple[float, str], ...] = ()
    prepare: str = ""
    engine: str = "ookla"
    path: str = "ip4only"
    servers: tuple[tuple[str, str], ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    earlier: bool = False


LINE, PROVIDER, LOCAL, CONFIG, UNKNOWN = ("line",), ("provider",), ("local",), ("config",), ("unknown",)

CLI, HOST = "speedtest-cli", "host"

DROP_ALL = "rule isp forward drop; rule isp input ip daddr 203.0.113.53 drop"

# The line comes back as soon as a look at it, made while the test stood still, has ended.
BACK_AFTER_LOOK = """
until pgrep -f netns.probe.run >/dev/null; do sleep 0.05; done
while pgrep -f netns.probe.run >/dev/null; do sleep 0.05; done
"""

PUBLIC_WITNESSES = "{ 1.1.1.1, 9.9.9.9, 8.8.8.8 }"

WITNESSES = "{ 1.1.1.1, 9.9.9.9, 8.8.8.8, 142.250.74.36, 91.198.174.192, 93.184.216.34 }"

# A login page in the way: what is redirected, and what becomes of the rest.
PAGE = "rule router pre iifname lan0 tcp dport 80 redirect to :8081"

OWN_TLS = "rule router pre iifname lan0 tcp dport 443 redirect to :8443"

HIJACK = "control router=192.168.1.1 page=redirect"

ISP_NAMES = "echo nameserver 203.0.113.53 >/etc/resolv.conf"

IPERF = {"SPEEDMON_IPERF3__HOST": "198.51.100.80"}
