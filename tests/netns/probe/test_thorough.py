"""The steps of a thorough look, over loopback: repeated connections, refusals, pages, and names asked again."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from netns.lab import servers
from netns.probe import findings, names, tcp, thorough, witness
from netns.probe.clock import SharedDeadline
from netns.probe.findings import Question

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def listening(reply: bytes) -> Iterator[int]:
    """Yield the port of a TCP server that sends a reply to each connection and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(4096)
                        client.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_connections_are_repeated_and_none_is_lost():
    """Several attempts are sent whatever comes of the first, so that loss shows; over loopback none is lost."""
    with listening(b"") as port:
        attempts = tcp.connect_repeatedly("127.0.0.1", port, clock := SharedDeadline())
        attempts.count_lost(clock)
        assert (attempts.symbol, attempts.sent, attempts.lost) == (None, tcp.ALWAYS, 0)
        attempts.close()


def test_refusal_is_an_answer():
    """A closed port refuses every attempt, and its resets have not passed any router."""
    answer = witness.ask_host(f"127.0.0.1:{closed_port()}", "127.0.0.1", witness.make_contexts(), SharedDeadline())
    assert (answer.error, answer.lost, answer.ttl) == ("ECONNREFUSED", 0, 64)


def test_server_without_tls_is_seen(monkeypatch: pytest.MonkeyPatch):
    """What answers a handshake with something else is not the host that it should be."""
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        monkeypatch.setattr(witness, "TLS_PORTS", {port})
        answer = witness.ask_host(f"127.0.0.1:{port}", "127.0.0.1", witness.make_contexts(), SharedDeadline())
    assert (answer.ok, answer.tls) == (True, findings.TLS_PLAIN)


def test_silence_ends_with_the_shared_time():
    """A look never lasts longer than its clock, whatever it waits for."""
    clock = SharedDeadline(0.2)
    clock.wait(600)
    assert clock.left_s == 0
    assert not clock.readable([], seconds=600)


def test_an_answer_ends_a_look_early():
    """Once something has answered, what is silent gets a short grace instead of the full time."""
    clock = SharedDeadline(600)
    clock.answered()
    assert clock.left_s < 5


@pytest.mark.parametrize(
    ("host", "reply", "said"),
    [
        ("1.1.1.1", b"HTTP/1.1 301 Moved\r\nLocation: https://1.1.1.1/x\r\n\r\n", "page 301 1.1.1.1"),
        (
            "www.google.com",
            b"HTTP/1.1 302 Found\r\nLocation: https://consent.google.de/x\r\n\r\n",
            "page 302 consent.google.de",
        ),
        (
            "www.google.com",
            b"HTTP/1.0 302 Found\r\nlocation: http://login.hotel.example:8080/\r\n\r\n",
            "login 302 login.hotel.example",
        ),
        ("9.9.9.9", b"HTTP/1.1 511 Network Authentication Required\r\n\r\n", "login 511"),
        ("9.9.9.9", b"HTTP/1.1 200 OK\r\n\r\n<html><form action=/login>", "login 200"),
        ("9.9.9.9", b"HTTP/1.1 204 No Content\r\n\r\n", "page 204"),
        ("9.9.9.9", b"HTTP/1.1 404 Not Found\r\n\r\n", "page 404"),
        ("9.9.9.9", b"SSH-2.0-OpenSSH_9.2\r\n", None),
        ("9.9.9.9", b"", None),
    ],
)
def test_login_pages_are_told_from_others(host: str, reply: bytes, said: str | None):
    """A redirection to somebody else, a form where no page is, or the status made for it."""
    assert witness.describe_page(host, reply) == said


def test_name_is_asked_again_until_it_is_answered():
    """A lost query costs a moment, and is counted."""
    queries: list[bytes] = []
    with servers.bind_socket("127.0.0.1", 0) as listener:

        def serve() -> None:
            while len(queries) < 2:
                query, sender = listener.recvfrom(4096)
                queries.append(query)
                if len(queries) == 2:
                    listener.sendto(servers.answer_query(query) or b"", sender)

        thread = threading.Thread(target=serve)
        thread.start()
        answer = names.ask_server("127.0.0.1", "no.such.example", SharedDeadline(60), listener.getsockname()[1])
        thread.join()
    assert (answer.error, answer.sent, answer.lost, answer.ttl, answer.source) == ("NXDOMAIN", 2, 1, 64, "127.0.0.1")


