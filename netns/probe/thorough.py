"""A thorough look for the diagnosis of a failure: everything is asked at once, again and again, until the time is over.

How long it takes depends on what answers; see `netns.probe.clock`.
"""

from __future__ import annotations

import concurrent.futures
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from netns.probe import names, reach, witness
from netns.probe.clock import SharedDeadline
from netns.probe.findings import Findings, NameAnswer, ProbeAnswer, Question, parse_hosts_file
from netns.probe.tcp import find_expiry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from netns.probe.witness import TlsContexts

# All steps wait most of the time: for each name at each server, hosts, pages and pings.
_MAX_THREADS = 64

_PING_S = 0.8

HOSTS_FILE = Path("/etc/hosts")

# How many pages are asked for.
_PAGES = 3


@dataclass(frozen=True, slots=True)
class ThoroughAnswers:
    """The answers of a thorough look; the fields are those of `Findings`."""

    servers: tuple[ProbeAnswer, ...]
    hosts: tuple[ProbeAnswer, ...]
    far: tuple[ProbeAnswer, ...]
    names: tuple[NameAnswer, ...]
    far_names: tuple[NameAnswer, ...]
    pages: tuple[ProbeAnswer, ...]
    router: ProbeAnswer | None
    gateway: ProbeAnswer | None
    former: ProbeAnswer | None
    ports: tuple[ProbeAnswer, ...]
    expired: tuple[ProbeAnswer, ...]
    hosts_file: tuple[NameAnswer, ...]


def look_thoroughly(question: Question, servers: Sequence[str], gateway: str | None) -> ThoroughAnswers:
    """Ask everything of a question on this side; `servers` are those of resolv.conf, `gateway` is the next hop."""
    # Before the clock starts: the issuers of certificates are slow to load.
    contexts = witness.make_contexts()
    with ThreadPoolExecutor(_MAX_THREADS) as pool:
        return _Look(question, servers, contexts, pool).ask(gateway)


