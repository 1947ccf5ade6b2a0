"""The servers of the faults' lab: `python -m fault_lab.servers ROLE`; a line on stdout reports that all listen.

Control words, read for each question from `plan.CONTROL`:
    NAMES=silent|SERVFAIL|REFUSED|NXDOMAIN|ADDRESS|slow|truncated
                                                     what a name server does; NAMES is isp, router, local or public
    hide=NAME:WORD                                   the same for one name, at every server; hide_isp only at the ISP's
    certificate=expired|foreign|intercepted|plain|silent|cut
                                                     what the provider shows; strangers=… for the witnesses
    status=503                                       the provider's answer to every request
    body=html|empty                                  what the provider sends instead of its documents
    freeze=1, freeze_upload=1                        the provider stops in the middle of a download, or an upload
    page=redirect|refresh|STATUS                     what the router's page answers, else with a login page
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from fault_lab import plan

from netns.lab.servers import SpeedtestHandler, SpeedtestServer

CERTIFICATES = Path(os.environ.get("LAB_CERTIFICATES", "/run/lab/certificates"))

# A name server that is slow, which glibc still waits for.
SLOW_S = 4

MAINTENANCE_PAGE = b"<!DOCTYPE html><html><body>We are improving our service for you.</body></html>"

REFRESH_PAGE = b"<html><head><meta http-equiv=refresh content='0; url=http://login.hotel.example/'></head></html>"

LOGIN_PAGE = b"<html><body><form action=/login>Please log in: <input name=voucher></form></body></html>"


def control(word: str) -> str:
    """Return the value of a control word, empty if it is not set."""
    try:
        return str(json.loads(plan.CONTROL.read_text()).get(word, ""))
    except (OSError, ValueError):
        return ""


def answer(query: bytes, role: str) -> bytes | None:
    """Return the reply of a name server to a query, None for silence."""
    request = dns.message.from_wire(query)
    name = request.question[0].name.to_text(omit_final_dot=True)
    word = _word_for(role, name)
    if word == "silent":
        return None
    if word in {"slow", "truncated"}:
        time.sleep(SLOW_S if word == "slow" else 0)
        word = ""
    reply = dns.message.make_response(request, recursion_available=True)
    if word in {"SERVFAIL", "REFUSED", "NXDOMAIN"}:
        reply.set_rcode(dns.rcode.from_text(word))
    elif address := word or plan.ZONE.get(name, ""):
        if request.question[0].rdtype == dns.rdatatype.A:
            reply.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "A", address))
    else:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply.to_wire()


def _word_for(role: str, name: str) -> str:
    for word in ("hide", f"hide_{role}"):
        hidden, _, how = control(word).partition(":")
        if hidden and name.endswith(hidden):
            return how
    return control(role)


class NamesOverTcp(socketserver.BaseRequestHandler):
    """One query over TCP (RFC 1035, 4.2.2): what is truncated over UDP is complete here."""

    def handle(self) -> None:
        """Answer one query."""
        length = int.from_bytes(self.request.recv(2))
        reply = answer(self.request.recv(length), self.server.role)  # type: ignore[attr-defined]
        if reply:
            self.request.sendall(len(reply).to_bytes(2) + reply)


def truncate(query: bytes) -> bytes:
    """Return the reply that sends a client to TCP."""
    reply = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    reply.flags |= dns.flags.TC
    return reply.to_wire()


def serve_names(address: str, role: str, upstream: str | None = None) -> None:
    """Serve names at an address in a thread; with `upstream` unknown to itself, it passes queries on."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_DGRAM)
    listener.bind((address, 53))
    if family == socket.AF_INET:
        over_tcp = socketserver.ThreadingTCPServer((address, 53), NamesOverTcp)
        over_tcp.role = role  # type: ignore[attr-defined]
        threading.Thread(target=over_tcp.serve_forever, daemon=True).start()

    def handle(query: bytes, sender: tuple[str, int]) -> None:
        forwards = upstream and not control(role) and not control(f"hide_{role}")
        reply = _forward(query, upstream) if forwards else answer(query, role)
        if reply and control(role) == "truncated":
            reply = truncate(query)
        if reply:
            listener.sendto(reply, sender)

    def serve() -> None:
        while True:
            query, sender = listener.recvfrom(4096)
            threading.Thread(target=handle, args=(query, sender), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


def _forward(query: bytes, upstream: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        try:
            client.sendto(query, (upstream, 53))
            return client.recv(4096)
        except OSError:
            reply = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply.to_wire()


class TlsServer(socketserver.ThreadingTCPServer):
    """Shows the certificate of one address, or what the control word says."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], certificate: str, word: str) -> None:
        self.certificate, self.word = certificate, word
        super().__init__(address, TlsHandler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients end handshakes as they like."""


class TlsHandler(socketserver.BaseRequestHandler):
    """One connection: a handshake, a request, and a short answer."""

    server: TlsServer

    def handle(self) -> None:
        """Do what the control word says, else answer over TLS."""
        how = control(self.server.word)
        if how == "silent":
            time.sleep(30)
        elif how == "cut":
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif how == "plain":
            self.request.recv(4096)
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        else:
            self._answer(
                f"{self.server.certificate}-{how}"
                if how in {"expired", "foreign", "intercepted"}
                else self.server.certificate
            )

    def _answer(self, certificate: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
        with context.wrap_socket(self.request, server_side=True) as secured:
            received = b""
            while b"\r\n\r\n" not in received and (chunk := secured.recv(65536)):
                received += chunk
            provider = self.server.word == "certificate"
            status = (control("status") if provider else "") or "200"
            body = {"html": MAINTENANCE_PAGE, "empty": b""}.get(control("body") if provider else "", b"{}")
            head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            secured.sendall(head.encode() + body)


class ProviderHandler(SpeedtestHandler):
    """The provider's plain servers, with their faults."""

    def do_GET(self) -> None:
        """Answer, or fail as the control words say."""
        if not self._fail():
            super().do_GET()

    def do_POST(self) -> None:
        """The same for uploads."""
        if not self._fail():
            super().do_POST()

    def _fail(self) -> bool:
        status, body = control("status"), control("body")
        if status or body:
            content = MAINTENANCE_PAGE if body == "html" else b""
            self.send_response(int(status or "200"))
            if status == "302":
                self.send_header("Location", "http://maintenance.speedtest.example/")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        return bool(status or body)

    def _receive(self, expected: int) -> int:
        if control("freeze_upload"):
            self.rfile.read1(100_000)
            time.sleep(60)
        return super()._receive(expected)

    def _send_image(self, size: int) -> None:
        if not control("freeze"):
            super()._send_image(size)
            return
        self._head(size)
        self.wfile.write(bytes(300_000))
        time.sleep(60)


class PortalHandler(BaseHTTPRequestHandler):
    """A login page for whatever is asked, or a redirection to it."""

    def do_GET(self) -> None:
        """Answer as the control word `page` says: a redirection, a page, or a status such as that of RFC 6585."""
        how = control("page")
        if how == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://login.hotel.example/start")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        page = REFRESH_PAGE if how == "refresh" else LOGIN_PAGE if how in {"", "511"} else b""
        self.send_response(int(how) if how.isdigit() else 200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name http.server gives it
        """Log nothing."""


def serve(server: socketserver.BaseServer) -> None:
    """Serve in a thread."""
    threading.Thread(target=server.serve_forever, daemon=True).start()


def start_internet() -> None:
    """The witnesses, public name servers, and the provider with its server."""
    for address in plan.PUBLIC_NAMES:
        serve_names(address, "public")
    for address in plan.CERTIFIED:
        word = "certificate" if address == plan.PROVIDER else "strangers"
        serve(TlsServer((address, 443), address, word))
    for port in (80, 8080):
        serve(SpeedtestServer(("::", port), ProviderHandler))


def start_router() -> None:
    """The router's forwarder of names, and its login page."""
    serve_names(plan.ROUTER, "router", plan.ISP_NAMES)
    serve(ThreadingHTTPServer(("", plan.PORTAL_PAGE_PORT), PortalHandler))
    serve(TlsServer(("", plan.PORTAL_TLS_PORT), "portal", "portal"))


ROLES = {
    "internet": start_internet,
    "isp": lambda: serve_names(plan.ISP_NAMES, "isp"),
    "router": start_router,
    "names6": lambda: serve_names("fd00::1", "names6"),
    "stub": lambda: serve_names("127.0.0.53", "local", plan.ISP_NAMES),
    "vpn": lambda: serve_names("100.100.100.100", "local", plan.ISP_NAMES),
    "pihole": lambda: serve_names("192.168.1.2", "pihole", plan.ISP_NAMES),
}

if __name__ == "__main__":
    ROLES[sys.argv[1]]()
    print("ready", flush=True)  # noqa: T201  the parent waits for this line
    threading.Event().wait()
