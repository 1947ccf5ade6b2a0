"""Asks one host thoroughly: a repeated TCP connection, a TLS handshake checked against its name, and large packets.

What a handshake shows is one of the `TLS_` constants of `netns.probe.findings`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import ipaddress
import re
import ssl
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netns.probe import findings
from netns.probe.findings import ProbeAnswer
from netns.probe.tcp import connect_repeatedly, measure_ttl, try_first_hop

if TYPE_CHECKING:
    import socket

    from netns.probe.clock import SharedDeadline
    from netns.probe.tcp import Attempts

# Ports whose servers speak TLS from the first byte.
TLS_PORTS = frozenset({443, 853, 8443})

WEB_PORT = 80

# How long a handshake may be silent before it is tried with small segments, and for how long that is tried.
HANDSHAKE_S, SMALL_S, AGAIN_S = 0.8, 1.0, 0.3

SMALL_SEGMENT = 500

# A request larger than any packet, and how long its acknowledgement may take.
LARGE_REQUEST, ACKNOWLEDGED_S = 3000, 0.9

_SIOCOUTQ = 0x5411

# X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED, and X509_V_FLAG_NO_CHECK_TIME of OpenSSL.
_DATE_ERRORS, _NO_CHECK_TIME = frozenset({9, 10}), 0x200000

# ClientHello was answered by something else than TLS.
_NOT_TLS = re.compile("WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER|PACKET_LENGTH_TOO_LONG|UNSUPPORTED_PROTOCOL")

# A connection with one of these does not show that the host itself answered.
_NO_PROOF = frozenset({findings.TLS_SILENT, findings.TLS_FOREIGN, findings.TLS_PLAIN, findings.TLS_CUT})

# After these, what is still silent gets only a short grace.
_SUFFICIENT = frozenset({None, findings.TLS_VALID, findings.TLS_DATE})

# How far away it is who answered tells more of these.
_DOUBTFUL = _NO_PROOF | {None, findings.TLS_UNCHECKED}

_PAGE_BYTES = 4096

_LOGIN_WORDS = re.compile(rb"log.?in|sign.?in|portal|<form|voucher|password|http-equiv=.?refresh|terms", re.IGNORECASE)

_AUTHENTICATION_REQUIRED = 511  # RFC 6585


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """How certificates are checked: fully, without their dates, and not at all."""

    checked: ssl.SSLContext
    dateless: ssl.SSLContext
    unchecked: ssl.SSLContext
    has_issuers: bool


def make_contexts() -> TlsContexts:
    """Return contexts with the issuers that this machine trusts."""
    checked, dateless = ssl.create_default_context(), ssl.create_default_context()
    dateless.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    paths = ssl.get_default_verify_paths()
    # Names of the files of a folder of issuers end with a number (openssl-rehash(1)); they are loaded when needed.
    folder = Path(paths.capath) if paths.capath else None
    has_issuers = checked.cert_store_stats()["x509_ca"] > 0 or (folder is not None and any(folder.glob("*.0")))
    return TlsContexts(checked, dateless, unchecked, has_issuers)


def ask_host(
    target: str, address: str, contexts: TlsContexts, clock: SharedDeadline, *, stranger: bool = True
) -> ProbeAnswer:
    """Ask the host of a target `NAME:PORT`, whose name has this address; a stranger's answer ends the look early."""
    name, _, port_text = target.rpartition(":")
    port = int(port_text)
    attempts = connect_repeatedly(address, port, clock)
    try:
        shown, certificate = (None, None)
        if attempts.connected and port in TLS_PORTS:
            shown, certificate = _examine_tls(attempts.connected, (address, port), name, contexts, clock)
        if stranger and attempts.connected and shown in _SUFFICIENT:
            clock.answered()
        attempts.count_lost(clock)
        refused = attempts.symbol == "ECONNREFUSED"
        first_hop = try_first_hop(address, port, clock) if refused else None
        ttl = measure_ttl(address, port, clock) if shown in _DOUBTFUL and _was_answered(attempts) else None
        return ProbeAnswer(
            target,
            attempts.symbol,
            attempts.ms,
            address,
            shown,
            certificate,
            attempts.sent,
            attempts.lost,
            ttl,
            attempts.sender,
            attempts.source,
            first_hop,
        )
    finally:
        attempts.close()


