"""The kernel's byte counters of a test's link and of the uplink that it shares with others.

They are read before a test, to wait for a quiet line, as traffic of others falsifies the result; then at regular
intervals while it runs, and turned into a trace and cross traffic. Both links are read from /proc/net/dev at once
(proc(5)). A veth counts a large segment as one packet, a network card counts the packets that it is split into; so
headers are subtracted, and only payload is compared.

The kernel does not say which packets of others are TCP and which UDP, whose header is shorter. Packets that only
acknowledge go the other way where it is TCP, see `_spare_bytes`.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from monitor.model import NetworkPath, Trace
from monitor.system.process import PeriodicTask
from netns.kernel.handle import is_entered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from monitor.config.settings import CrossTrafficSettings, NamespaceSettings
    from monitor.system.signals import Interrupts


DEVICES_FILE = Path("/proc/thread-self/net/dev")

ROUTES_FILE = Path("/proc/thread-self/net/route")

# Time between readings while a test runs.
INTERVAL_MS = 250

# Bytes of a packet besides payload: Ethernet 14, IPv4 20, TCP 20, TCP timestamps 12.
HEADER_BYTES = 66

# Likewise with UDP: Ethernet 14, IPv4 20, UDP 8.
UDP_HEADER_BYTES = 42

# Links without an Ethernet header, such as PPP, count so many bytes less for each packet.
ETHERNET_BYTES = 14

# ARPHRD_ETHER of linux/if_arp.h, in /sys/class/net/LINK/type.
ETHERNET_TYPE = "1"

LINKS_FOLDER = Path("/sys/class/net")

# Payload of a full TCP segment with timestamps, over an MTU of 1500.
SEGMENT_BYTES = 1448

# A packet with so few bytes after the TCP header does not carry data: an acknowledgement, with its options.
ACK_PAYLOAD_BYTES = 14

# Receivers acknowledge every second packet, or less often where the kernel joins packets.
PACKETS_PER_ACK = 12

_SENT_COLUMN = 8  # the first column of the counters of what was sent, which follow those of what was received

# Time between readings while waiting for a quiet line.
QUIET_INTERVAL_S = 1.0

BITS_PER_BYTE = 8

# An hour of readings, four a second; of a longer test the first hour is kept.
MAX_READINGS = 14_400

_Sample = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Payload in bytes since the link was created, from the side of the test: `received` is what it downloads.

    `counters` are the bytes with headers and the packets that were received, then those that were sent.
    """

    received: int = 0
    sent: int = 0
    counters: tuple[int, int, int, int] | None = field(default=None, compare=False)

    @classmethod
    def from_counters(cls, received: int, received_packets: int, sent: int, sent_packets: int) -> Traffic:
        """Return the traffic of a link by its counters; headers are subtracted, and nothing becomes negative."""
        payload = max(0, received - HEADER_BYTES * received_packets), max(0, sent - HEADER_BYTES * sent_packets)
        return cls(*payload, (received, received_packets, sent, sent_packets))

    @property
    def all_counters(self) -> tuple[int, int, int, int]:
        """The counters; payload without packets where there are none."""
        return self.counters or (self.received, 0, self.sent, 0)

    def mirrored(self) -> Traffic:
        """Return the traffic as the other end of the link counts it."""
        received, received_packets, sent, sent_packets = self.all_counters
        return Traffic.from_counters(sent, sent_packets, received, received_packets)


@dataclass(frozen=True, slots=True)
class CounterLinks:
    """The links whose counters show a test's traffic.

    `test` is the link that only the test uses, None where the test shares the uplink; `mirrored` if it is the host's
    end of it, which receives what the test sends. `uplink` is None where its counters cannot be read; `ethernet` says
    whether it counts Ethernet headers.
    """

    test: str | None
    mirrored: bool = False
    uplink: str | None = None
    ethernet: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters at one time, `at_s` on the monotonic clock; None where there is no such link."""

    at_s: float
    test: Traffic | None
    uplink: Traffic | None


def find_links(path: NetworkPath, namespace: NamespaceSettings) -> CounterLinks:
    """Return the links of a test on a path; inside the namespace the uplink cannot be read."""
    if path is NetworkPath.HOST:
        return CounterLinks(None, uplink=find_default_link(_read_text(ROUTES_FILE), f"{namespace.name}-root"))
    if is_entered(namespace.name):
        return CounterLinks(f"{namespace.name}-ns")
    own = f"{namespace.name}-root"
    pinned = None if namespace.uplink == "auto" else namespace.uplink
    uplink = pinned or find_default_link(_read_text(ROUTES_FILE), own)
    link_type = _read_text(LINKS_FOLDER / uplink / "type").strip() if uplink else ""
    return CounterLinks(own, mirrored=True, uplink=uplink, ethernet=link_type in {"", ETHERNET_TYPE})


def read_counters(watched: CounterLinks, now_s: float) -> Reading:
    """Return the counters now."""
    traffic = parse_devices(_read_text(DEVICES_FILE))
    test = traffic.get(watched.test) if watched.test else None
    if test and watched.mirrored:
        test = test.mirrored()
    uplink = traffic.get(watched.uplink) if watched.uplink else None
    return Reading(now_s, test, uplink if watched.ethernet or uplink is None else _without_ethernet(uplink))


def parse_devices(text: str) -> Mapping[str, Traffic]:
    """Return each link's payload from the text of /proc/net/dev: two header lines, then `NAME: COUNTERS`."""
    rows = (line.partition(":") for line in text.splitlines()[2:])
    return {name.strip(): _to_traffic([int(word) for word in counters.split()]) for name, _, counters in rows}


