"""The lab's test server, used over the loopback as speedtest-cli does."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from netns.lab import servers, topology

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def connection() -> Iterator[http.client.HTTPConnection]:
    """Yield a connection to a test server on a free port."""
    with servers.SpeedtestServer(("::", 0), servers.SpeedtestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=120)
        yield client
        client.close()
        server.shutdown()
        thread.join()


def fetch(path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    """Return status and body of one request."""
    with connection() as client:
        client.request(method, path, body)
        reply = client.getresponse()
        return reply.status, reply.read()


@pytest.mark.parametrize(
    ("client", "isp"),
    [(topology.HOME_IPV4, topology.FIBRE.isp), (topology.HOME_IPV6, topology.TUNNEL.isp), ("192.0.2.1", "Unknown")],
)
def test_the_configuration_names_the_client(client: str, isp: str):
    """Address and ISP in it are those of the client."""
    element = ET.fromstring(servers.to_configuration(client)).find("client")  # noqa: S314  our own text
    assert element is not None
    assert (element.get("ip"), element.get("isp")) == (client, isp)


def test_a_client_over_ipv4_gets_an_ipv4_address():
    """The socket serves both families, and the mapped form ::ffff:a.b.c.d never shows."""
    status, body = fetch("/speedtest-config.php?x=1.0")
    assert status == 200
    assert b'ip="127.0.0.1"' in body


def test_the_server_list_has_every_server():
    """Each entry has the id, the name and the upload address that a client needs."""
    status, body = fetch("/speedtest-servers-static.php?threads=4")
    servers = ET.fromstring(body).iter("server")  # noqa: S314  our own text
    assert status == 200
    assert [(server.get("id"), server.get("sponsor")) for server in servers] == [
        (server.id, server.sponsor) for server in topology.LISTED_SERVERS
    ]


def test_latency_answers_the_word_that_clients_look_for():
    """Anything else counts as a server that does not answer."""
    assert fetch("/speedtest/latency.txt?x=1.0")[1].startswith(b"test=test")


def test_a_far_server_answers_later():
    """The delay is that of the server named in the request, none for an unknown one."""
    assert [servers.ping_delay_s(f"{server.host}:8080") for server in topology.LISTED_SERVERS] == [0.0, 0.03]
    assert servers.ping_delay_s("") == 0.0


@pytest.mark.parametrize("pixels", [350, 1000])
def test_an_image_has_two_bytes_a_pixel(pixels: int):
    """The body is as long as its path says."""
    status, body = fetch(f"/speedtest/random{pixels}x{pixels}.jpg?x=1")
    assert (status, len(body)) == (200, 2 * pixels * pixels)


@pytest.mark.parametrize("path", ["/", "/speedtest/random350x500.jpg", "/speedtest/random99999x99999.jpg"])
def test_what_is_not_there_is_not_found(path: str):
    """Unknown paths and images of other shapes are refused."""
    assert fetch(path)[0] == 404


def test_an_upload_is_counted():
    """The reply says how many bytes came, in the words of the real server."""
    assert fetch("/speedtest/upload.php", "POST", bytes(300_000)) == (200, b"size=300000")


def test_a_client_that_leaves_does_not_stop_the_server():
    """A test ends in the middle of a transfer; the next client is served."""
    with connection() as client:
        client.request("GET", "/speedtest/random4000x4000.jpg")
        client.getresponse().close()
        client.close()
        client.request("GET", "/speedtest/latency.txt")
        assert client.getresponse().status == 200
