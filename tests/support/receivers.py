"""Receivers of notifications on this machine: an HTTP server and an SMTP server that keep what they get."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage


@dataclass
class HttpReceiver:
    """What an HTTP server got: the paths, and the JSON of messages; `status` is its answer to the next ones.

    While `answers` is clear it takes requests and keeps silent; each that it has read raises `arrived`.
    """

    port: int = 0
    paths: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    answers: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The address of this server for Apprise."""
        return f"json://127.0.0.1:{self.port}/"

    @property
    def titles(self) -> list[str]:
        """The titles of the messages."""
        return [message["title"] for message in self.messages]

    def take(self) -> list[dict[str, Any]]:
        """Return the messages so far, and forget them."""
        taken, self.messages = self.messages, []
        return taken


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    """Yield an HTTP server on loopback."""
    receiver = HttpReceiver()
    receiver.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.messages.append(json.loads(content))
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            receiver.paths.append(self.path)
            receiver.arrived.set()
            receiver.answers.wait()
            self.close_connection = True
            try:
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                return  # who asked has been killed

        def log_message(self, *_arguments: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class SmtpReceiver:
    """The mails that an SMTP server took."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address of this server for Apprise."""
        return f"mailto://127.0.0.1:{self.port}?from=speedmon@example.org&to=ann@example.org&mode=insecure"


@contextmanager
def smtp_receiver() -> Iterator[SmtpReceiver]:
    """Yield an SMTP server on loopback, without authentication and encryption."""
    receiver = SmtpReceiver()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 receiver")
            while line := self.rfile.readline().decode().strip():
                if not self._obey(line.upper()):
                    return

        def _obey(self, line: str) -> bool:
            if line == "DATA":
                self._say("354 go on")
                content = b"".join(iter(self.rfile.readline, b".\r\n"))
                mail: EmailMessage = email.message_from_bytes(content, policy=email.policy.default)  # type: ignore[assignment]
                receiver.mails.append(mail)
            self._say("221 bye" if line == "QUIT" else "250 ok")
            return line != "QUIT"

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
