"""A tunnel that takes the uplink's place is followed, but not in silence."""

from __future__ import annotations

import pytest

from monitor.collect.uplink import UplinkNow, judge_uplink
from monitor.model import HARMLESS_DOUBTS, Doubt

TUNNEL = UplinkNow("wg0", "wireguard")


@pytest.mark.parametrize("now", [TUNNEL, UplinkNow("tun0", "tun"), UplinkNow("ppp0", "ppp"), UplinkNow("x", "vxlan")])
def test_a_tunnel_in_the_place_of_the_uplink_is_doubtful(now: UplinkNow):
    """The remark names both interfaces and how to choose the new one."""
    remark = judge_uplink("eth0", now)
    assert remark
    assert remark.kind == Doubt.UPLINK_CHANGED == "uplink_changed"
    assert remark.kind not in HARMLESS_DOUBTS
    for part in ("eth0", now.link, f'namespace.uplink = "{now.link}"', f"--uplink {now.link}"):
        assert part in remark.message


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (None, TUNNEL),
        ("wg0", TUNNEL),
        ("eth0", TUNNEL._replace(chosen=True)),
        ("eth0", UplinkNow("eth1", None)),
        ("eth0", UplinkNow("br0", "bridge")),
        ("ppp0", UplinkNow("ppp1", "ppp")),
    ],
)
def test_what_the_user_knows_of_is_not(before: str | None, now: UplinkNow):
    """The first uplink, the same, one that was chosen, another card or VLAN, and a DSL line that dialled in again."""
    assert judge_uplink(before, now) is None
