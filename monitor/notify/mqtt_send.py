"""The process that gives messages to a broker of MQTT: `python -m monitor.notify.mqtt_send`. The only home of paho.

It reads an `MqttDelivery` as JSON from stdin, so that no password is in its command line, and prints why it failed. It
ends itself at the deadline, whatever the broker does.
"""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from monitor.notify.addresses import without_secrets
from monitor.notify.home_assistant import MqttMessage  # noqa: TC001  msgspec reads annotations
from monitor.notify.send import EXIT_NO_LIBRARY, EXIT_NOT_SENT

if TYPE_CHECKING:
    from paho.mqtt.client import Client

PORT, TLS_PORT = 1883, 8883

KEEPALIVE_S = 60


@dataclass(frozen=True, slots=True)
class MqttDelivery:
    """Retained messages for a broker: mqtt://user:password@host:port, mqtts:// for TLS."""

    url: str
    messages: tuple[MqttMessage, ...]
    deadline_s: int = 30


def main() -> int:
    """Deliver what stdin says; return the exit code."""
    delivery = msgspec.json.decode(sys.stdin.buffer.read(), type=MqttDelivery)
    signal.alarm(delivery.deadline_s)
    try:
        reason = publish(delivery)
    except ImportError as error:
        sys.stdout.write(str(error))
        return EXIT_NO_LIBRARY
    sys.stdout.write(reason)
    return EXIT_NOT_SENT if reason else 0


def publish(delivery: MqttDelivery) -> str:
    """Publish messages, and wait until the broker has them; return why that failed, without secrets.

    Raises:
        ImportError: paho is missing.
    """
    try:
        reason = _publish(delivery)
    except (OSError, ValueError) as error:  # refused, unknown host, no TLS there, a topic that is none
        reason = str(error) or type(error).__name__
    return without_secrets(reason, delivery.url)


def _publish(delivery: MqttDelivery) -> str:
    answered, refusals = threading.Event(), list[str]()

    def note_answer(_client: Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        refusals.extend([str(code)] if code.is_failure else [])
        answered.set()

    client, host, port = make_client(delivery.url)
    client.on_connect = note_answer
    client.connect_timeout = delivery.deadline_s
    client.connect(host, port, KEEPALIVE_S)
    client.loop_start()
    if not answered.wait(delivery.deadline_s):
        return f"no answer within {delivery.deadline_s} s"
    if refusals:
        return f"the broker refuses: {refusals[0]}"
    sent = [client.publish(message.topic, message.payload, qos=1, retain=True) for message in delivery.messages]
    for message in sent:
        message.wait_for_publish(delivery.deadline_s)
    client.disconnect()
    client.loop_stop()
    return "" if all(message.is_published() for message in sent) else "the broker did not take the messages"


def make_client(url: str) -> tuple[Client, str, int]:
    """Return a client for an address, which is not connected yet, its host and its port."""
    from paho.mqtt.client import Client  # noqa: PLC0415  optional, and only this process needs it
    from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415  the same

    parts = urlsplit(url)
    client = Client(CallbackAPIVersion.VERSION2)
    if parts.username:
        client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
    is_secure = parts.scheme == "mqtts"
    if is_secure:
        client.tls_set()
    return client, parts.hostname or "", parts.port or (TLS_PORT if is_secure else PORT)


if __name__ == "__main__":
    sys.exit(main())