def find_default_link(text: str, own_link: str) -> str | None:
    """Return the link of the best default route, except one over `own_link`; None where there is none.

    `text` is that of /proc/net/route (proc(5)).
    """
    rows = (line.split() for line in text.splitlines()[1:])
    defaults = [(int(row[6]), row[0]) for row in rows if row[1] == row[7] == "00000000" and row[0] != own_link]
    return min(defaults)[1] if defaults else None


def _to_traffic(counters: list[int]) -> Traffic:
    return Traffic.from_counters(*counters[:2], *counters[_SENT_COLUMN : _SENT_COLUMN + 2])


def _without_ethernet(traffic: Traffic) -> Traffic:
    """Return the traffic of a link that counts no Ethernet headers as if it did."""
    received, received_packets, sent, sent_packets = traffic.all_counters
    sizes = received + ETHERNET_BYTES * received_packets, sent + ETHERNET_BYTES * sent_packets
    return Traffic.from_counters(sizes[0], received_packets, sizes[1], sent_packets)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def wait_for_quiet_line(
    links: CounterLinks,
    settings: CrossTrafficSettings,
    interrupts: Interrupts,
    *,
    interval_s: float = QUIET_INTERVAL_S,
    read: Callable[[CounterLinks, float], Reading] = read_counters,
) -> float:
    """Wait until the uplink is quiet, or for as long as the settings allow; return the seconds waited."""
    started_s = time.monotonic()
    if not settings.wait_s or links.uplink is None:
        return 0.0
    before = read(links, started_s)
    while interrupts.wait(interval_s):
        now = read(links, time.monotonic())
        if busiest_bps(before, now) < settings.quiet_mbps * 1e6 or now.at_s - started_s >= settings.wait_s:
            break
        before = now
    return time.monotonic() - started_s


def busiest_bps(before: Reading, after: Reading) -> float:
    """Return the rate of the uplink between two readings, in bit/s, in the direction in which it is higher. Pure."""
    increase = _growth(before.uplink, after.uplink)
    if increase is None or after.at_s <= before.at_s:
        return 0.0
    return max(_cross_bytes(_Growth(), increase)) * BITS_PER_BYTE / (after.at_s - before.at_s)


class Sampler:
    """Collects readings of some links; `report` is called with all of them after each one."""

    def __init__(self, links: CounterLinks, report: Callable[[list[Reading]], None] = lambda _: None) -> None:
        self._links = links
        self._report = report
        self._readings: list[Reading] = []

    @property
    def periodic_task(self) -> PeriodicTask:
        """What `monitor.system.process.run` repeats while the test runs."""
        return PeriodicTask(self.sample, INTERVAL_MS / 1000)

    def sample(self) -> None:
        """Read the counters once."""
        if len(self._readings) < MAX_READINGS:
            self._readings.append(read_counters(self._links, time.monotonic()))
            self._report(self._readings)

    def summarize(self) -> TrafficAccount:
        """Take a last reading and return what was counted during the test."""
        self.sample()
        return summarize_readings(self._readings)


@dataclass(frozen=True, slots=True)
class TrafficAccount:
    """Bytes of the test; cross traffic, the uplink's minus the test's, as a mean in bit/s. None: not known."""

    trace: Trace | None = None
    received: int | None = None
    sent: int | None = None
    cross_rx_bps: int | None = None
    cross_tx_bps: int | None = None


