"""A broker of MQTT on loopback, Debian's mosquitto, and what it has been given."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from paho.mqtt.client import MQTTMessage

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass
class Broker:
    """A broker, and the messages that a subscriber of every topic got, in their order."""

    port: int
    messages: list[tuple[str, str]] = field(default_factory=list)

    @property
    def newest(self) -> dict[str, str]:
        """The last message of each topic."""
        return dict(self.messages)


@contextmanager
def mqtt_broker(folder: Path, user: str = "", password: str = "") -> Iterator[Broker]:
    """Yield a broker; with a user it refuses everybody else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = [f"listener {port} 127.0.0.1", f"allow_anonymous {'false' if user else 'true'}", "user root"]
    if user:
        secrets = folder / "passwords"
        subprocess.run([_program("mosquitto_passwd"), "-b", "-c", str(secrets), user, password], check=True)
        lines.append(f"password_file {secrets}")
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    with subprocess.Popen([_program("mosquitto"), "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: _answers(port))
            with _subscriber(Broker(port), user, password) as broker:
                yield broker
        finally:
            process.terminate()


def _program(name: str) -> str:
    path = shutil.which(name, path=PATH)
    assert path, f"{name} is missing: apt install mosquitto"
    return path


def _answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _subscriber(broker: Broker, user: str, password: str) -> Iterator[Broker]:
    ready = threading.Event()

    def note(_client: Client, _data: Any, message: MQTTMessage) -> None:
        broker.messages.append((message.topic, message.payload.decode()))

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = note
    client.on_connect = lambda *_: client.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    if user:
        client.username_pw_set(user, password)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    until(ready.is_set)
    try:
        yield broker
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def silent_server() -> Iterator[int]:
    """Yield the port of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]
