"""Tries name servers with one small query each, without any DNS library: whether they reply, not what they say."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A query for the address of example.com (RFC 1035, RFC 2606), without its identifier.
_QUESTION = struct.pack("!5H", 0x0100, 1, 0, 0, 0) + b"\7example\3com\0" + struct.pack("!2H", 1, 1)

_REPLY, _FLAGS_BYTE = 0x80, 2

# How often a query is sent, and for how long a reply is waited for in all.
AGAIN_S, TRIAL_S = 0.15, 0.4

DNS_PORT = 53


class Trial:
    """A query to one name server from the network namespace in which this is made, which the socket stays in."""

    def __init__(self, server: str, port: int = DNS_PORT) -> None:
        self.server = server
        self.replied = False
        self.socket: socket.socket | None = None
        self._identifier = os.urandom(2)
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        try:
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
            self.socket.settimeout(0)
            self.socket.connect((server, port))
        except OSError:
            self.close()

    def send(self) -> None:
        """Send the query; a server that cannot be reached is given up."""
        if self.socket is not None and not self.replied:
            try:
                self.socket.send(self._identifier + _QUESTION)
            except OSError:
                self.close()

    def receive(self) -> None:
        """Take what has come: a reply to this query, or the error of a closed port."""
        if self.socket is None:
            return
        try:
            datagram = self.socket.recv(4096)
        except OSError:
            self.close()
            return
        is_reply = len(datagram) > _FLAGS_BYTE and bool(datagram[_FLAGS_BYTE] & _REPLY)
        self.replied = self.replied or (is_reply and datagram[:_FLAGS_BYTE] == self._identifier)

    def close(self) -> None:
        """Close the socket."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def run_trials(needed: Iterable[Trial], others: Iterable[Trial] = ()) -> None:
    """Send all queries and wait for replies until one of `needed` came, nothing can come any more, or time is over.

    Where none of `needed` can reply any more, one of `others` is waited for.
    """
    needed, others = list(needed), list(others)
    until, next_query = time.monotonic() + TRIAL_S, 0.0
    while (now := time.monotonic()) < until and not any(trial.replied for trial in needed):
        if now >= next_query:
            next_query = now + AGAIN_S
            for trial in (*needed, *others):
                trial.send()
        waiting = {trial.socket: trial for trial in (*needed, *others) if trial.socket and not trial.replied}
        hopeless = not any(trial.socket for trial in needed)
        if not waiting or (hopeless and any(trial.replied for trial in others)):
            break
        readable, _, _ = select.select(list(waiting), (), (), max(0.0, min(until, next_query) - time.monotonic()))
        for ready in readable:
            waiting[ready].receive()
    for trial in (*needed, *others):
        trial.close()
