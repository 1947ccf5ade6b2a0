"""What `nft monitor trace` prints is read for the one line that ends a packet's way."""

from __future__ import annotations

import pytest

from netns.firewall import diagnose
from netns.firewall.diagnose import TracedDrop

PACKET = 'trace id 7b0c6d76 ip mangle FORWARD packet: iif "ip4only-root" oif "eth0" ip ttl 1 udp dport 9 \n'


@pytest.mark.parametrize(
    ("line", "culprit"),
    [
        ("trace id 6f7057ee ip hw p policy drop \n", TracedDrop("ip hw p", "policy drop")),
        (
            'trace id 7b0c ip mangle FORWARD rule iifname "x" counter packets 18 bytes 504 drop (verdict drop)\n',
            TracedDrop("ip mangle FORWARD", 'iifname "x" drop'),
        ),
        ("trace id 7b0c inet f c unknown rule handle 2 (verdict drop)\n", TracedDrop("inet f c", "handle 2")),
        ("trace id 7b0c inet f c unknown rule handle 2 (verdict continue)\n", None),
        ("trace id 6f7057ee ip hw o policy accept \n", None),
    ],
)
def test_verdict(line: str, culprit: TracedDrop | None):
    """The chain and the rule, or the policy, are returned; verdicts that let the packet go on are skipped."""
    assert diagnose.parse_trace(PACKET + line) == culprit
