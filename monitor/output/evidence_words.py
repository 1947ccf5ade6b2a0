"""The evidence of a diagnosis, and the verdict on it, in words. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor.output.units import format_megabytes
from netns.probe import findings as found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netns.probe.findings import Findings, InnerLink, NameAnswer, ProbeAnswer, StoredVerdict, TrafficSummary


_ERRORS = {
    "ETIMEDOUT": "is silent",
    "ECONNREFUSED": "refuses",
    "ECONNRESET": "cuts the connection",
    "EHOSTUNREACH": "cannot be reached",
    "ENETUNREACH": "has no route to it",
    "EPERM": "is not let out by this machine",
    "EACCES": "is not let out by this machine",
    "ENAME": "has a name that nobody knows",
}

_HANDSHAKES = {
    found.TLS_VALID: "shows a valid certificate",
    found.TLS_DATE: "shows its certificate, not valid at this date",
    found.TLS_FOREIGN: "shows a certificate of somebody else",
    found.TLS_UNCHECKED: "shows a certificate that cannot be checked here",
    found.TLS_PLAIN: "answers, but not with TLS",
    found.TLS_CUT: "cuts the TLS handshake",
    found.TLS_SILENT: "connects, and is silent after that",
    found.TLS_SMALL: "answers with small packets only",
    found.TLS_STUCK: "does not get large packets",
}


def evidence_lines(findings: Findings) -> Iterator[str]:
    """Yield a line for the verdict with its reason, then one for each side that was asked."""
    if findings.verdict:
        yield _verdict_text(findings.verdict)
    if findings.traffic:
        yield f"during the test: {_traffic_text(findings.traffic)}"
    if findings.stalled:
        yield from _side_lines(f"while the test stood still{_time_text(findings.stalled.at)}", findings.stalled)
    yield from _side_lines(f"after the test{_time_text(findings.at)}", findings)


def _verdict_text(verdict: StoredVerdict) -> str:
    proofs = f"; over the line came: {', '.join(verdict.proofs)}" if verdict.proofs else ""
    return f"verdict: {verdict.scope}, by the rule “{verdict.rule}”: {verdict.reason}{proofs}"


def _traffic_text(traffic: TrafficSummary) -> str:
    silent = f", silent for {traffic.silent_s:.1f} s at the longest" if traffic.silent_s else ""
    end = f" and {traffic.silent_end_s:.1f} s before its end" if traffic.silent_end_s else ""
    moved = f"{format_megabytes(traffic.received)} received, {format_megabytes(traffic.sent)} sent"
    return f"{moved} in {traffic.seconds:.0f} s{silent}{end}"


def _time_text(at: float | None) -> str:
    return "" if at is None else f", at {datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"


def _side_lines(when: str, findings: Findings) -> Iterator[str]:
    yield f"{when}, on the path of the test: {_side_text(findings)}"
    if findings.host:
        yield f"{when}, from the host: {_side_text(findings.host)}"


def _side_text(findings: Findings) -> str:
    return "; ".join(part for part in _side_parts(findings) if part) or "nothing was asked"


def _side_parts(findings: Findings) -> Iterator[str]:
    yield ", ".join(map(_link_text, findings.links))
    defaults = [route for route in findings.routes if route.is_default]
    yield ", ".join(f"default route by {r.gateway or 'nobody'} on {r.link}" for r in defaults) or "no default route"
    if findings.router:
        yield f"router {_answer_text(findings.router)}"
    if findings.former:
        yield f"router of the last good test {_answer_text(findings.former)}"
    yield _answers_text(findings.hosts)
    yield _names_text("name server", findings.names)
    yield _names_text("about the provider, name server", findings.far_names)
    yield f"provider {_answers_text(findings.far)}" if findings.far else ""
    yield f"where tests connect: {_answers_text(findings.ports)}" if findings.ports else ""
    yield ", ".join(map(_expired_text, findings.expired))
    yield ", ".join(f"/etc/hosts gives {name.answer.said} for {name.name}" for name in findings.hosts_file)
    yield f"{findings.undelivered} packets came that no program got" if findings.undelivered else ""
    yield _answers_text(page for page in findings.pages if page.said)


def _expired_text(answer: ProbeAnswer) -> str:
    said = _ERRORS.get(answer.error or "", answer.error)
    left = "left this host" if answer.ok else f"seem not to leave this host ({said})"
    return f"packets to {answer.target} {left}"


def _link_text(link: InnerLink) -> str:
    state = "is down" if not link.up else "has no carrier" if link.carrier is False else "is up"
    changes = f" (carrier changed {link.carrier_changes} times)" if link.carrier_changes else ""
    return f"{link.name} {state}{changes}{f' with {link.address}' if link.address else ''}"


def _answers_text(answers: Iterable[ProbeAnswer]) -> str:
    return ", ".join(map(_answer_text, answers))


def _answer_text(answer: ProbeAnswer) -> str:
    if answer.said and answer.said.startswith(("login ", "page ")):
        kind, _, rest = answer.said.partition(" ")
        return f"{answer.target} answers with a {'login page' if kind == 'login' else 'page'} ({rest})"
    what = _ERRORS.get(answer.error, answer.error) if answer.error else _HANDSHAKES.get(answer.tls or "", "answers")
    lost = f", {answer.lost} of {answer.sent} lost" if answer.lost and answer.ok else ""
    sender = f", says {answer.sender}" if answer.sender else ""
    return f"{answer.target} {what}{f' after {answer.ms:.0f} ms' if answer.ok else ''}{lost}{sender}"


def _names_text(title: str, names: Iterable[NameAnswer]) -> str:
    said: dict[str, list[str]] = {}
    for name in names:
        answer = name.answer
        word = answer.said if answer.ok else (answer.error or "")
        said.setdefault(answer.target, []).append(f"{name.name} {_ERRORS.get(word or '', word)}")
    return "; ".join(f"{title} {server}: {', '.join(words)}" for server, words in said.items())
