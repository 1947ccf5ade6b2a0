"""What goes into a bug report: nothing secret, whatever the settings, the runs and the log hold."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st

from monitor.check import bundle
from monitor.check.masking import Masker
from monitor.config.settings import (
    CollectSettings,
    DatabaseSettings,
    FleetSettings,
    NotifySettings,
    ProbeSettings,
    Settings,
)
from monitor.model import Failure, FailureKind, Scope
from monitor.store.connection import open_writer
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

# Addresses of every machine.
KEPT = {"0.0.0.0", "::", "::1", "127.0.0.1", "255.255.255.255"}  # noqa: S104  nothing is bound


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("from 192.0.2.7:80 to 192.0.2.7, not 192.0.2.77.", "from ip4-1:80 to ip4-1, not ip4-2."),
        ("inet6 2001:db8::7/64 fe80::1%eth0 ::ffff:192.0.2.1", "inet6 ip6-1/64 ip6-2%eth0 ip6-3"),
        ("2001:DB8:0::7 is 2001:db8::7", "ip6-1 is ip6-1"),
        ("link aa:bb:cc:dd:ee:ff AA-BB-CC-DD-EE-FF", "link mac-1 mac-1"),
        ("at 12:34:56, on 127.0.0.1 and ::1, python 3.11.2", "at 12:34:56, on 127.0.0.1 and ::1, python 3.11.2"),
        ("postgresql://ann:a@b:c/d@db.example.org/x", "postgresql://***@db.example.org/x"),
        ("https://hc.example.org/x", "https://host-1/x"),
        (
            'PGPASSWORD="a b" token=t0k, api_key: k; Authorization: Bearer abc.def',
            "PGPASSWORD=*** token=***, api_key: ***; Authorization: Bearer ***",
        ),
        ('ESSID:"Ann and Ben" SSID: Ann and Ben', "ESSID:ssid-1 SSID: ssid-1"),
        ("HOMESERVER homeserver.lan on-homeserver", "host-1 host-1.lan on-homeserver"),
        ("/home/ann/x and /home/ben", "/home/user-1/x and /home/user-2"),
        ("999.1.2.3 1.2.3 1.2.3.4.5 a:b", "999.1.2.3 1.2.3 1.2.3.4.5 a:b"),
    ],
)
def test_each_kind_is_masked_alike_everywhere(text: str, masked: str):
    """The same value has the same mask, in whatever form it is written."""
    assert Masker(names=[("host", "homeserver")]).mask(text) == masked


@given(st.ip_addresses(), st.sampled_from(["{}", "[{}]:80", "src={},", "'{}'", "{}/24", "({})"]))
def test_no_address_gets_through(address: object, form: str):
    """Whatever stands around it; what names no host of a user may stay."""
    text = str(address)
    assert text not in Masker().mask(form.format(text)) or text in KEPT


@given(st.text(min_size=4).filter(lambda text: "*" not in text))
def test_no_secret_gets_through(secret: str):
    """A secret is hidden wherever it stands."""
    assert secret not in Masker([secret]).mask(f"\0{secret}\0{secret}\0").replace("***", "\0")


def test_masks_are_masked_only_once():
    """What is masked twice stays as it is."""
    masker = Masker()
    once = masker.mask("192.0.2.1 aa:bb:cc:dd:ee:ff")
    assert masker.mask(once) == once


def test_a_bundle_has_what_a_report_needs_and_nothing_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Versions, checks, settings and runs are there; hostile values in any of them are masked."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    url = f"sqlite:///{tmp_path}/speedmon.db"
    failure = Failure(FailureKind.DNS, Scope.LINE, None, "no answer of 192.0.2.53 for token=hunter2")
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt(0, external_ip="203.0.113.9"))
        add_attempt(connection, make_failed_attempt(15, failure))
    settings = Settings(
        probe=ProbeSettings("anns-home"),
        collect=CollectSettings(path="host", engine="librespeed"),
        notify=NotifySettings(urls=["tgram://hunter2/chat"], ping_url="https://hc.example/hunter2"),
        fleet=FleetSettings("postgresql://ann:hunter2%40@db.example/fleet"),
        database=DatabaseSettings(url),
    )
    text = bundle.make_bundle(settings, {"HOME": str(tmp_path), "USER": "ann"}, os.geteuid(), NOW)
    for part in ("== versions", "python 3.", "== checks", '"name": "engine"', "[schedule]", "== last runs"):
        assert part in text
    for secret in ("hunter2", "203.0.113.9", "192.0.2.53", "anns-home"):
        assert secret not in text
    assert "no answer of ip4-" in text


def test_what_cannot_be_read_says_why(tmp_path: Path):
    """A report can be made where nothing works: that is when it is needed."""
    file = tmp_path / "speedmon.db"
    file.write_bytes(b"not a database" * 1000)
    settings = Settings(database=DatabaseSettings(f"sqlite:///{file}"))
    text = bundle.make_bundle(settings, {"HOME": str(tmp_path)}, os.geteuid(), NOW)
    assert "== last runs\ncannot be read: " in text