def summarize_readings(readings: Sequence[Reading]) -> TrafficAccount:
    """Return what was counted between readings, which are in order of time; nothing if there are fewer than two."""
    if len(readings) <= 1 or not _count_samples(readings):
        return TrafficAccount()
    first, last = readings[0], readings[-1]
    seconds = last.at_s - first.at_s
    test, uplink = _growth(first.test, last.test), _growth(first.uplink, last.uplink)
    trace = Trace(INTERVAL_MS, tuple(_to_samples(readings)))
    own = (max(0, test.received), max(0, test.sent)) if test else (None, None)
    if test is None or uplink is None:
        return TrafficAccount(trace, *own)
    cross = (round(count * BITS_PER_BYTE / seconds) for count in _cross_bytes(test, uplink))
    return TrafficAccount(trace, *own, *cross)


def _count_samples(readings: Sequence[Reading]) -> int:
    """Return how many samples the readings give: one for each whole interval."""
    return int((readings[-1].at_s - readings[0].at_s) * 1000) // INTERVAL_MS


def _to_samples(readings: Sequence[Reading]) -> Iterator[_Sample]:
    """Yield the bytes of each interval; those of a late reading are spread evenly over its time."""
    times_s = [readings[0].at_s + number * INTERVAL_MS / 1000 for number in range(_count_samples(readings) + 1)]
    totals = [_byte_totals(reading) for reading in readings]
    times = [reading.at_s for reading in readings]
    at = [[round(_interpolate(times, column, time_s)) for column in zip(*totals, strict=True)] for time_s in times_s]
    for before, after in pairwise(at):
        rx, tx, up_rx, up_tx = (max(0, new - old) for old, new in zip(before, after, strict=True))
        yield rx, tx, up_rx, up_tx


def _byte_totals(reading: Reading) -> _Sample:
    test, uplink = reading.test, reading.uplink
    rx, tx = (test.received, test.sent) if test else (0, 0)
    up_rx, up_tx = (uplink.received, uplink.sent) if uplink else (0, 0)
    return rx, tx, up_rx, up_tx


def _interpolate(times: Sequence[float], values: Sequence[int], time_s: float) -> float:
    """Return the value at a time, interpolated linearly between the readings around it."""
    right = min(max(1, bisect_right(times, time_s)), len(times) - 1)
    left = right - 1
    span = times[right] - times[left]
    share = min(1.0, (time_s - times[left]) / span) if span > 0 else 1.0
    return values[left] + share * (values[right] - values[left])


class _Growth(NamedTuple):
    """Payload and packets received and sent between two readings; payload is negative where packets were smaller."""

    received: int = 0
    sent: int = 0
    received_packets: int = 0
    sent_packets: int = 0


def _growth(first: Traffic | None, last: Traffic | None) -> _Growth | None:
    """Return what was received and sent; None if the link did not exist all the time, or was created again."""
    if first is None or last is None:
        return None
    pairs = zip(first.all_counters, last.all_counters, strict=True)
    received, received_packets, sent, sent_packets = (after - before for before, after in pairs)
    if received < 0 or sent < 0:
        return None
    payload = received - HEADER_BYTES * received_packets, sent - HEADER_BYTES * sent_packets
    return _Growth(*payload, received_packets, sent_packets)


def _cross_bytes(test: _Growth, uplink: _Growth) -> tuple[int, int]:
    """Return the payload of others that the uplink received and sent, at least 0."""
    rx = uplink.received - test.received, _other_packets(test.received, test.received_packets, uplink.received_packets)
    tx = uplink.sent - test.sent, _other_packets(test.sent, test.sent_packets, uplink.sent_packets)
    return max(0, rx[0] + _spare_bytes(rx, tx)), max(0, tx[0] + _spare_bytes(tx, rx))


def _other_packets(test_bytes: int, test_packets: int, uplink_packets: int) -> int:
    """Return how many packets of others the uplink counted; those of the test may be several for each on a veth."""
    return max(0, uplink_packets - max(test_packets, test_bytes // SEGMENT_BYTES))


def _spare_bytes(this: tuple[int, int], opposite: tuple[int, int]) -> int:
    """Return the bytes that were subtracted from the packets of a direction as headers, but were payload.

    Each direction is given as its payload, with a TCP header subtracted of each packet, and its packets. If as many go
    the other way as acknowledge these and carry no data, these are TCP; so are those that carry none themselves.
    """
    (payload, packets), (other_payload, other_packets) = this, opposite
    spare = (HEADER_BYTES - UDP_HEADER_BYTES) * packets
    only_acks = other_packets * PACKETS_PER_ACK >= packets and other_payload <= ACK_PAYLOAD_BYTES * other_packets
    acknowledges = payload <= ACK_PAYLOAD_BYTES * packets
    return 0 if only_acks or acknowledges else spare
