"""What `history --verbose` prints below a run."""

from __future__ import annotations

from dataclasses import replace

from example_runs import make_attempt, make_failed_attempt

from monitor.model import Failure, FailureKind, Remark, Scope
from monitor.output.run_details import detail_lines
from netns.probe import findings
from netns.probe.findings import (
    Findings,
    InnerLink,
    NameAnswer,
    ProbeAnswer,
    ProcRoute,
    StoredVerdict,
    TrafficSummary,
)

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


def test_evidence_and_verdict_are_told_in_words():
    """The verdict with its rule and reason, what came over the line, and each side with what it found."""
    verdict = StoredVerdict(
        "provider", "provider silent", "the line works", proofs=("1.1.1.1:443 showed its certificate",)
    )
    side = Findings(
        links=(InnerLink("eth0", up=True, mtu=1500, carrier=True, carrier_changes=2, address="192.168.1.10"),),
        routes=(ProcRoute("0.0.0.0/0", "192.168.1.1", "eth0"),),
        router=ProbeAnswer("192.168.1.1", None, 1.0),
        hosts=(
            ProbeAnswer("1.1.1.1:443", None, 12.4, tls="valid", sent=4, lost=1),
            ProbeAnswer("9.9.9.9:443", "ETIMEDOUT"),
        ),
        names=(NameAnswer("example.com", ProbeAnswer("192.168.1.1", "SERVFAIL")),),
        far_names=(NameAnswer("www.speedtest.net", ProbeAnswer("192.168.1.1", said="192.0.2.7")),),
        far=(ProbeAnswer("www.speedtest.net:443", "ECONNREFUSED", sender="198.51.100.1"),),
        pages=(ProbeAnswer("1.1.1.1:80", said="login 302 login.example"),),
        at=1_796_000_000.0,
    )
    traffic = TrafficSummary(2_500_000, 10_000, 12.0, 6.25, 0.5)
    found = replace(side, verdict=verdict, host=Findings(), stalled=side, traffic=traffic)
    lines = details(make_failed_attempt().run, found, 4000)[1:]
    assert lines[0] == (
        "verdict: provider, by the rule “provider silent”: the line works;"
        " over the line came: 1.1.1.1:443 showed its certificate"
    )
    assert lines[1] == (
        "during the test: 2.5 MB received, 0.0 MB sent in 12 s,"
        " silent for 6.2 s at the longest and 0.5 s before its end"
    )
    assert lines[2].startswith("while the test stood still, at 00:53:20 UTC, on the path of the test: eth0 is up")
    assert lines[3] == (
        "after the test, at 00:53:20 UTC, on the path of the test:"
        " eth0 is up (carrier changed 2 times) with 192.168.1.10;"
        " default route by 192.168.1.1 on eth0; router 192.168.1.1 answers after 1 ms;"
        " 1.1.1.1:443 shows a valid certificate after 12 ms, 1 of 4 lost, 9.9.9.9:443 is silent;"
        " name server 192.168.1.1: example.com SERVFAIL; about the provider, name server 192.168.1.1: www.speedtest.net"
        " 192.0.2.7; provider www.speedtest.net:443 refuses, says 198.51.100.1;"
        " 1.1.1.1:80 answers with a login page (302 login.example)"
    )
    assert lines[4] == "after the test, at 00:53:20 UTC, from the host: no default route"


def test_each_thing_that_a_link_or_a_handshake_can_show_has_words():
    """Nothing is printed as a symbol of the program's own."""
    shown = [value for name, value in vars(findings).items() if name.startswith("TLS_")]
    hosts = tuple(ProbeAnswer("a.example:443", tls=tls) for tls in shown)
    links = (InnerLink("eth0", up=False, mtu=1), InnerLink("eth1", up=True, mtu=1, carrier=False))
    found = Findings(links=links, hosts=hosts, verdict=StoredVerdict("line", "rule", "words"))
    (_, _, text) = details(make_failed_attempt().run, found, 4000)
    assert len(shown) == 9
    assert "answers after" not in text
    assert "eth0 is down, eth1 has no carrier" in text
