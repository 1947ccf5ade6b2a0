"""Metrics: their names and units, what is absent after a failure, the file for node_exporter, and what deploy/ uses."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from example_runs import DNS, START, make_attempt, make_failed_attempt
from places import ROOT
from prometheus_client.parser import text_string_to_metric_families

from monitor.cli.main import cli
from monitor.config.settings import DatabaseSettings, DisplaySettings, Settings
from monitor.model import Failure, FailureKind, NetworkPath, Scope, Status
from monitor.prometheus.collector import StoreCollector, render_metrics
from monitor.store.connection import open_writer
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Attempt

RATES = ("download_bits_per_second", "upload_bits_per_second", "latency_seconds", "jitter_seconds", "packet_loss_ratio")

CONTRACT = {
    *(f"speedmon_{name}" for name in RATES),
    "speedmon_last_attempt_timestamp_seconds",
    "speedmon_last_success_timestamp_seconds",
    "speedmon_runs_total",
    "speedmon_line_up",
    "speedmon_data_used_bytes",
}

NAME = re.compile(r"\bspeedmon_[a-z_]+")


class Scraped:
    """A store, and what a scrape of it shows."""

    def __init__(self, url: str) -> None:
        self.url = url
        settings = Settings(database=DatabaseSettings(url), display=DisplaySettings(timezone="UTC"))
        self._collector = StoreCollector(settings, lambda: START + timedelta(hours=1))

    def add(self, *attempts: Attempt) -> Scraped:
        """Store attempts."""
        with open_writer(self.url) as connection:
            for attempt in attempts:
                add_attempt(connection, attempt)
        return self

    def samples(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Return labels and values by name."""
        samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(render_metrics(self._collector).decode()):
            samples.setdefault(family.name, [])
            for sample in family.samples:
                samples.setdefault(sample.name, []).append((sample.labels, sample.value))
        return samples

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value with these labels; None if it is absent."""
        source = {"probe": "home", "path": "ip4only"} | labels
        return next((value for found, value in self.samples()[f"speedmon_{name}"] if found == source), None)


@pytest.fixture
def scraped(tmp_path: Path) -> Scraped:
    """Return an empty store."""
    return Scraped(f"sqlite:///{tmp_path}/speedmon.db")


def test_the_names_are_those_of_the_contract(scraped: Scraped):
    """Each metric has labels for probe and path."""
    samples = scraped.add(make_attempt(0, packet_loss_pct=1.5)).samples()
    assert {name for name, found in samples.items() if found} == CONTRACT
    assert all({"probe", "path"} <= labels.keys() for found in samples.values() for labels, _ in found)


def test_units_are_those_of_the_names(scraped: Scraped):
    """Rates in bit/s, times in seconds, loss as a ratio, sizes in bytes."""
    scraped.add(make_attempt(0, packet_loss_pct=1.5, download_bytes=300, upload_bytes=21))
    values = [scraped.value(name) for name in (*RATES, "last_success_timestamp_seconds", "data_used_bytes")]
    assert values == pytest.approx([95_656_417, 17_336_336, 0.0042, 0.0004, 0.015, START.timestamp(), 321])


@pytest.mark.parametrize("status", [Status.FAILED, Status.INTERRUPTED])
def test_after_a_failure_rates_are_absent(scraped: Scraped, status: Status):
    """They are neither 0 nor the old ones; the times of the last attempt and the last success stay."""
    scraped.add(make_attempt(0, packet_loss_pct=0.0), make_attempt(15, status=status, failure=DNS))
    assert [scraped.value(name) for name in RATES] == [None] * len(RATES)
    assert scraped.value("last_attempt_timestamp_seconds") == (START + timedelta(minutes=15)).timestamp()
    assert scraped.value("last_success_timestamp_seconds") == START.timestamp()


def test_a_slot_without_a_test_changes_nothing(scraped: Scraped):
    """A skipped run is no attempt."""
    scraped.add(make_attempt(0), make_attempt(15, status=Status.SKIPPED))
    assert scraped.value("download_bits_per_second") == 95_656_417
    assert scraped.value("last_attempt_timestamp_seconds") == START.timestamp()


@pytest.mark.parametrize(
    ("scope", "up"),
    [(Scope.LINE, 0), (Scope.PROVIDER, 1), (Scope.CONFIG, 1), (Scope.LOCAL, 1), (Scope.UNKNOWN, 1)],
)
def test_only_failures_of_the_line_are_the_line_s(scraped: Scraped, scope: Scope, up: int):
    """Other failures say nothing of the line; a success afterwards does."""
    failure = Failure(FailureKind.TIMEOUT, scope, "download", "took too long")
    scraped.add(make_attempt(0), make_failed_attempt(15, failure=failure))
    assert scraped.value("line_up") == up
    assert scraped.add(make_attempt(30)).value("line_up") == 1


def test_an_answer_of_the_provider_proves_that_the_line_works_again(scraped: Scraped):
    """As for an outage: a 503 came back over the line."""
    busy = Failure(FailureKind.PROVIDER_DOWN, Scope.PROVIDER, "start", "503")
    assert scraped.add(make_failed_attempt(0)).value("line_up") == 0
    assert scraped.add(make_failed_attempt(15, failure=busy)).value("line_up") == 1


def test_a_line_of_which_nothing_is_known_is_neither_up_nor_down(scraped: Scraped):
    """Before the first test that says something of it, it is absent."""
    failure = Failure(FailureKind.LICENCE, Scope.CONFIG, "start", "accept the licence")
    assert scraped.add(make_failed_attempt(0, failure=failure)).value("line_up") is None


def test_runs_are_counted_by_outcome_also_those_that_come_later(scraped: Scraped):
    """Each scrape adds what was stored since, by whichever process, also runs of an older time."""
    scraped.add(make_attempt(0), make_failed_attempt(15))
    ok, dns = {"status": "ok", "kind": "", "scope": ""}, {"status": "failed", "kind": "dns", "scope": "line"}
    assert [scraped.value("runs_total", **labels) for labels in (ok, dns)] == [1, 1]
    scraped.add(make_attempt(-500), make_attempt(30), make_failed_attempt(45))
    assert [scraped.value("runs_total", **labels) for labels in (ok, dns)] == [3, 2]
    assert [scraped.value("runs_total", **labels) for labels in (ok, dns)] == [3, 2]


def test_a_database_that_is_replaced_is_counted_anew(scraped: Scraped, tmp_path: Path):
    """An older copy in its place does not keep the counts of the newer one."""
    scraped.add(make_attempt(0), make_attempt(15))
    ok = {"status": "ok", "kind": "", "scope": ""}
    assert scraped.value("runs_total", **ok) == 2
    for file in tmp_path.glob("speedmon.db*"):
        file.unlink()
    assert scraped.add(make_attempt(30)).value("runs_total", **ok) == 1


def test_probes_and_paths_are_apart(scraped: Scraped):
    """Each has its own newest attempt, and names are data."""
    odd = 'a "b"\\ c'
    scraped.add(
        make_attempt(0),
        make_attempt(5, status=Status.FAILED, failure=DNS, path=NetworkPath.HOST),
        make_attempt(1, probe=odd, download_bps=7),
    )
    assert scraped.value("download_bits_per_second") == 95_656_417
    assert scraped.value("download_bits_per_second", path="host") is None
    assert scraped.value("line_up", path="host") == 0
    assert scraped.value("download_bits_per_second", probe=odd) == 7


def test_an_empty_store_has_no_samples(scraped: Scraped):
    """Nothing was measured: the names are there, values are not."""
    assert not any(scraped.samples().values())


def test_the_command_writes_a_file_for_node_exporter(scraped: Scraped, tmp_path: Path):
    """It is replaced at once, others may read it, and no temporary file is left."""
    scraped.add(make_attempt(0, started_at=datetime.now(UTC).replace(microsecond=0)))
    folder = tmp_path / "textfile"
    folder.mkdir()
    file = folder / "speedmon.prom"
    environ = {"SPEEDMON_DATABASE_URL": scraped.url, "SPEEDMON_DISPLAY__TIMEZONE": "UTC"}
    done = CliRunner().invoke(cli, ["metrics", "--textfile", str(file)], env=environ)
    assert (done.exit_code, done.output) == (0, "")
    printed = CliRunner().invoke(cli, ["metrics"], env=environ)
    assert printed.output.encode() == file.read_bytes()
    assert "speedmon_download_bits_per_second" in printed.output
    assert file.stat().st_mode & 0o444 == 0o444
    assert [one.name for one in folder.iterdir()] == ["speedmon.prom"]


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "prometheus-rules.yml"])
def test_dashboard_and_alerts_use_names_that_exist(name: str):
    """What `deploy/` asks Prometheus for is what speedmon has."""
    assert set(NAME.findall((ROOT / "deploy" / name).read_text())) <= CONTRACT


def test_the_dashboard_shows_every_metric():
    """Each metric of the contract is in a panel, with its own unit."""
    dashboard = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert {name for text in expressions for name in NAME.findall(text)} == CONTRACT
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