@contextlib.contextmanager
def truncating_server(reply: bytes | None) -> Iterator[int]:
    """Yield the port of a name server whose datagrams are truncated; None: over TCP nobody answers."""
    with (
        socket.create_server(("127.0.0.1", 0)) as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        port: int = stream.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        if reply is None:
            stream.close()

        def serve() -> None:
            query, sender = datagrams.recvfrom(4096)
            datagrams.sendto(query[:2] + b"\x82\x00" + query[4:], sender)
            if reply is not None:
                client, _ = stream.accept()
                with client:
                    asked = client.recv(4096)[2:]
                    answer = asked[:2] + b"\x80\x00\0\1\0\1\0\0\0\0" + asked[12:] + reply
                    client.sendall(len(answer).to_bytes(2, "big") + answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield port
        thread.join()


@pytest.mark.parametrize("over_tcp", [True, False])
def test_truncated_reply_is_asked_for_over_tcp(over_tcp: bool):
    """As the C library does; a server that then says nothing resolves nothing, but has replied."""
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("203.0.113.7")
    with truncating_server(record if over_tcp else None) as port:
        answer = names.ask_server("127.0.0.1", "example.com", SharedDeadline(60), port)
    expected = (None, "203.0.113.7") if over_tcp else (names.TRUNCATED, None)
    assert (answer.error, answer.said) == expected


def test_hosts_file_comes_before_name_servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The provider is asked where programs of this machine find it, and its entry is reported."""
    (tmp_path / "hosts").write_text("127.0.0.1 localhost provider.example\n")
    monkeypatch.setattr(thorough, "HOSTS_FILE", tmp_path / "hosts")
    question = Question("provider.example", far=(f"provider.example:{closed_port()}",), thorough=True)
    answers = thorough.look_thoroughly(question, [], None)
    assert [(answer.error, answer.said) for answer in answers.far] == [("ECONNREFUSED", "127.0.0.1")]
    assert [(name.name, name.answer.said) for name in answers.hosts_file] == [("provider.example", "127.0.0.1")]


@pytest.mark.parametrize(("said", "usable"), [("192.0.2.1", "192.0.2.1"), ("0.0.0.0", None), ("127.0.0.1", None)])  # noqa: S104
def test_address_of_a_filter_leads_nowhere(said: str, usable: str | None):
    """A filter that gives 0.0.0.0 for a name has not given its address."""
    assert names.usable_address(findings.ProbeAnswer("192.0.2.53", said=said)) == usable


def test_look_asks_everything_at_once(monkeypatch: pytest.MonkeyPatch):
    """Names at each server, hosts by name with the address that a server knows, and pages; none waits for another."""
    asked = []

    def answer(server: str, name: str, _clock: SharedDeadline) -> findings.ProbeAnswer:
        asked.append((server, name))
        return (
            findings.ProbeAnswer(server, said="127.0.0.1")
            if server == "192.0.2.2"
            else findings.ProbeAnswer(server, "ETIMEDOUT")
        )

    monkeypatch.setattr(names, "ask_server", answer)
    monkeypatch.setattr(names, "usable_address", lambda told: told.said)
    question = Question(
        "x", (f"a.example:{closed_port()}",), (f"b.example:{closed_port()}",), ("c.example",), ("192.0.2.9",)
    )
    began = time.monotonic()
    found = thorough.look_thoroughly(question, ["192.0.2.1", "192.0.2.2"], None)
    assert {name for _, name in asked} == {"a.example", "b.example", "c.example"}
    assert {server for server, _ in asked} == {"192.0.2.1", "192.0.2.2", "192.0.2.9"}
    assert [found.hosts[0].said, found.hosts[0].error, found.far[0].error] == ["127.0.0.1", *["ECONNREFUSED"] * 2]
    assert [server.target for server in found.servers] == ["192.0.2.1", "192.0.2.2"]
    assert {name.name for name in found.far_names} == {"b.example"}
    assert found.router is None
    assert time.monotonic() - began < 60
