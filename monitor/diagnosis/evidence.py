"""What is known about a failed test, as data, and what each side of it shows. Pure.

It is gathered by `monitor.diagnosis.diagnose`, stored with the run as `netns.probe.findings.Findings`, and judged
by `monitor.diagnosis.verdict`. `monitor.diagnosis.side` reads the answers of each side.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from monitor.diagnosis.side import Side
from monitor.model import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.model import Failure
    from netns.probe.findings import Findings


# Names of others, which each name server is asked for: of different operators, and none that tests use.
OTHER_NAMES = ("www.google.com", "www.wikipedia.org", "example.com")

# Bytes received in a test that are more than a router or a login page sends, and how old the last may be.
MUCH_BYTES, FRESH_S = 60_000, 2.0

# How an engine names the HTTP status that it got.
_STATUS = re.compile(r"HTTP Error (\d{3})|document \((\d{3})\)|status(?: code)?:? (\d{3})")

_NO_STATUS = frozenset({0, 511})

# The answer came from afar, so nothing that is found later takes the provider's fault away.
ANSWERED_KINDS = frozenset({FailureKind.RATE_LIMITED, FailureKind.PROVIDER_DOWN})


@dataclass(frozen=True, slots=True)
class DiagnosisTargets:
    """What a diagnosis asks, and what was known before.

    Attributes:
        hosts: witnesses: hosts of different operators that have nothing to do with the test.
        far: hosts of the engine's provider, and the server of the test.
        own_dns: the configuration names the DNS servers.
        own_server: the server of the test is the user's own.
        inside: the test ran in the namespace.
        entered: this process is in the namespace too, so that the host cannot be asked.
        name: the name that each DNS server is asked to resolve.
        host_link: the host's end of the namespace's link, which is no uplink.
        uplink: the host's uplink as configured or last used; None: not known.
        router: the router that was last used; None: not known.
        ports: `HOST:PORT` where such a test connects; whether packets leave for there counts, not who answers.
        known: witnesses that have answered on this line before; empty: none has been asked yet.
    """

    hosts: tuple[str, ...]
    far: tuple[str, ...] = ()
    own_dns: bool = False
    own_server: bool = False
    inside: bool = True
    entered: bool = False
    name: str = ""
    host_link: str | None = None
    uplink: str | None = None
    router: str | None = None
    ports: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FailureEvidence:
    """A failure by the engine's words, what was found, and what was asked.

    `findings` are those of the path of the test; they hold the host's side, what was found while the test stood still,
    and what the kernel counted.
    """

    failure: Failure
    findings: Findings
    targets: DiagnosisTargets

    @cached_property
    def path(self) -> Side:
        """The path of the test."""
        return Side(self.findings, self.host_findings, self.targets, hops=1 if self.targets.inside else 0)

    @cached_property
    def host(self) -> Side | None:
        """The host's side, None where nothing was found there; for a test on the host it is the path itself."""
        if not self.targets.inside:
            return self.path
        return Side(self.findings.host, self.findings.host, self.targets, hops=0) if self.findings.host else None

    @property
    def host_findings(self) -> Findings | None:
        """What was found on the host's side."""
        return self.findings.host if self.targets.inside else self.findings

    @cached_property
    def test_proofs(self) -> tuple[str, ...]:
        """What came back over the line during the test itself."""
        return tuple(_test_proofs(self))

    @cached_property
    def proofs(self) -> tuple[str, ...]:
        """All that came back over the line on the path of the test."""
        return (*self.path.proofs, *self.test_proofs)

    @property
    def stalled(self) -> FailureEvidence | None:
        """The evidence of the moment when the test stood still, None where it did not."""
        stalled = self.findings.stalled
        return replace(self, findings=stalled) if stalled else None

    @cached_property
    def proxy_status(self) -> int | None:
        """The HTTP status that the engine got, if a box nearby gives it to whoever asks for a page of a stranger."""
        return self.http_status if self.path.proxy_page == f"page {self.http_status}" else None

    @property
    def http_status(self) -> int | None:
        """The HTTP status that the engine reports."""
        return read_status(self.failure)


def read_status(failure: Failure) -> int | None:
    """Return the HTTP status in the engine's words, None where there is none."""
    match = _STATUS.search(failure.message)
    return int(next(filter(None, match.groups()))) if match else None


def _test_proofs(evidence: FailureEvidence) -> Iterator[str]:
    status = evidence.http_status
    if evidence.proxy_status:
        pass
    elif status is not None and status not in _NO_STATUS:
        yield f"the engine got HTTP status {status}"
    elif evidence.failure.kind in ANSWERED_KINDS:
        yield "the provider answered the engine"
    traffic = evidence.findings.traffic
    if traffic and traffic.received >= MUCH_BYTES and (traffic.silent_end_s or 0.0) <= FRESH_S:
        yield f"{traffic.received / 1e6:.1f} MB came up to the end of the test"
