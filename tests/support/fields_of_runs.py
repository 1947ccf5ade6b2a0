"""Runs with a text of one's choice in each field that can hold any."""

from __future__ import annotations

from dataclasses import replace

from example_runs import make_attempt, make_failed_attempt

from monitor.model import Attempt, Failure, FailureKind, RawOutput, Remark, Scope, Server
from netns.probe.findings import Findings, ProbeAnswer


def hostile_attempts(text: str) -> list[Attempt]:
    """Return a measured, a failed and an excluded run, whose texts are all this one."""
    server = Server(text, text, text, text, text, text)
    measured = make_attempt(
        0,
        engine=text,
        engine_version=text,
        isp=text,
        external_ip=text,
        server=server,
        result_url=f"https://x/{text}",
        healthy=False,
        remarks=(Remark(text, text),),
    )
    failure = Failure(FailureKind.DNS, Scope.LINE, text, text)
    findings = Findings(addresses=(text,), servers=(ProbeAnswer(text, text),), hosts=(ProbeAnswer(text, text),))
    failed = replace(make_failed_attempt(10, failure), findings=findings)
    excluded = make_attempt(20, excluded=text)
    return [replace(one, raw=RawOutput(text, text)) for one in (measured, failed, excluded)]