def _was_answered(attempts: Attempts) -> bool:
    return attempts.connected is not None or (attempts.symbol == "ECONNREFUSED" and attempts.sender is None)


def _examine_tls(
    client: socket.socket, target: tuple[str, int], name: str, contexts: TlsContexts, clock: SharedDeadline
) -> tuple[str, str | None]:
    """Return what a handshake over a connection shows, and which certificate it was if that is foreign."""
    with _wrap(client, contexts.checked, name) as secured:
        shown = _shake_hands(secured, clock, HANDSHAKE_S)
        if shown == findings.TLS_VALID:
            stuck = not _send_large(secured, name, clock) and _sends_small(target, name, contexts, clock)
            return (findings.TLS_STUCK if stuck else findings.TLS_VALID), None
        if shown == findings.TLS_SILENT:
            return _examine_silence(secured, target, name, contexts, clock), None
    if shown in {findings.TLS_PLAIN, findings.TLS_CUT}:
        return shown, None
    if shown == findings.TLS_DATE and _try_again(target, name, contexts.dateless, clock)[0] == findings.TLS_VALID:
        return findings.TLS_DATE, None
    certificate = _try_again(target, name, contexts.unchecked, clock)[1]
    return (findings.TLS_FOREIGN if contexts.has_issuers else findings.TLS_UNCHECKED), certificate


def _examine_silence(
    secured: ssl.SSLSocket, target: tuple[str, int], name: str, contexts: TlsContexts, clock: SharedDeadline
) -> str:
    """Return whether a silent handshake works with small segments; the first one gets another moment."""
    small, _ = _try_again(target, name, contexts.checked, clock, segment=SMALL_SEGMENT)
    again = _shake_hands(secured, clock, AGAIN_S)
    if again != findings.TLS_SILENT:
        return again
    return findings.TLS_SMALL if small == findings.TLS_VALID else findings.TLS_SILENT


def _try_again(
    target: tuple[str, int], name: str, context: ssl.SSLContext, clock: SharedDeadline, *, segment: int | None = None
) -> tuple[str, str | None]:
    """Return what a handshake over a new connection shows, and the beginning of the certificate's SHA-256."""
    attempts = connect_repeatedly(*target, clock, segment=segment)
    try:
        if attempts.connected is None:
            return findings.TLS_SILENT, None
        with _wrap(attempts.connected, context, name) as secured:
            shown = _shake_hands(secured, clock, SMALL_S)
            der = secured.getpeercert(binary_form=True) if shown == findings.TLS_VALID else None
            return shown, hashlib.sha256(der).hexdigest()[:16] if der else None
    finally:
        attempts.close()


