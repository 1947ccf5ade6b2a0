"""What `history --verbose` prints below a run."""

from __future__ import annotations

from dataclasses import replace

from example_runs import make_attempt, make_failed_attempt

from monitor.model import Failure, FailureKind, Remark, Scope
from monitor.output.run_details import detail_lines
from netns.probe.findings import Findings, InnerLink, ProbeAnswer

FOUND = Findings(
    gateway=ProbeAnswer("192.168.200.1", None, 0.2),
    servers=(ProbeAnswer("192.0.2.53", "ETIMEDOUT"),),
    hosts=(ProbeAnswer("192.0.2.1:443", None, 12.4),),
    far=(ProbeAnswer("www.speedtest.net:443", "ENAME"),),
    direct=(ProbeAnswer("192.0.2.1:443", None, 11.0),),
    uplink=InnerLink("eth0", up=True, mtu=1500),
)


def details(run: object, findings: Findings | None = None, width: int = 400) -> list[str]:
    """Return the lines without their indent."""
    return [line.strip() for line in detail_lines(run, findings, width)]


def test_a_measured_run_has_no_details():
    """The table has all there is to say."""
    assert details(make_attempt().run) == []


def test_a_failure_has_the_findings_of_its_diagnosis():
    """The complete message, the stage and the exit code, then every answer."""
    failure, probe = details(make_failed_attempt().run, FOUND)
    assert failure == "dns (line, at configuration): Could not resolve host (exit code 2)"
    assert probe == (
        "diagnosis: uplink eth0 has a carrier; gateway 192.168.200.1 in 0 ms; DNS 192.0.2.53 ETIMEDOUT;"
        " hosts 192.0.2.1:443 in 12 ms; provider www.speedtest.net:443 ENAME; from the host 192.0.2.1:443 in 11 ms"
    )


def test_what_is_missing_is_named():
    """The diagnosis says that there is no route and no name server."""
    assert (
        details(make_failed_attempt().run, Findings())[1]
        == "diagnosis: no default route; no default route inside; no name server"
    )


def test_remarks_and_attempts_have_lines():
    """A second attempt names the first, and each remark is a line."""
    run = replace(make_attempt().run, attempt=2, retry_of="ab", remarks=(Remark("wrong_isp", "Other\x1b[2J instead"),))
    assert details(run) == ["attempt 2, after run ab", "wrong_isp: Other [2J instead"]


def test_lines_keep_to_the_width():
    """A long message is wrapped below the table."""
    failure = Failure(FailureKind.CRASHED, Scope.PROVIDER, None, "word " * 50, None, 11)
    wrapped = [*detail_lines(make_failed_attempt(failure=failure).run, FOUND, 70)]
    assert max(map(len, wrapped)) <= 70
    assert all(line.startswith(" " * 18) for line in wrapped)
    assert "(signal 11)" in " ".join(map(str.strip, wrapped))