class _Look:
    """One look: the queries for names come first, and those who have a name wait for them."""

    def __init__(
        self, question: Question, servers: Sequence[str], contexts: TlsContexts, pool: ThreadPoolExecutor
    ) -> None:
        self._question = question
        self._servers = servers
        self._contexts = contexts
        self._pool = pool
        self._clock = SharedDeadline()
        self._hosts_file = read_hosts_file()
        self._queries: dict[tuple[str, str], Future[ProbeAnswer]] = {}

    def ask(self, gateway: str | None) -> ThoroughAnswers:
        """Start everything, and return the answers."""
        question = self._question
        own_names = _host_names(question.far) or [question.name]
        other_names = list(dict.fromkeys((*question.names, *_host_names((*question.hosts, *question.ports)))))
        for server in dict.fromkeys((*self._servers, *question.resolvers)):
            for name in dict.fromkeys((*own_names, *other_names)):
                self._queries[server, name] = self._pool.submit(names.ask_server, server, name, self._clock)
        pings = [self._pool.submit(self._ping, address) for address in (question.router, gateway, question.former)]
        hosts = [self._pool.submit(self._ask_host, target) for target in question.hosts]
        far = [self._pool.submit(self._ask_host, target, stranger=False) for target in question.far]
        ports = [self._pool.submit(self._ask_host, target, stranger=False) for target in question.ports]
        expired = self._pool.submit(self._find_expired, [*question.far, *question.ports])
        pages = [self._pool.submit(self._ask_page, target) for target in question.hosts[:_PAGES]]
        pages += [self._pool.submit(self._ask_page, target) for target in question.far[:1]]
        return ThoroughAnswers(
            servers=tuple(self._queries[server, own_names[0]].result() for server in self._servers),
            hosts=tuple(answer.result() for answer in hosts),
            far=tuple(answer.result() for answer in far),
            names=self._answers_about(other_names),
            far_names=self._answers_about(own_names),
            pages=tuple(answer.result() for answer in pages),
            router=pings[0].result(),
            gateway=pings[1].result(),
            former=pings[2].result(),
            ports=tuple(answer.result() for answer in ports),
            expired=tuple(expired.result()),
            hosts_file=tuple(
                NameAnswer(name, ProbeAnswer("/etc/hosts", said=self._hosts_file[name]))
                for name in own_names
                if name in self._hosts_file
            ),
        )

    def _find_expired(self, targets: Sequence[str]) -> list[ProbeAnswer]:
        """Tell whether packets to these targets leave this host, if packets to a witness do."""
        control = next((host for host in self._question.hosts if _is_address(host)), None)
        if self._question.expire_after is None or control is None or not (first := self._find_expiry(control)):
            return []
        if not first.ok:
            return [first]
        with ThreadPoolExecutor(max(1, len(targets))) as pool:
            expired = list(filter(None, pool.map(self._find_expiry, targets)))
        # Routers report only a few packets a second: silence counts only while they do.
        still = all(answer.ok for answer in expired) or ((again := self._find_expiry(control)) and again.ok)
        return [first, *(expired if still else ())]

    def _find_expiry(self, target: str) -> ProbeAnswer | None:
        address, hops = self._find_address(target), self._question.expire_after
        ended = find_expiry(address, int(target.rpartition(":")[2]), hops, self._clock) if address and hops else None
        return ProbeAnswer(target, ended[0], sender=ended[1]) if ended else None

    def _answers_about(self, wanted: Sequence[str]) -> tuple[NameAnswer, ...]:
        return tuple(NameAnswer(name, query.result()) for (_, name), query in self._queries.items() if name in wanted)

    def _ping(self, address: str | None) -> ProbeAnswer | None:
        return reach.ping(address, _PING_S * 2) if address else None

    def _ask_host(self, target: str, *, stranger: bool = True) -> ProbeAnswer:
        address = self._find_address(target)
        if address is None:
            return ProbeAnswer(target, "ENAME")
        return witness.ask_host(target, address, self._contexts, self._clock, stranger=stranger)

    def _ask_page(self, target: str) -> ProbeAnswer:
        address = self._find_address(target)
        page = f"{target.rpartition(':')[0]}:{witness.WEB_PORT}"
        return witness.ask_page(page, address, self._clock) if address else ProbeAnswer(page, "ENAME")

    def _find_address(self, target: str) -> str | None:
        """Return the address of a target: its own, else the first that a server knows, those of resolv.conf first."""
        name = target.rpartition(":")[0]
        if not any(letter.isalpha() for letter in name):
            return name
        if address := self._hosts_file.get(name.lower()):
            return address
        own = [query for (server, asked), query in self._queries.items() if asked == name and server in self._servers]
        others = [query for (_, asked), query in self._queries.items() if asked == name and query not in own]
        return _first_usable(own) or _first_usable(others)


def read_hosts_file() -> dict[str, str]:
    """Return the names of /etc/hosts with their addresses, which programs use before they ask a name server."""
    try:
        return parse_hosts_file(HOSTS_FILE.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return {}


def _is_address(target: str) -> bool:
    return not any(letter.isalpha() for letter in target)


def _first_usable(queries: Sequence[Future[ProbeAnswer]]) -> str | None:
    for query in concurrent.futures.as_completed(queries):
        if address := names.usable_address(query.result()):
            return address
    return None


def _host_names(targets: Sequence[str]) -> list[str]:
    """Return the names of targets, without addresses, each once."""
    found = (target.rpartition(":")[0] for target in targets)
    return list(dict.fromkeys(name for name in found if any(letter.isalpha() for letter in name)))


def with_answers(findings: Findings, answers: ThoroughAnswers) -> Findings:
    """Return the findings with the answers of a thorough look."""
    return replace(
        findings,
        servers=answers.servers,
        hosts=answers.hosts,
        far=answers.far,
        names=answers.names,
        far_names=answers.far_names,
        pages=answers.pages,
        router=answers.router,
        gateway=answers.gateway,
        former=answers.former,
        ports=answers.ports,
        expired=answers.expired,
        hosts_file=answers.hosts_file,
    )
