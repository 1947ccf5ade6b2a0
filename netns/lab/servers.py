"""The lab's servers: as much of speedtest.net, over plain HTTP, as speedtest-cli 2.1.3 needs, and a name server.

Configuration and server list have the format that `get_config` and `get_servers` of speedtest-cli read. The test is
short: download for 3 s, upload of 8.9 MB in three requests, at most 5 s. Socket buffers are small, so that the data in
flight fits the queue of the shaped link: no packet is lost, and little of an upload is counted before it was sent. The
name server has A and AAAA records of a few names, over UDP.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from netns.lab import topology

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTP_PORTS = (80, 8080)
DOWNLOAD_S, UPLOAD_S = 3, 5
SOCKET_BUFFER_BYTES = 65_536
BLOCK = bytes(65_536)
IMAGE_PATTERN = re.compile(r"/speedtest/random(\d{3,4})x\1\.jpg")

TTL_S = 60
ADDRESSES = {dns.rdatatype.A: topology.SERVER_IPV4, dns.rdatatype.AAAA: topology.SERVER_IPV6}
ZONE = {dns.name.from_text(name): ADDRESSES for name in topology.SERVED_NAMES}


def to_configuration(client: str) -> bytes:
    """Return /speedtest-config.php for the client of that address."""
    access = topology.find_access(client)
    settings = ET.Element("settings")
    ET.SubElement(
        settings, "client", ip=client, lat="48.0", lon="11.0", isp=access.isp if access else "Unknown", country="XX"
    )
    ET.SubElement(settings, "server-config", threadcount="2", ignoreids="")
    ET.SubElement(settings, "download", testlength=str(DOWNLOAD_S), threadsperurl="1")
    # Ratio 5 and three chunks: one request each of 0.5, 1 and 7.3 MB.
    ET.SubElement(settings, "upload", testlength=str(UPLOAD_S), ratio="5", maxchunkcount="3", threads="2")
    return _to_document(settings)


def to_server_list() -> bytes:
    """Return /speedtest-servers-static.php."""
    settings = ET.Element("settings")
    servers = ET.SubElement(settings, "servers")
    for server in topology.LISTED_SERVERS:
        place = {"lat": str(server.lat), "lon": str(server.lon), "name": server.city, "country": "Example", "cc": "XX"}
        url = f"http://{server.host}:8080/speedtest/upload.php"
        address = {"url": url, "host": f"{server.host}:8080", "id": server.id, "sponsor": server.sponsor}
        ET.SubElement(servers, "server", place | address)
    return _to_document(settings)


def _to_document(root: ET.Element) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode").encode()


def image_size(path: str) -> int | None:
    """Return the size of a test image in bytes, two per pixel like the real ones; None if the path is not an image."""
    match = IMAGE_PATTERN.fullmatch(path)
    return 2 * int(match[1]) ** 2 if match else None


def ping_delay_s(host: str) -> float:
    """Return by how many seconds the server of a Host header answers a ping later than the nearest one."""
    return next(
        (server.delay_ms / 1000 for server in topology.LISTED_SERVERS if server.host == host.partition(":")[0]), 0.0
    )


class SpeedtestHandler(BaseHTTPRequestHandler):
    """One connection of a client."""

    server_version = "speedmon-lab"
    timeout = 20

    def do_GET(self) -> None:
        """Answer configuration, server list, latency and images."""
        path = urlsplit(self.path).path
        if path == "/speedtest-config.php":
            self._reply(to_configuration(self._client()))
        elif path == "/speedtest-servers-static.php":
            self._reply(to_server_list())
        elif path == "/speedtest/latency.txt":
            time.sleep(ping_delay_s(self.headers.get("Host", "")))
            self._reply(b"test=test\n")
        elif size := image_size(path):
            self._send_image(size)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """Receive an upload and reply with its size."""
        received = self._receive(int(self.headers.get("Content-Length", "0")))
        self._reply(f"size={received}".encode())

    def handle(self) -> None:
        """Serve the connection; clients end a test by closing the connection in the middle of a transfer."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name http.server gives it
        """Log nothing: stdout and stderr belong to the demo."""

    def _client(self) -> str:
        return str(self.client_address[0]).removeprefix("::ffff:")

    def _reply(self, body: bytes) -> None:
        self._head(len(body))
        self.wfile.write(body)

    def _head(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send_image(self, size: int) -> None:
        self._head(size)
        for sent in range(0, size, len(BLOCK)):
            self.wfile.write(BLOCK[: size - sent])

    def _receive(self, expected: int) -> int:
        received = 0
        while received < expected and (block := self.rfile.read1(min(len(BLOCK), expected - received))):
            received += len(block)
        return received


class SpeedtestServer(ThreadingHTTPServer):
    """Listens on one port for IPv4 and IPv6 alike."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        """Bind to all addresses; connections inherit the small buffers."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        super().server_bind()


def _report_ready() -> None:
    print("ready", flush=True)  # noqa: T201  the parent waits for this line


def serve_speedtests() -> None:
    """Serve all ports until the process ends; a line on stdout reports that it listens."""
    servers = [SpeedtestServer(("::", port), SpeedtestHandler) for port in HTTP_PORTS]
    _report_ready()
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def answer_query(
    query: bytes, zone: Mapping[dns.name.Name, Mapping[dns.rdatatype.RdataType, str]] = ZONE
) -> bytes | None:
    """Return the reply to a query (RFC 1035): the address, no data for another type, NXDOMAIN for another name.

    None if it is not a query.
    """
    try:
        request = dns.message.from_wire(query)
        reply = dns.message.make_response(request, recursion_available=True)
    except dns.exception.DNSException:
        return None
    for question in request.question:
        addresses = zone.get(question.name)
        if addresses is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype in addresses:
            reply.answer.append(
                dns.rrset.from_text(question.name, TTL_S, "IN", question.rdtype, addresses[question.rdtype])
            )
    return reply.to_wire()


def bind_socket(address: str, port: int = 53) -> socket.socket:
    """Return a UDP socket bound to an address, for `serve_names`."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((address, port))
    return listener


def serve_names(listener: socket.socket) -> None:
    """Answer queries until the process ends."""
    while True:
        query, sender = listener.recvfrom(4096)
        if (reply := answer_query(query)) is not None:
            listener.sendto(reply, sender)


def serve_lab_names() -> None:
    """Serve the lab's names at the address of the ISP's name server; a line on stdout reports that it listens."""
    with bind_socket(topology.NAME_SERVER) as listener:
        _report_ready()
        serve_names(listener)


def main() -> None:
    """Run one of the lab's servers: `names` or `speedtest`, the only argument."""
    {"names": serve_lab_names, "speedtest": serve_speedtests}[sys.argv[1]]()


if __name__ == "__main__":
    main()