def _wrap(client: socket.socket, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    client.settimeout(0)
    return context.wrap_socket(client.dup(), server_hostname=name, do_handshake_on_connect=False)


def _shake_hands(secured: ssl.SSLSocket, clock: SharedDeadline, seconds: float) -> str:
    until = time.monotonic() + seconds
    while True:
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            if not clock.readable([secured], seconds=until - time.monotonic()):
                return findings.TLS_SILENT
        except ssl.SSLWantWriteError:
            if not clock.writable([secured], seconds=until - time.monotonic()):
                return findings.TLS_SILENT
        except ssl.SSLCertVerificationError as error:
            return findings.TLS_DATE if error.verify_code in _DATE_ERRORS else findings.TLS_FOREIGN
        except ssl.SSLError as error:
            return findings.TLS_PLAIN if _NOT_TLS.search(str(error)) else findings.TLS_CUT
        except OSError:
            return findings.TLS_CUT
        else:
            return findings.TLS_VALID


def _send_large(secured: ssl.SSLSocket, name: str, clock: SharedDeadline) -> bool:
    """Return whether a request larger than a packet is acknowledged."""
    padding = "x" * LARGE_REQUEST
    with contextlib.suppress(OSError):
        secured.send(f"HEAD / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\nX-Padding: {padding}\r\n\r\n".encode())
        until = time.monotonic() + ACKNOWLEDGED_S
        while _unacknowledged(secured):
            if time.monotonic() >= until:
                return False
            clock.wait(0.02)
            if not clock.left_s:
                break
    return True


def _sends_small(target: tuple[str, int], name: str, contexts: TlsContexts, clock: SharedDeadline) -> bool:
    """Return whether the same request passes in small segments: then it was its size, not a slow line."""
    attempts = connect_repeatedly(*target, clock, segment=SMALL_SEGMENT)
    try:
        if attempts.connected is None:
            return False
        with _wrap(attempts.connected, contexts.checked, name) as secured:
            valid = _shake_hands(secured, clock, SMALL_S) == findings.TLS_VALID
            return valid and _send_large(secured, name, clock) and clock.left_s > 0
    finally:
        attempts.close()


def _unacknowledged(client: socket.socket) -> int:
    number: int = struct.unpack("=i", fcntl.ioctl(client, _SIOCOUTQ, bytes(4)))[0]
    return number


def ask_page(target: str, address: str, clock: SharedDeadline) -> ProbeAnswer:
    """Ask the host of a target for a page that does not exist there; a login page answers all the same.

    The text is "login STATUS DESTINATION" of what looks like one, "page STATUS DESTINATION" otherwise.
    """
    name, _, port = target.rpartition(":")
    attempts = connect_repeatedly(address, int(port), clock, segment=1400)
    try:
        if attempts.connected is None:
            return ProbeAnswer(target, attempts.symbol, attempts.ms, sender=attempts.sender)
        reply = _fetch(attempts.connected, name, clock)
        said = describe_page(name, reply)
        ttl = measure_ttl(address, int(port), clock) if said and _is_refusal(said) else None
        return ProbeAnswer(target, None if said else "ETIMEDOUT", attempts.ms, said, ttl=ttl, source=attempts.source)
    finally:
        attempts.close()


def _fetch(client: socket.socket, name: str, clock: SharedDeadline) -> bytes:
    reply = b""
    with contextlib.suppress(OSError):
        client.send(f"GET /generate_204 HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        while len(reply) < _PAGE_BYTES and clock.readable([client], seconds=HANDSHAKE_S):
            if not (chunk := client.recv(_PAGE_BYTES)):
                break
            reply += chunk
    return reply


def describe_page(name: str, reply: bytes) -> str | None:
    """Return what an HTTP reply says in words, None if it is none. Pure."""
    status = re.match(rb"HTTP/1\.\d (\d{3})", reply)
    if status is None:
        return None
    code = int(status[1])
    location = re.search(rb"\r\nlocation:\s*(?:https?:)?//([^/:\s]+)", reply, re.IGNORECASE)
    destination = location[1].decode("ascii", "replace") if location else ""
    kind = "login" if _is_login(code, name, destination, reply) else "page"
    return f"{kind} {code} {destination}".strip()


def _is_refusal(said: str) -> bool:
    """Whether a page is an error that a box in between may send in the place of many hosts."""
    return said.split()[1] >= "402" and said != "page 404"


def _is_login(code: int, name: str, destination: str, reply: bytes) -> bool:
    if code == _AUTHENTICATION_REQUIRED:
        return True
    if code // 100 == 3:  # noqa: PLR2004  a redirection
        return bool(destination) and not _is_related(name, destination)
    return code == 200 and bool(_LOGIN_WORDS.search(reply))  # noqa: PLR2004  OK


def _is_related(name: str, destination: str) -> bool:
    """Whether a redirection stays with its host: the same name, one with or without a prefix, or another top level."""
    if name == destination:
        return True
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        # An address leads to the name of its owner, but a login page is at an address or within the network.
        return False
    return name.split(".")[-2:-1] == destination.split(".")[-2:-1]
