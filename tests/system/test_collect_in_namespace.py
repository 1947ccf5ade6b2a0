"""A complete run as a plain user: the launcher, the real speedtest-cli in the lab, the user's own database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netns.lab import run, topology

SPEEDMON = Path(sys.executable).with_name("speedmon")
THE_LINE = (topology.FIBRE.isp, topology.HOME_IPV4, 4)

# What others on the host download all the time, beside the namespace; payload in bit/s.
OTHERS_BPS = 15_000_000
SCRIPT = f"""
echo 'ann:x:4001:4001::/run/ann:/bin/sh' >> /etc/passwd; echo 'ann:x:4001:' >> /etc/group
mkdir -p /run/ann && chown 4001:4001 /run/ann
{SPEEDMON} setup-netns --quiet --user ann
mkdir -p /etc/speedmon; printf '[collect]\\nlock_file = "/run/ann/lock"\\n' > /etc/speedmon/config.toml
as_ann() {{
    env -i HOME=/run/ann USER=ann PATH=/usr/local/bin:/usr/bin:/bin \
        setpriv --reuid ann --regid ann --init-groups --inh-caps=-all -- sh -c 'exec "$@"' sh "$@"
}}
for _ in 1 2 3; do as_ann {SPEEDMON} collect --engine speedtest-cli --json; done
as_ann {SPEEDMON} show last --json
ip netns exec internet iperf3 -s >/dev/null & iperf3=$!
until ip netns exec internet ss -Hlnt sport = 5201 | grep -q .; do sleep 0.1; done
iperf3 -c 198.51.100.80 -u -R -b {OTHERS_BPS} -l 1400 -t 60 >/dev/null & backup=$!
as_ann {SPEEDMON} collect --engine speedtest-cli --json || true
kill $backup $iperf3
as_ann {SPEEDMON} show last --json
as_ann {SPEEDMON} history --json | head -c 1
[ -O /run/ann/.local/state/speedmon/speedmon.db ] || stat -c %U /run/ann/.local/state/speedmon/speedmon.db
"""


@pytest.fixture(scope="module")
def output() -> list[str]:
    """Run everything once and return the lines that it prints."""
    lab = run.private_machine_command(
        [sys.executable, "-P", "-m", "netns.lab.run", "sh", "-ec", SCRIPT], rootless=False
    )
    done = subprocess.run(lab, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.root
def test_member_of_the_group_measures_the_line(output: list[str]):
    """A user without any privilege measures within 15 % of the line, from its IPv4 address, into an own database."""
    assert output[-1] == "[ann"
    measured = [json.loads(run) for run in output[:3]]
    assert {(run["isp"], run["external_ip"], run["ip_family"]) for run in measured} == {THE_LINE}
    # The best of three: other work on the machine may spoil one.
    for key, shaped in (("download_bps", topology.FIBRE.download_bps), ("upload_bps", topology.FIBRE.upload_bps)):
        assert min(abs(run[key] / shaped - 1) for run in measured) <= 0.15


@pytest.mark.root
def test_a_quiet_line_leaves_no_doubt(output: list[str]):
    """The kernel counted what the engine reports, nobody else used the line, and the way was the right one."""
    measured = [json.loads(run) for run in output[:3]]
    assert [(run["healthy"], run["remarks"]) for run in measured] == [(True, [])] * 3
    assert all(run["cross_rx_bps"] < 0.02 * topology.FIBRE.download_bps for run in measured)


@pytest.mark.root
def test_the_trace_agrees_with_the_engine(output: list[str]):
    """What the kernel counted while the download ran is, as a mean, what the engine reports, within 5 %."""
    stored = json.loads(output[3])
    received = [sample[0] * 8000 / stored["trace"]["interval_ms"] for sample in stored["trace"]["samples"]]
    running = [rate for rate in received if rate > max(received) / 2]
    # The first and the last one are cut by the beginning and the end.
    assert sum(running[1:-1]) / len(running[1:-1]) == pytest.approx(stored["run"]["download_bps"], rel=0.05)


@pytest.mark.root
def test_a_backup_beside_the_test_is_found_out(output: list[str]):
    """Traffic of the host beside the test is counted apart, within 10 %, marks the run, and is in its trace."""
    stored = json.loads(output[5])
    assert stored["run"]["healthy"] is False
    assert "cross_traffic" in {remark["kind"] for remark in stored["run"]["remarks"]}
    assert stored["run"]["cross_rx_bps"] == pytest.approx(OTHERS_BPS, rel=0.1)
    test, uplink = (sum(sample[column] for sample in stored["trace"]["samples"]) for column in (0, 2))
    assert uplink > 1.1 * test > 0
