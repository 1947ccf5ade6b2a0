"""A part of the faults' lab, one fault of each class; `make lab` runs all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fault_lab import table
from fault_lab.certificates import make_certificates
from fault_lab.faults import FAULTS
from fault_lab.run import run_faults

if TYPE_CHECKING:
    from pathlib import Path

# Those whose engines fail at once.
NAMES = (
    "router resets every connection",
    "isp's name server knows nothing",
    "portal with page and certificate",
    "certificate expired",
    "status 503, speedtest-cli",
    "server refuses, public witnesses blocked",
    "own firewall rejects the test's port, host",
    "uplink set down",
    "clock wrong",
    "no issuers of certificates",
)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Make the faults, several at once, and return what was stored of each."""
    certificates: Path = tmp_path_factory.mktemp("certificates")
    make_certificates(certificates)
    return {str(report["name"]): report for report in run_faults(list(NAMES), 4, certificates)}


@pytest.mark.root
@pytest.mark.parametrize("name", NAMES)
def test_each_fault_is_blamed_on_whose_it_is(reports: dict[str, dict[str, Any]], name: str):
    """The scope is the one that was written down beside the fault, and the reason is stored with it."""
    report = reports[name]
    assert report["status"] == "failed", report
    assert table.is_right(report), report["failure"]["message"]
    assert report["rule"]
    assert "; diagnosis: " in report["failure"]["message"]


def test_lab_has_many_faults_of_every_class():
    """Each has a name of its own and a right scope; both paths and several engines take part."""
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 80
    groups = {"line", "router", "isp", "dns", "portal", "block", "mtu", "loss", "flap", "provider", "machine"}
    assert groups <= {fault.group for fault in FAULTS}
    assert {fault.path for fault in FAULTS} == {"ip4only", "host"}
    assert {"ookla", "speedtest-cli", "iperf3"} <= {fault.engine for fault in FAULTS}


def make_report(name: str, scope: str, beyond: float = 2.0) -> dict[str, Any]:
    """Return a report as the lab makes it."""
    failure = {"kind": "timeout", "scope": scope, "message": "words; diagnosis: reason"}
    return {"name": name, "status": "failed", "failure": failure, "rule": "a rule", "beyond": beyond}


def test_table_counts_false_and_missed_outages():
    """A provider's fault on the line is a false outage, the line's on the provider a missed one; both are named."""
    section = table.make_section(
        [
            make_report("isp drops everything", "line"),
            make_report("modem dead", "provider"),
            make_report("server refuses", "line"),
            make_report("server silent", "provider", 3.0),
        ]
    )
    assert "2 of 4 verdicts are right (50.0 %), 1 false outages of the line, 1 missed." in section
    assert "- modem dead: provider for line: `words; diagnosis: reason`" in section
    assert "| provider | 2 | 1 | 1 | 0 | 2.5 | 3.0 |" in section
    assert table.read_section(table.put_section(f"a {table.BEGIN}old{table.END} b", section)) == section
