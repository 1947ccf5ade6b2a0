"""The steps of the probe, over loopback: what answers, what refuses, and what says nothing at all."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from netns.lab import servers
from netns.probe import findings, reach, run
from netns.probe.findings import Findings, InnerLink, ProbeAnswer, ProcRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ZONE = {
    dns.name.from_text("www.example"): {dns.rdatatype.A: "192.0.2.80"},
    dns.name.from_text("six.example"): {dns.rdatatype.AAAA: "2001:db8::80"},
}


@contextlib.contextmanager
def served(reply: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """Yield the port of a UDP server that sends what `reply` returns."""
    with servers.bind_socket("127.0.0.1", 0) as listener:

        def serve() -> None:
            while (query := listener.recvfrom(4096)) and query[0] != b"end":
                for datagram in reply(query[0]):
                    listener.sendto(datagram, query[1])

        thread = threading.Thread(target=serve)
        thread.start()
        port: int = listener.getsockname()[1]
        try:
            yield port
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender:
                ender.sendto(b"end", ("127.0.0.1", port))
            thread.join()


def by_zone(query: bytes) -> list[bytes]:
    """Answer as the lab's name server does."""
    return [reply] if (reply := servers.answer_query(query, ZONE)) else []


@pytest.mark.parametrize(
    ("name", "error", "address"),
    [
        ("www.example", None, "192.0.2.80"),
        ("six.example", "NODATA", None),
        ("no.example", "NXDOMAIN", None),
        ("a" * 64, "EINVAL", None),
    ],
)
def test_name_is_looked_up(name: str, error: str | None, address: str | None):
    """The answer is the first IPv4 address, or the reason why there is none."""
    with served(by_zone) as port:
        answer = run.query_name("127.0.0.1", name, port)
    assert (answer.target, answer.error, answer.said) == ("127.0.0.1", error, address)


def test_answer_to_another_question_is_ignored():
    """Garbage and the answer to a forged query do not count; what comes after them does."""
    forged = dns.message.make_response(dns.message.make_query("www.example", "A")).to_wire()
    with served(lambda query: [b"?", forged, *by_zone(query)]) as port:
        assert run.query_name("127.0.0.1", "www.example", port).said == "192.0.2.80"


def test_lost_datagram_is_sent_again():
    """A server that receives only the second query is asked twice."""
    queries: list[bytes] = []

    def deaf(query: bytes) -> list[bytes]:
        queries.append(query)
        return by_zone(query) if len(queries) > 1 else []

    with served(deaf) as port:
        assert run.query_name("127.0.0.1", "www.example", port).ok
    assert len(queries) == 2


def test_silence_ends_at_the_deadline():
    """A server that says nothing costs no more than the deadline."""
    with served(lambda _: []) as port:
        answer = run.query_name("127.0.0.1", "www.example", port)
    assert answer.error == "ETIMEDOUT"
    assert answer.ms < 1000 * (reach.DEADLINE_S + 1)


def test_connection_is_opened_and_refused():
    """A listening port is ok, a closed one has the system's symbol."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        assert reach.connect(host).ok
    assert reach.connect(host).error == "ECONNREFUSED"


@pytest.mark.parametrize("host", ["999.0.0.1:80", "127.0.0.1:99999", "127.0.0.1:", "localhost:80"])
def test_host_that_is_not_valid_does_not_crash(host: str):
    """What the settings do not reject is rejected here, and no name is looked up."""
    assert reach.connect(host).error == "EINVAL"


def test_name_servers_are_those_of_resolv_conf():
    """Comments, options and half a line are passed by."""
    text = "# nameserver 9.9.9.9\nsearch example\nnameserver 192.0.2.53\nnameserver\nnameserver 192.0.2.54 # two\n"
    assert run.parse_name_servers(text) == ["192.0.2.53", "192.0.2.54"]


def test_findings_travel_as_json():
    """What comes out is what went in; another text is none."""
    original = Findings(
        links=(InnerLink("lo", up=True, mtu=65536),),
        addresses=("192.168.200.2",),
        routes=(ProcRoute("0.0.0.0/0", "192.168.200.1", "ip4only-ns"),),
        gateway=ProbeAnswer("192.168.200.1", "ETIMEDOUT", 2000.5),
        servers=(ProbeAnswer("192.0.2.53", None, 3.1, "192.0.2.80"),),
    )
    assert findings.from_json(findings.to_json(original)) == original
    assert [findings.from_json(text) for text in (b"", b"{", b"[]", b'{"links": 3}')] == [None] * 4


def test_caller_needs_nothing_heavy_for_a_connection():
    """What asks from the host's side does not import the DNS library."""
    imports = "import sys; from netns import inspect; from netns.probe import reach"
    code = f"{imports}; print({{'dns', 'pyroute2'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
