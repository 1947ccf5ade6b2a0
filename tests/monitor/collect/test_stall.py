"""A test that stands still is noticed by its bytes and its progress, and asked about once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from monitor.collect import stall
from monitor.collect.counters import CounterLinks
from monitor.collect.stall import STALL_S, StallWatch
from monitor.engines.base import EngineProgress
from netns.probe.findings import Findings

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "Inter-|   Receive\n face |bytes\n"

FOUND = Findings(at=1.0)


class Watched:
    """A watch on a link of a made up /proc/net/dev, which counts how often it asks."""

    def __init__(self, folder: Path, links: CounterLinks) -> None:
        self.file = folder / "dev"
        self.asked = 0
        self.watch = StallWatch(links, self.ask)

    def ask(self) -> Findings:
        """Count."""
        self.asked += 1
        return FOUND

    def at(self, seconds: float, received: int, link: str = "ip4only-root") -> None:
        """Check at a time; `received` is what the test has received, which its host end has sent."""
        sent = received if link == "ip4only-root" else 7
        other = 7 if link == "ip4only-root" else received
        self.file.write_text(f"{HEAD}    lo: 1 1 0 0 0 0 0 0 1 1\n{link}: {other} 1 0 0 0 0 0 0 {sent} 1\n")
        self.watch.check(seconds)


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Return a watch on the namespace's link."""
    monkeypatch.setattr(stall, "DEVICES_FILE", tmp_path / "dev")
    return Watched(tmp_path, CounterLinks("ip4only-root", mirrored=True))


def test_silence_is_asked_about_once(watched: Watched):
    """Three seconds without bytes, and then again: one question, with its answer at the end."""
    for quarter in range(60):
        watched.at(quarter / 4, 5000)
    assert watched.watch.finish() is FOUND
    assert watched.asked == 1


def test_bytes_keep_it_from_asking(watched: Watched):
    """Acknowledgements are enough; a few packets of errors are not."""
    for second in range(20):
        watched.at(second, 2000 * second)
    assert watched.watch.finish() is None
    for second in range(20, 20 + int(STALL_S) + 2):
        watched.at(second, 40_000 + 100 * second)
    assert watched.watch.finish() is FOUND


def test_progress_keeps_it_from_asking(watched: Watched):
    """An engine that reports something new is moving; one that repeats itself is not."""
    shares = iter([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    parse = watched.watch.follow(lambda _line: EngineProgress("download", next(shares)))
    for number in range(5):
        parse("x")
        watched.at(2.0 * number, 1)
    assert watched.watch.finish() is None
    for number in range(5, 10):
        parse("x")
        watched.at(2.0 * number, 1)
    assert watched.watch.finish() is FOUND


def test_shared_uplink_may_carry_the_traffic_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On the host's own path the uplink is watched, whose little traffic of others is no progress."""
    monkeypatch.setattr(stall, "DEVICES_FILE", tmp_path / "dev")
    watched = Watched(tmp_path, CounterLinks(None, uplink="eth0"))
    for second in range(10):
        watched.at(second, 1000 * second, "eth0")
    assert watched.watch.finish() is FOUND


def test_without_a_link_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A link that does not exist, or is not known, says nothing."""
    monkeypatch.setattr(stall, "DEVICES_FILE", tmp_path / "dev")
    for links in (CounterLinks(None), CounterLinks("gone")):
        watched = Watched(tmp_path, links)
        for second in range(10):
            watched.at(second, 0)
        assert watched.watch.finish() is None
