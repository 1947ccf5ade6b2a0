"""Faults of the network beyond this machine: boxes in between, name servers that lie, blocks, queues, the provider."""

from __future__ import annotations

from fault_lab.fault import (
    CLI,
    CONFIG,
    DROP_ALL,
    HOST,
    ISP_NAMES,
    LINE,
    OWN_TLS,
    PAGE,
    PROVIDER,
    PUBLIC_WITNESSES,
    Fault,
)

_REST = "rule router forward drop"

_PROVIDER_HOSTS = "{ 151.101.2.219, 198.51.100.80 }"

_OR_UNKNOWN = ("line", "unknown")


def _boxes_between() -> tuple[Fault, ...]:
    return (
        Fault("a proxy answers 503 for a line that is dead", "block", LINE,
              f"control page=503; {PAGE}; {_REST}", engine=CLI),
        Fault("a proxy answers 504 for a line that is dead, host", "block", LINE,
              f"control page=504; {PAGE}; {_REST}", engine=CLI,
              path=HOST),
        Fault("a proxy answers 403 to every page", "block", _OR_UNKNOWN, f"control page=403; {PAGE}", engine=CLI),
        Fault("a proxy answers 429 for a line that is dead", "block", LINE,
              f"control page=429; {PAGE}; {_REST}", engine=CLI),
        Fault("a proxy in between works", "none", ("ok",),
              "rule router pre iifname lan0 tcp dport 1 redirect to :8081"),
        Fault("every certificate is of an unknown issuer", "portal", ("line", "config"),
              "control certificate=intercepted strangers=intercepted"),
        Fault("portal lets one witness through", "portal", LINE, f"control page=redirect; {PAGE};"
              f" rule router forward ip daddr 142.250.74.36 accept;"
              f" rule router forward ip saddr 142.250.74.36 accept; {_REST}"),
        Fault("portal by redirection, TLS rejected", "portal", LINE, f"control page=redirect; {PAGE};"
              f" rule router forward tcp dport 443 reject; {_REST}"),
        Fault("portal by a page that refreshes", "portal", LINE, f"control page=refresh; {PAGE}; {_REST}", path=HOST),
        Fault("portal with status 511, speedtest-cli", "portal", LINE,
              f"control page=511; {PAGE}; {_REST}", engine=CLI),
        Fault("portal comes while the test runs", "portal", LINE,
              during=((5.0, f"control page=redirect; {PAGE}; {OWN_TLS}; {_REST}"),)),
        Fault("isp suspends the customer", "portal", LINE,
              "control isp=203.0.113.99; rule isp forward drop", prepare=ISP_NAMES),
    )  # fmt: skip


def _names() -> tuple[Fault, ...]:
    provider_down = "rule internet input tcp dport { 443, 8080 } ip daddr 151.101.2.219 reject with tcp reset"
    return (
        Fault("one address for every name, and nobody there", "dns", _OR_UNKNOWN, "control router=203.0.113.99"),
        Fault("one address for every name, host", "dns", _OR_UNKNOWN,
              "control router=203.0.113.99", path=HOST, engine=CLI),
        Fault("names come after four seconds", "dns", ("line", "ok"), "control router=slow"),
        Fault("names only over TCP", "dns", ("ok",), "control router=truncated"),
        Fault("names only over TCP, provider refuses", "dns", PROVIDER, f"control router=truncated; {provider_down}"),
        Fault("names only over TCP, which is blocked", "dns", LINE,
              "control router=truncated; rule router input tcp dport 53 drop"),
        Fault("isp drops all UDP", "dns", LINE,
              "rule isp forward meta l4proto udp drop; rule isp input meta l4proto udp drop"),
        Fault("isp denies that the provider's name exists", "dns", _OR_UNKNOWN,
              "control hide_isp=speedtest.net:NXDOMAIN",
              prepare=ISP_NAMES),
        Fault("a filter shows its own page for the provider", "block", CONFIG,
              "control hide_pihole=speedtest.net:192.168.1.2",
              prepare="echo nameserver 192.168.1.2 >/etc/resolv.conf", servers=(("router", "pihole"),)),
        Fault("provider's name leads nowhere", "provider", PROVIDER, "control hide=speedtest.net:203.0.113.99"),
        Fault("first of two name servers silent", "dns", ("ok", "line"), "rule isp forward ip daddr 203.0.113.54 drop",
              prepare="printf 'nameserver 203.0.113.54\\nnameserver 192.168.1.1\\n' >/etc/resolv.conf"),
    )  # fmt: skip


