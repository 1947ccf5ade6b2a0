"""Notices that a VPN or another tunnel has taken the place of the uplink since the last run. Runs after the engine.

Such an uplink is followed, but not in silence: what is measured over it is doubtful until the user chooses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from monitor.model import Doubt, NetworkPath, Remark
from netns.entry import uplink
from netns.kernel import network
from netns.kernel.handle import is_entered

if TYPE_CHECKING:
    from monitor.config.settings import NamespaceSettings

# Kinds of links of rtnetlink that carry packets in other packets (ip-link(8)). A ppp link is a DSL line as often.
TUNNELS = frozenset(
    {"tun", "wireguard", "ovpn", "ipip", "sit", "gre", "gretap", "ip6tnl", "ip6gre", "ip6gretap", "erspan"}
    | {"vti", "vti6", "xfrm", "vxlan", "geneve", "l2tp", "ppp"}
)


class UplinkNow(NamedTuple):
    """The interface by which a test leaves the host, its kind (None for hardware), and whether the user chose it."""

    link: str
    kind: str | None
    chosen: bool = False


def find_uplink_now(path: NetworkPath, namespace: NamespaceSettings) -> UplinkNow | None:
    """Return the uplink of a path; None where there is none, or where it cannot be seen."""
    if is_entered(namespace.name):
        return None
    own_link = f"{namespace.name}-root" if path is NetworkPath.IP4ONLY else None
    try:
        link = uplink.find_current_uplink(own_link)
        state = network.read_network(None).links.get(link) if link else None
    except OSError:  # the namespace is gone, or a hardened service may not use netlink
        return None
    if link is None or state is None or network.is_own_link(state):
        return None
    chosen = namespace.uplink == link or (own_link is not None and uplink.is_chosen(namespace.name, link))
    return UplinkNow(link, state.kind, chosen)


def judge_uplink(before: str | None, now: UplinkNow) -> Remark | None:
    """Return the doubt about an uplink, given that of the last run; None where it may be remembered. Pure."""
    same = before in {None, now.link} or (now.kind == "ppp" and (before or "").startswith("ppp"))
    if same or now.chosen or now.kind not in TUNNELS:
        return None
    fix = f'if that is the line to measure, set namespace.uplink = "{now.link}", or run setup-netns --uplink {now.link}'
    text = f"the uplink was {before} and is now {now.link}, a tunnel ({now.kind}); {fix}"
    return Remark(Doubt.UPLINK_CHANGED, text)
