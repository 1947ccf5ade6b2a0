"""The newest result reaches a real broker of MQTT, as Home Assistant finds it; a broken broker holds up nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from broker import Broker, mqtt_broker, silent_server
from click.testing import CliRunner
from jinja2 import Environment
from msgspec import structs
from notify_desk import Desk, make_desk
from receivers import http_receiver
from waiting import until

from monitor.cli.main import cli
from monitor.config.load import to_toml
from monitor.config.settings import MqttSettings
from monitor.errors import ConfigError
from monitor.notify import mqtt_send
from monitor.notify.addresses import mqtt_address
from monitor.notify.health import address_reports
from monitor.notify.mqtt import publish_newest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATE = "speedmon/home/ip4only"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Yield a broker that takes everybody."""
    with mqtt_broker(tmp_path) as running:
        yield running


def desk_for(folder: Path, url: str, *urls: str, **mqtt: Any) -> Desk:
    """Return a desk that publishes to a broker."""
    desk = make_desk(folder, *urls, deadline_s=60)
    desk.settings = structs.replace(desk.settings, mqtt=MqttSettings(url=url, **mqtt))
    return desk


def publish(desk: Desk, **options: Any) -> str | None:
    """Publish; return why that failed, None if nothing was done."""
    result = publish_newest(desk.settings, lambda: desk.now, **options)
    return None if result is None else result[1]


def shown_by_home_assistant(messages: dict[str, str]) -> dict[str, str]:
    """Return the value of each sensor, by its name, as Home Assistant makes it of the retained messages."""
    shown = {}
    for topic, payload in messages.items():
        if topic.startswith("homeassistant/") and topic.endswith("/config"):
            config = json.loads(payload)
            value = json.loads(messages[config["state_topic"]])
            shown[config["name"]] = (
                Environment(autoescape=True).from_string(config["value_template"]).render(value_json=value)
            )
    return shown


def test_home_assistant_finds_the_newest_result(broker: Broker, tmp_path: Path):
    """Every value of a good test; after a failure no rate, neither 0 nor the old one, and the line is off."""
    desk = desk_for(tmp_path, f"mqtt://127.0.0.1:{broker.port}")
    assert publish(desk) == ""
    until(lambda: STATE in broker.newest)
    good = shown_by_home_assistant(broker.newest)
    assert (good["Download"], good["State"], good["Line"]) == ("95.656", "good", "ON")
    assert good["Last test"].endswith("Z")
    desk.test("FF")
    assert publish(desk) == ""
    until(lambda: json.loads(broker.newest[STATE])["state"] == "failing")
    bad = shown_by_home_assistant(broker.newest)
    assert (bad["Download"], bad["Upload"], bad["Latency"], bad["Line"]) == ("None", "None", "None", "OFF")
    assert "Could not resolve host" in json.loads(broker.newest[STATE])["failure"]
    units = {
        config["unit_of_measurement"]
        for topic, payload in broker.newest.items()
        if "unit_of_measurement" in (config := json.loads(payload)) and topic.startswith("homeassistant/sensor/")
    }
    assert units == {"Mbit/s", "ms", "%"}


def test_each_sensor_has_an_id_of_its_own(broker: Broker, tmp_path: Path):
    """And every probe a device, whatever it is called: a name is no part of a topic's structure."""
    desk = desk_for(tmp_path, f"mqtt://127.0.0.1:{broker.port}", prefix="house/line", discovery_prefix="ha")
    desk.set_notify(probes=["all"])
    desk.test("o", probe="a/b+#")
    assert publish(desk) == ""
    until(lambda: "house/line/a_b__/ip4only" in broker.newest)
    configs = [json.loads(payload) for topic, payload in broker.newest.items() if topic.startswith("ha/")]
    assert len({config["unique_id"] for config in configs}) == len(configs) == 16
    assert {config["device"]["name"] for config in configs} == {
        "Internet at home (ip4only)", "Internet at a/b+# (ip4only)",
    }  # fmt: skip


def test_without_a_discovery_prefix_there_are_values_only(broker: Broker, tmp_path: Path):
    """They are retained: who subscribes later gets them."""
    desk = desk_for(tmp_path, f"mqtt://127.0.0.1:{broker.port}", discovery_prefix="")
    assert publish(desk) == ""
    until(lambda: broker.messages)
    assert list(broker.newest) == [STATE]


