#!/usr/bin/env python3
"""An engine for the faults' lab: it works over the network like Ookla's CLI, and says what that one says. It is ours.

It notes when it ended in /run/lab/ended.
"""

import json
import socket
import ssl
import sys
import time

HOME, SERVER = "www.speedtest.net", "near.speedtest.example"

PORT, STEP_S, PHASE_S = 8080, 5, 2.5


def log(message):
    """Print an error as Ookla's CLI does."""
    sys.stderr.write(json.dumps({"type": "log", "level": "error", "message": message, "timestamp": "x"}) + "\n")
    sys.stderr.flush()


def fail(message):
    """Print an error and end."""
    log(message)
    sys.exit(2)


def configure():
    """Fetch the configuration."""
    try:
        address = socket.getaddrinfo(HOME, 443, socket.AF_INET)[0][4]
    except OSError:
        fail("Configuration - Couldn't resolve host name (HostNotFoundException)")
    try:
        plain = socket.create_connection(address, STEP_S)
        with ssl.create_default_context().wrap_socket(plain, server_hostname=HOME) as secured:
            secured.sendall(f"GET /api HTTP/1.1\r\nHost: {HOME}\r\n\r\n".encode())
            reply = secured.recv(4096)
            status = reply.split()[1].decode()
    except ssl.SSLCertVerificationError:
        fail("Configuration - SSL peer certificate or SSH remote key was not OK (UnknownException)")
    except TimeoutError:
        fail("Configuration - Timeout occurred in connect. (TimeoutException)")
    except ConnectionRefusedError:
        fail("Configuration - Couldn't connect to server: Connection refused (ConnectException)")
    except ssl.SSLError as error:
        fail(f"Configuration - SSL connect error ({error.reason})")
    except OSError as error:
        fail(f"Configuration - {error.strerror or error} (NetworkException)")
    except IndexError:
        fail("Configuration - Could not retrieve or read configuration (ConfigurationError)")
    if status == "200" and not reply.endswith(b"{}"):
        fail("Configuration - Could not retrieve or read configuration (ConfigurationError)")
    if status != "200":
        log(f"Cannot retrieve configuration document ({status})")
        fail("Configuration - Could not retrieve or read configuration (ConfigurationError)")


def select():
    """Connect to the test server and measure."""
    try:
        address = socket.getaddrinfo(SERVER, PORT, socket.AF_INET)[0][4]
        before = time.monotonic()
        socket.create_connection(address, STEP_S).close()
    except OSError:
        fail("Server Selection - Failed to find a working test server. (NoServers)")
    event("testStart", server={"id": 101, "host": SERVER, "port": PORT, "name": "Near", "ip": address[0]})
    event("ping", ping={"jitter": 0.3, "latency": (time.monotonic() - before) * 1000, "progress": 1})
    return address


def event(kind, **values):
    """Print an event."""
    print(json.dumps({"type": kind, "timestamp": "2026-11-30T12:00:00Z", **values}), flush=True)  # noqa: T201


def transfer(address, kind):
    """Download or upload for a while; wait for what does not come for as long as Ookla's CLI does: without a limit."""
    moved, began = 0, time.monotonic()
    with socket.create_connection(address, STEP_S) as server:
        server.settimeout(None)
        if kind == "download":
            server.sendall(f"GET /speedtest/random4000x4000.jpg HTTP/1.1\r\nHost: {SERVER}\r\n\r\n".encode())
        else:
            server.sendall(f"POST /up HTTP/1.1\r\nHost: {SERVER}\r\nContent-Length: 99999999\r\n\r\n".encode())
        shown = 0.0
        while (elapsed := time.monotonic() - began) < PHASE_S:
            step = len(server.recv(65536)) if kind == "download" else server.send(bytes(16384))
            if not step:
                raise ConnectionResetError(104, "Connection reset by peer")
            moved += step
            if elapsed - shown > 0.2:
                shown = elapsed
                event(
                    kind, **{kind: {"bandwidth": int(moved / elapsed), "bytes": moved, "progress": elapsed / PHASE_S}}
                )
    took = time.monotonic() - began
    return {"bandwidth": int(moved / took), "bytes": moved, "elapsed": int(took * 1000)}


def main():
    """Run a test as Ookla's CLI would."""
    if "--version" in sys.argv:
        print("Speedtest by Ookla 1.2.0.84 (lab) Linux/x86_64\n")  # noqa: T201
        return
    configure()
    address = select()
    rates = {}
    for kind in ("download", "upload"):
        try:
            rates[kind] = transfer(address, kind)
        except OSError as error:
            log(f"Cannot read from socket: {error.strerror or error}")
            fail(f"{kind.title()} - {error.strerror or error} (SocketException)")
    event(
        "result",
        ping={"jitter": 0.3, "latency": 8.0},
        **rates,
        isp="Lab",
        interface={
            "internalIp": "192.168.200.2",
            "name": "x",
            "macAddr": "",
            "isVpn": False,
            "externalIp": "100.64.0.2",
        },
        server={
            "id": 101,
            "host": SERVER,
            "port": PORT,
            "name": "Near",
            "location": "L",
            "country": "X",
            "ip": address[0],
        },
        result={"id": "6b7f2c5e-0000-4000-8000-000000000000", "url": "", "persisted": True},
    )


if __name__ == "__main__":
    try:
        main()
    finally:
        with open("/run/lab/ended", "w") as ended:
            ended.write(str(time.time()))
