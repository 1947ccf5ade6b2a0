"""The questions in rounds, one home network each; asked in order, because later ones may break what others need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import namespace_questions as questions
from namespace_baseline import open_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from namespace_baseline import NamespaceHome, SetupMethod

# Tuned TCP, a stub resolver, a PPPoE line, a ping without its capability, and a library that prints who loads it.
PLAIN_HOST = """
sysctl -qw net.ipv4.tcp_mtu_probing=1 net.ipv4.tcp_slow_start_after_idle=0
ip link set eth0 mtu 1492; ip -n isp link set far mtu 1492
mkdir -p /run/systemd/resolve /run/nscd; touch /run/nscd/socket
cp /etc/resolv.conf /run/systemd/resolve/resolv.conf; echo 'nameserver 127.0.0.53' > /etc/resolv.conf
cp /usr/bin/id /run/setuid-id; chmod 4755 /run/setuid-id; cp "$(command -v ping)" /run/ping
cc -shared -fPIC -o /run/preload.so -x c - <<'END'
#include <stdio.h>
#include <errno.h>
extern char *program_invocation_short_name;
__attribute__((constructor)) static void print_name(void) { puts(program_invocation_short_name); fflush(stdout); }
END
"""

# A hand-made firewall: a closed port, a port forwarded into the LAN, and nothing else forwarded.
IPTABLES_HOST = """
echo 1 > /proc/sys/net/ipv4/ip_forward
iptables -A INPUT -p tcp --dport 2222 -j REJECT --reject-with tcp-reset
iptables -P FORWARD DROP
iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD -i eth0 -d 10.50.0.2 -p tcp --dport 8080 -j ACCEPT
iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 8081 -j DNAT --to-destination 10.50.0.2:8080
"""

NFTABLES_HOST = """
nft 'add table inet mine { chain forward { type filter hook forward priority 0; policy accept;
     ct state established,related accept; reject; }; }'
"""

COLLIDING_HOST = "ip address add 192.168.200.129/24 dev eth1; ip -n lan address add 192.168.200.130/24 dev near"


@dataclass(frozen=True)
class Round:
    """How the home host is prepared, the questions, and whether the namespace is built before them."""

    prepare: str
    questions: dict[str, Callable[[NamespaceHome], str]]
    built: bool = True

    def answers(self, method: SetupMethod) -> dict[str, str]:
        """Ask each question of a namespace that was made by this method."""
        with open_home(method, self.prepare) as at:
            if self.built:
                method.set_up(at.home)
            return {question: ask(at) for question, ask in self.questions.items()}


ROUNDS = {
    "inside": Round(
        PLAIN_HOST,
        {
            "A user's program inside reaches the internet": questions.gets_out,
            "`ping` works inside without privilege": questions.pings,
            "Names resolve inside, although the host's `resolv.conf` says 127.0.0.53": questions.finds_names,
            "The host's name cache (nscd), which asks outside, cannot be reached": questions.hides_name_cache,
            "Packets fit a PPPoE line (1492 bytes)": questions.fits_the_uplink,
            "TCP inside is tuned as it is on the host": questions.takes_over_tcp,
            "There is no IPv6 address inside": questions.has_no_ipv6,
            "A router advertisement on the veth changes nothing": questions.ignores_advertisements,
            "No IPv6 packet is ever sent from inside": questions.sends_no_ipv6,
            "Only users who were named may enter": questions.only_those_named_may_enter,
            "A socket that was opened outside cannot be taken inside": questions.leaves_sockets_outside,
            "The command holds no capability": questions.holds_no_capability,
            "The launcher ignores `LD_PRELOAD`": questions.ignores_preload,
            "A setuid program gains nothing inside": questions.setuid_gives_nothing,
        },
    ),
    "around": Round(
        "",
        {
            "Packets of a LAN neighbour do not get out through the host": questions.lan_stays_in,
            "Packets from the internet do not get into the LAN": questions.strangers_stay_out_of_the_lan,
            "Packets from the internet do not get into the namespace": questions.strangers_stay_out_of_the_namespace,
            "Services of the host cannot be reached from inside": questions.host_is_out_of_reach,
            "The LAN cannot be reached from inside": questions.lan_is_out_of_reach,
            "Running it again changes nothing": questions.second_run_changes_nothing,
            "Running it again after the default route has moved follows the route": questions.follows_the_uplink,
            "Undoing it leaves the host as it was": questions.leaves_no_trace,
        },
    ),
    "iptables": Round(
        IPTABLES_HOST,
        {
            "The namespace gets out past `iptables -P FORWARD DROP`": questions.gets_out,
            "The host's own iptables rules stay": questions.keeps_rules,
            "A port that an iptables rule closes stays closed": questions.keeps_closed_ports,
            "A port that is forwarded to the LAN stays forwarded": questions.keeps_forwarded_ports,
        },
    ),
    "nftables": Round(
        NFTABLES_HOST,
        {"The namespace gets out past nftables rules that refuse forwarding": questions.gets_out},
    ),
    "collision": Round(
        COLLIDING_HOST,
        {"A subnet that the LAN uses already is refused": questions.reports_a_collision},
        built=False,
    ),
    "kill": Round(
        "",
        {
            "A set-up that was killed half-way is repaired by the next": questions.survives_a_kill,
            "A wrong file in the namespace's place is refused": questions.refuses_a_wrong_file,
        },
        built=False,
    ),
}


def format_table(answers: dict[str, dict[str, str]]) -> str:
    """Return the answers, by method and then by question, as a Markdown table."""
    rows = [["what you want", *answers], *[["---"] * (1 + len(answers))]]
    rows += [
        [question, *(format_cell(by_question[question]) for by_question in answers.values())]
        for question in next(iter(answers.values()))
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def format_cell(answer: str) -> str:
    """Return an answer as a cell of the table."""
    return answer if answer == questions.YES else f"**no**: {answer}"