def test_a_password_is_sent_and_never_shown(tmp_path: Path):
    """A wrong one is refused, which is reported without it; so are a port that is closed and a broker that hangs."""
    with mqtt_broker(tmp_path, "ann", "right-word") as locked, silent_server() as silent:
        desk = desk_for(tmp_path, f"mqtt://ann:right-word@127.0.0.1:{locked.port}")
        assert publish(desk) == ""
        reasons = {}
        for url, deadline_s in (
            (f"mqtt://ann:wrong-word@127.0.0.1:{locked.port}", 60),
            ("mqtt://ann:wrong-word@127.0.0.1:1", 60),
            (f"mqtt://ann:wrong-word@127.0.0.1:{silent}", 2),
        ):
            desk.settings = structs.replace(desk.settings, mqtt=MqttSettings(url=url))
            desk.set_notify(deadline_s=deadline_s)
            reasons[url] = publish(desk) or ""
            (report,) = address_reports(desk.settings)
            assert (report.is_broken, report.error) == (True, reasons[url])
            assert "wrong-word" not in report.name + reasons[url] + to_toml(desk.settings)
        assert [reason.partition(":")[0] for reason in reasons.values()] == [
            "the broker refuses", "[Errno 111] Connection refused", "no answer within 2 s",
        ]  # fmt: skip


def test_a_broker_that_fails_is_left_alone_for_a_while(tmp_path: Path):
    """Then it is tried again; messages to others are not held up."""
    with http_receiver() as receiver:
        desk = desk_for(tmp_path, "mqtt://127.0.0.1:1", receiver.url)
        desk.test("ooo", download_bps=1_000_000)
        desk.notify()
        assert publish(desk)
        assert publish(desk) is None
        assert publish(desk, retry=True)
        desk.now += timedelta(hours=2)
        assert publish(desk)
        assert receiver.titles == ["home: line slow"]


def test_while_the_line_is_down_the_broker_is_not_to_blame(tmp_path: Path):
    """It may lie beyond the line."""
    desk = desk_for(tmp_path, "mqtt://127.0.0.1:1", "json://127.0.0.1:1/")
    desk.test("FF")
    desk.notify()
    assert publish(desk)
    assert [report.failures for report in address_reports(desk.settings)] == [0, 0]


def test_the_notifier_publishes_and_the_test_command_too(broker: Broker, tmp_path: Path):
    """`notify run` and `notify test`, without any other address."""
    desk = desk_for(tmp_path, f"mqtt://127.0.0.1:{broker.port}")
    config = str(desk.write_config())
    for command, said in (("run", "the newest result"), ("test", "ok")):
        result = CliRunner().invoke(cli, ["--config", config, "notify", command])
        assert (result.exit_code, result.output) == (0, f"mqtt://127.0.0.1:{broker.port}/…: {said}\n")
        until(lambda: STATE in broker.newest)


def test_without_the_library_the_command_that_adds_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """For this very installation."""
    desk = desk_for(tmp_path, "mqtt://127.0.0.1:1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "paho").mkdir()
    (tmp_path / "paho" / "__init__.py").write_text("raise ImportError('no paho')\n")
    assert (publish(desk) or "").startswith("paho-mqtt is missing: ")


def test_the_address_may_be_in_a_file(tmp_path: Path):
    """Which is closed to others; a mistake in it names the setting."""
    file = tmp_path / "broker"
    file.write_text("# mine\nmqtts://ann:pw@broker.example\n")
    address = mqtt_address(MqttSettings(url_file=str(file)))
    assert address
    assert address.name == "mqtts://broker.example/…"
    file.write_text("https://broker.example\n")
    with pytest.raises(ConfigError, match=r"correct mqtt\.url_file"):
        mqtt_address(MqttSettings(url_file=str(file)))


def test_ports_and_names_of_an_address():
    """1883, and 8883 with TLS; an escaped password."""
    assert mqtt_send.make_client("mqtt://broker.example")[1:] == ("broker.example", 1883)
    assert mqtt_send.make_client("mqtts://a:p%40ss@broker.example")[1:] == ("broker.example", 8883)
