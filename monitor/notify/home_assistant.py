"""What a broker of MQTT gets of the newest test: a JSON document, and how Home Assistant finds its values. Pure.

Each probe and path is a device of Home Assistant's with a sensor for each value. Messages are retained: whoever comes
later gets the newest. After a failure a rate is null, which Home Assistant shows as unknown, neither 0 nor the old one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.model import Status, describe_failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.analysis.line_condition import LineReport
    from monitor.config.settings import MqttSettings
    from monitor.model import Run

# Name, key in the document, unit, device class; `None`: Home Assistant has no class for it.
SENSORS: tuple[tuple[str, str, str, str | None], ...] = (
    ("Download", "download_mbps", "Mbit/s", "data_rate"),
    ("Upload", "upload_mbps", "Mbit/s", "data_rate"),
    ("Latency", "latency_ms", "ms", "duration"),
    ("Jitter", "jitter_ms", "ms", "duration"),
    ("Packet loss", "packet_loss_pct", "%", None),
)

STATES = ("good", "slow", "failing", "stale", "unknown")

_LINE_TEMPLATE = "{{ {'failing': 'OFF', 'good': 'ON', 'slow': 'ON'}.get(value_json.state, 'None') }}"


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """A retained message."""

    topic: str
    payload: str


@dataclass(frozen=True, slots=True)
class SourceState:
    """The newest test of a probe over a path, and the state of the line."""

    run: Run
    line: LineReport


def make_messages(mqtt: MqttSettings, sources: Sequence[SourceState], version: str) -> list[MqttMessage]:
    """Return the messages about each probe and path: how its values are found, then the values."""
    return [
        message
        for source in sources
        for message in (
            *(_discovery(mqtt, source.run, version) if mqtt.discovery_prefix else ()),
            MqttMessage(state_topic(mqtt, source.run), json.dumps(to_document(source))),
        )
    ]


def state_topic(mqtt: MqttSettings, run: Run) -> str:
    """Return the topic of the values of a probe and path."""
    return f"{mqtt.prefix}/{_to_level(run.probe)}/{run.path.value}"


def to_document(source: SourceState) -> dict[str, Any]:
    """Return the values; of a test that failed, no rate."""
    run, measured = source.run, source.run.status is Status.OK
    return {
        "state": source.line.state.value,
        "status": run.status.value,
        "started_at": f"{run.started_at:%Y-%m-%dT%H:%M:%SZ}",
        "download_mbps": _to_mbps(run.download_bps) if measured else None,
        "upload_mbps": _to_mbps(run.upload_bps) if measured else None,
        "latency_ms": run.latency_ms if measured else None,
        "jitter_ms": run.jitter_ms if measured else None,
        "packet_loss_pct": run.packet_loss_pct if measured else None,
        "isp": run.isp if measured else None,
        "failure": describe_failure(run) if run.failure else None,
    }


def _to_mbps(rate: int | None) -> float | None:
    return None if rate is None else round(rate / 1_000_000, 3)


def _to_level(text: str) -> str:
    """Return a text as one level of a topic, and as a part of an id: no slash, no wildcard."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)


def _discovery(mqtt: MqttSettings, run: Run, version: str) -> Iterator[MqttMessage]:
    """Yield a configuration for each value, as Home Assistant's discovery wants it."""
    device_id = f"speedmon_{_to_level(run.probe)}_{run.path.value}"
    common = {
        "state_topic": state_topic(mqtt, run),
        "device": {
            "identifiers": [device_id],
            "name": f"Internet at {run.probe} ({run.path.value})",
            "model": "speedmon",
        },
        "origin": {"name": "speedmon", "sw_version": version},
    }

    def configure(component: str, key: str, values: dict[str, Any]) -> MqttMessage:
        topic = f"{mqtt.discovery_prefix}/{component}/{device_id}/{key}/config"
        return MqttMessage(topic, json.dumps({"unique_id": f"{device_id}_{key}", **values, **common}))

    for name, key, unit, device_class in SENSORS:
        kind = {"device_class": device_class} if device_class else {}
        template = {"name": name, "value_template": f"{{{{ value_json.{key} }}}}", "unit_of_measurement": unit}
        yield configure("sensor", key, {**template, "state_class": "measurement", **kind})
    template = {"name": "State", "value_template": "{{ value_json.state }}"}
    yield configure("sensor", "state", {**template, "device_class": "enum", "options": [*STATES]})
    yield configure(
        "binary_sensor",
        "line",
        {"name": "Line", "value_template": _LINE_TEMPLATE, "device_class": "connectivity"},
    )
    yield configure(
        "sensor",
        "started_at",
        {"name": "Last test", "value_template": "{{ value_json.started_at }}", "device_class": "timestamp"},
    )