def _blocks() -> tuple[Fault, ...]:
    return (
        Fault("isp blocks the provider's addresses", "block", ("provider", "unknown"),
              f"rule isp forward ip daddr {_PROVIDER_HOSTS} drop"),
        Fault("isp blocks one operator, nothing else", "none", ("ok",),
              f"rule isp forward ip daddr {PUBLIC_WITNESSES} drop"),
        Fault("isp drops port 443", "block", _OR_UNKNOWN, "rule isp forward tcp dport 443 drop"),
        Fault("isp drops the test's port", "block", ("provider", "unknown"), "rule isp forward tcp dport 8080 drop"),
        Fault("router rejects the test's port", "block", ("unknown", "config", "line"),
              "rule router forward tcp dport 8080 reject"),
        Fault("large packets of the provider dropped", "mtu", ("provider", "unknown"),
              f"rule internet input ip daddr {_PROVIDER_HOSTS} ip length '>' 1300 drop"),
        Fault("60 % of packets lost", "loss", LINE, "rule isp forward numgen random mod 100 '<' 60 drop", path=HOST),
        Fault("40 % lost, server refuses", "loss", ("provider", "line", "unknown"),
              "rule isp forward numgen random mod 100 '<' 40 drop;"
              " rule internet input ip daddr 151.101.2.219 tcp dport 443 reject with tcp reset"),
        Fault("queue of three seconds", "loss", ("ok", "line"),
              "isp tc qdisc replace dev sub0 root tbf rate 1mbit burst 10kb limit 400000;"
              " router tc qdisc replace dev wan0 root tbf rate 1mbit burst 10kb limit 400000"),
        Fault("queue of three seconds, status 503", "provider", PROVIDER, "control status=503;"
              " isp tc qdisc replace dev sub0 root tbf rate 1mbit burst 10kb limit 400000"),
        Fault("router reboots during the test", "router", LINE,
              engine=CLI, during=((5.0, ("ip -n router link set lan0 down;"
              " ip -n router link set wan0 down")),)),
        Fault("router's table of connections full", "router", LINE, "rule router forward ct state new drop"),
        Fault("line dies during the test, host", "line", LINE, during=((5.0, DROP_ALL),), path=HOST),
        Fault("another machine took the router's address", "router", _OR_UNKNOWN,
              "ip -n router link set lan0 down; ip -n router link set lan0 address 02:00:00:00:00:99;"
              " ip -n router link set lan0 up;"
              " rule router forward drop; rule router input drop"),
    )  # fmt: skip


def _provider() -> tuple[Fault, ...]:
    return (
        Fault("provider answers a web page", "provider", PROVIDER, "control body=html"),
        Fault("provider answers a web page, speedtest-cli", "provider", PROVIDER, "control body=html", engine=CLI),
        Fault("provider answers nothing, speedtest-cli", "provider", PROVIDER, "control body=empty", engine=CLI),
        Fault("status 500, host", "provider", PROVIDER, "control status=500", path=HOST),
        Fault("status 404, speedtest-cli", "provider", PROVIDER, "control status=404", engine=CLI),
        Fault("provider leads to another page, speedtest-cli", "provider", ("provider", "unknown"),
              "control status=302", engine=CLI),
        Fault("certificate of the provider of an unknown issuer", "provider", PROVIDER,
              "control certificate=intercepted"),
        Fault("server freezes in the upload", "provider", PROVIDER, "control freeze_upload=1"),
        Fault("near server gone, speedtest-cli", "provider", ("provider", "ok"),
              "rule internet input ip daddr 198.51.100.80 drop", engine=CLI),
        Fault("provider restarts during the test", "provider", PROVIDER,
              during=((5.0,
              f"rule internet input ip daddr {_PROVIDER_HOSTS} meta l4proto tcp reject with tcp reset"),)),
        Fault("server id that does not exist", "provider", CONFIG,
              engine=CLI, environment={"SPEEDMON_COLLECT__SERVER_ID": "99999"}),
    )  # fmt: skip


NETWORK_FAULTS = (*_boxes_between(), *_names(), *_blocks(), *_provider())
