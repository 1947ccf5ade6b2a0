"""What the README promises, on Debian 12 and 13 as they boot: two commands, and the line is watched for years.

`make test-system` runs this; it is no part of `make test`, because it makes and boots whole systems. The tests of a
system follow each other: each continues where the one before stopped.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
import time
from typing import TYPE_CHECKING, Any

import pytest
from debian_machine import DebianMachine
from debian_tree import SUITES
from places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

DEADLINE_S = 600

# Every file but those that a running system writes by itself; the network, the accounts, and settings of the kernel.
SNAPSHOT = r"""
{
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /var/cache/wheels -o -path /var/log/journal \
        -o -path /home/ann -o -path /root -o -path /tmp/systemd-private* \) -prune -o -printf '%p %y %m %u %g %l\n'
    find /run /tmp -xdev -printf '%p %y %m %u %g %l\n'
    ip -br link; ip rule; ip route show table all; nft list ruleset; cat /etc/passwd /etc/group /etc/shadow
    cut -d' ' -f4-5 /proc/self/mountinfo
    grep -r . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv4/ip_forward
    systemctl list-unit-files --no-legend; systemctl list-units --all --no-legend 'speedmon*'
} | grep -v -E '__pycache__|\.pyc |/(run|var/lib)/(systemd|sudo|private|log|udev|user|dhc)' |
    grep -v -E '/etc/(passwd|group|shadow|gshadow|subuid|subgid)- |/etc/.pwd.lock|session-|user@' | sort
"""

INSTALLED_FILES = ("/opt/pipx", "/usr/local/bin/speedmon")


@pytest.fixture(scope="module", params=SUITES, ids=[suite.name for suite in SUITES])
def debian(request: pytest.FixtureRequest) -> Iterator[DebianMachine]:
    """Yield a Debian system as it is after its installation."""
    with DebianMachine(request.param) as booted:
        yield booted


def readme_commands() -> list[str]:
    """Return the commands of the README's first block of shell, without what needs no new program here."""
    section = (ROOT / "README.md").read_text().partition("## Install it")[2]
    match = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert match is not None
    return [line for line in match[1].splitlines() if line and not line.startswith("#")]


def runs(debian: DebianMachine, user: str | None = None) -> list[dict[str, Any]]:
    """Return the stored runs, newest first."""
    rows: list[dict[str, Any]] = json.loads(debian.shell("speedmon history --json", user=user).strip())
    return rows


def measure(debian: DebianMachine) -> dict[str, Any]:
    """Let the service run its next test now; return the stored run."""
    before = len(runs(debian))
    debian.shell("systemctl start speedmon-collect.service")
    rows = runs(debian)
    assert len(rows) == before + 1, f"{rows[:2]}\n{journal(debian)}"
    return rows[0]


def wait_for(condition: Callable[[], bool], why: Callable[[], str]) -> None:
    """Wait until a condition holds, for a while at most."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(1)


def journal(debian: DebianMachine) -> str:
    """Return what our units said."""
    return debian.shell("journalctl --no-pager --lines 60 --unit 'speedmon*'", check=False)


def page_answers(debian: DebianMachine) -> bool:
    """Return whether the page is served."""
    code = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8765/', timeout=60).status)"
    return "200" in debian.shell(f"python3 -c {shlex.quote(code)}", check=False)


def test_two_commands_install_it(debian: DebianMachine):
    """The README's commands, as a plain user with sudo; the last one ends with a test, the page and what to type."""
    commands = readme_commands()
    assert len([line for line in commands if not line.startswith("sudo apt")]) == 2, commands
    for line in commands[:-1]:
        debian.shell(f"cd speedmon && {line}", user="ann")
    debian.shell(f"{SNAPSHOT} >/root/before")
    said = debian.shell(f"cd speedmon && USER=ann; {commands[-1]}", user="ann")
    assert "first test: download " in said
    assert "page: http://127.0.0.1:8765/" in said
    assert "next: speedmon status" in said
    assert ("no C compiler" in said) == ("gcc" not in debian.suite.packages)
    wait_for(lambda: page_answers(debian), lambda: journal(debian))


def test_a_second_time_changes_nothing(debian: DebianMachine):
    """Neither a step nor a test."""
    before = len(runs(debian))
    assert "already installed, nothing changed" in debian.shell("sudo speedmon install --user ann", user="ann")
    assert json.loads(debian.shell("speedmon install --dry-run --json"))["steps"] == []
    assert len(runs(debian)) == before


def test_all_see_one_database(debian: DebianMachine):
    """Service, root and members; a member's own test goes there too, with the launcher or without a compiler."""
    assert runs(debian) == runs(debian, "ann")
    assert "download " in debian.shell("speedmon collect", user="ann")
    newest = runs(debian)[0]
    assert (newest["status"], newest["path"], newest["trigger"]) == ("ok", "ip4only", "cli")
    assert runs(debian, "ann")[0] == newest
    assert "speedmon speedmon" in debian.shell("stat --format '%U %G' /var/lib/speedmon")


def test_who_is_not_in_the_group_is_told(debian: DebianMachine):
    """One line with the command, and another one for a session from before the login."""
    debian.shell("useradd --create-home bob")
    said = debian.shell("speedmon history", user="bob", check=False)
    assert "sudo speedmon install --user bob" in said
    assert len(said.strip().splitlines()) == 1
    debian.shell("usermod --append --groups speedmon bob")
    old_session = "setpriv --reuid bob --regid bob --clear-groups speedmon history"
    said = debian.shell(old_session, check=False)
    assert "log out and in again" in said
    assert len(said.strip().splitlines()) == 1
    debian.shell("userdel --remove bob 2>/dev/null")


def test_the_units_are_hardened(debian: DebianMachine):
    """Nothing to complain about for systemd, and an exposure below 2.5 for what does not set up the network."""
    for unit in debian.shell("ls /etc/systemd/system | grep '^speedmon.*[ert]$'").split():
        assert debian.shell(f"systemd-analyze verify --man=no /etc/systemd/system/{unit}") == "", unit
        if unit.endswith(".service") and unit != "speedmon-netns.service":
            shown = debian.shell(f"systemd-analyze security --no-pager --offline=yes /etc/systemd/system/{unit}")
            match = re.search(r"Overall exposure level for \S+: ([\d.]+)", shown)
            assert match is not None
            assert float(match[1]) < 2.5, f"{unit}: {match[1]}"


def test_the_daemon_has_no_way_to_privileges(debian: DebianMachine):
    """No capability, not even in the bounding set, and no means to gain one; its process is outside the namespace."""
    status = debian.shell("cat /proc/$(systemctl show --value --property=MainPID speedmon-serve)/status")
    assert re.findall(r"Cap(?:Inh|Prm|Eff|Bnd|Amb):\t(\w+)", status) == ["0" * 16] * 5
    assert "NoNewPrivs:\t1" in status


RENAME = """
ifdown eth0; ip link set eth0 down; ip link set eth0 name wan7
sed -i s/eth0/wan7/ /etc/network/interfaces; ifup wan7
"""


# The lab's name server listens on one address; a query to the other one is passed on to it.
SECOND_NAME_SERVER = (
    "table ip second { chain in { type nat hook prerouting priority dstnat;"
    " ip daddr 203.0.113.54 udp dport 53 dnat to 203.0.113.53; }; }"
)


def take_other_address(debian: DebianMachine) -> None:
    """Let the router give another address and another name server."""
    debian.host(f"ip -n isp address add 203.0.113.54/24 dev home0; ip netns exec isp nft '{SECOND_NAME_SERVER}'")
    debian.serve_dhcp("203.0.113.77", "203.0.113.54")
    debian.shell("ifdown wan7; rm -f /var/lib/dhc*/*lease*; ifup wan7")


def replace_uplink(debian: DebianMachine) -> None:
    """Take the interface away, and plug in another one."""
    debian.shell("ifdown wan7; sed -i s/wan7/usb3/ /etc/network/interfaces")
    debian.replace_cable("usb3")
    debian.shell("ifup usb3")


EVENTS: dict[str, Callable[[DebianMachine], object]] = {
    "the firewall is flushed": lambda debian: debian.shell("nft flush ruleset"),
    "the firewall is reloaded": lambda debian: debian.shell("systemctl restart nftables"),
    "the namespace is deleted": lambda debian: debian.shell("ip netns delete ip4only"),
    "forwarding is turned off": lambda debian: debian.shell(
        "for value in 1 0; do echo $value >/proc/sys/net/ipv4/ip_forward; done"
    ),
    "the uplink is renamed": lambda debian: debian.shell(RENAME),
    "DHCP gives another address and name server": take_other_address,
    "the uplink is replaced": replace_uplink,
}


@pytest.mark.parametrize("event", EVENTS)
def test_it_heals_itself(debian: DebianMachine, event: str):
    """The next test is good, over the right path; `status` says that something was mended."""
    repairs = len(json.loads(debian.shell("speedmon status --json", check=False))["repairs"])
    EVENTS[event](debian)
    run = measure(debian)
    assert (run["status"], run["path"]) == ("ok", "ip4only"), f"{run['failure']}\n{journal(debian)}"
    status = json.loads(debian.shell("speedmon status --json"))
    healed = status["repairs"]
    assert len(healed) == repairs + 1, healed[:2]
    assert not [row for row in runs(debian) if row["status"] != "ok"]


def test_the_new_address_was_measured(debian: DebianMachine):
    """The event before last gave another one."""
    assert "203.0.113.77" in {row["external_ip"] for row in runs(debian)}


def test_tests_go_on_after_a_reboot(debian: DebianMachine):
    """The namespace is made at boot, a scheduled test runs by `speedmon-collect`, and the page answers."""
    debian.shell("printf '\\n[schedule]\\nevery_s = 60\\njitter_s = 0\\n' >>/etc/speedmon/config.toml")
    debian.reboot("usb3")
    wait_for(lambda: page_answers(debian), lambda: journal(debian))
    before = [row["id"] for row in runs(debian)]
    wait_for(lambda: len(runs(debian)) > len(before) + 1, lambda: journal(debian))
    new = [row for row in runs(debian) if row["id"] not in before]
    assert {(row["status"], row["trigger"], row["path"]) for row in new} == {("ok", "schedule", "ip4only")}, new
    assert "speedmon-collect@" in journal(debian)
    status = json.loads(debian.shell("speedmon status --json"))
    assert (status["exit_code"], status["repairs"][0]["kind"]) == (0, "boot")
    debian.shell("speedmon config set schedule.every_s 86400 && systemctl restart speedmon-serve")


def test_a_test_without_a_namespace_is_a_row(debian: DebianMachine):
    """Where the namespace cannot be had, the reason is stored, by each scheduler's way; nothing is measured."""
    folder = "/run/systemd/system/speedmon-netns.service.d"
    debian.shell(f"mkdir -p {folder}; printf '[Unit]\\nConditionPathExists=/nonexistent\\n' >{folder}/off.conf")
    debian.shell("systemctl daemon-reload; speedmon teardown-netns --quiet --keep-launcher")
    debian.shell("systemctl start speedmon-collect.service", check=False)
    wait_for(lambda: runs(debian)[0]["status"] == "failed", lambda: journal(debian))
    assert runs(debian)[0]["failure"]["kind"] == "namespace"
    assert json.loads(debian.shell("speedmon status --json", check=False))["exit_code"] == 5
    debian.shell(f"rm -r {folder}; systemctl daemon-reload; systemctl reset-failed")
    assert measure(debian)["status"] == "ok"


KEEP = "cd /var/lib/speedmon; rm -f speedmon.db-*"

OLDER = """
import sqlalchemy as sa
from monitor.store import connection
engine = sa.create_engine("sqlite:////var/lib/speedmon/older.db")
scripts = sorted(script.revision for script in connection.migration_scripts())
with engine.begin() as opened:
    connection.run_migrations(opened, scripts[-2])
"""


def test_an_older_schema_is_carried_over(debian: DebianMachine):
    """`install` after an upgrade of the program upgrades the database, and lets the service go on."""
    debian.shell("systemctl stop speedmon-serve.service speedmon-collect.socket")
    debian.shell(f"cd /; /opt/pipx/venvs/*/bin/python -P -c {shlex.quote(OLDER)}")
    debian.shell(f"{KEEP}; mv speedmon.db newer; mv older.db speedmon.db; chown speedmon: speedmon.db")
    said = debian.shell("speedmon install --no-test")
    assert "db upgrade" in said
    assert debian.shell("systemctl is-active speedmon-serve.service") == "active\n"
    assert "660 speedmon speedmon" in debian.shell("stat --format '%a %U %G' /var/lib/speedmon/speedmon.db")
    assert runs(debian, "ann") == []
    debian.shell(f"systemctl stop speedmon-serve; {KEEP}; mv newer speedmon.db; systemctl start speedmon-serve")
    assert runs(debian)


def test_one_scheduler_runs(debian: DebianMachine):
    """A timer instead of the daemon; then cron, whose lines work as they stand."""
    debian.shell("speedmon install --scheduler timer --no-test")
    states = debian.shell("systemctl is-active speedmon-collect.timer speedmon-serve.service", check=False).split()
    assert states == ["active", "inactive"]
    debian.shell("speedmon install --scheduler cron --no-test")
    assert debian.shell("systemctl list-units --all --no-legend 'speedmon*'") == ""
    lines = debian.shell("cat /etc/cron.d/speedmon").splitlines()
    test = next(line for line in lines if " collect " in line)
    command = test.split(None, 6)[6].replace(r"\%", "%").partition("; ")[2]
    settings = [line for line in lines if re.match(r"[A-Z_]+=", line)]
    before = len(runs(debian))
    assert debian.shell(f"env -i {' '.join(settings)} /bin/sh -c {shlex.quote(command)}") == ""
    newest = runs(debian)
    assert (len(newest), newest[0]["status"], newest[0]["trigger"]) == (before + 1, "ok", "schedule")


def test_a_killed_installation_goes_on(debian: DebianMachine):
    """Whenever it is killed, the next call does what is left."""
    debian.shell("speedmon uninstall --purge")
    for seconds in (0.7, 1.4, 2.5):
        debian.shell(f"timeout --signal KILL {seconds} speedmon install --user ann --no-test", check=False)
    debian.shell("speedmon install --user ann --no-test")
    assert json.loads(debian.shell("speedmon install --dry-run --json"))["steps"] == []


def test_uninstall_leaves_data_and_configuration_only(debian: DebianMachine):
    """File by file as before, accounts, rules, links and settings of the kernel too; `--purge` removes the rest."""
    debian.shell("speedmon uninstall")
    kept = set(differences(debian))
    assert kept
    assert all(re.match(r"\+/(etc|var/lib)/speedmon[ /]", line) for line in kept), kept
    debian.shell("speedmon uninstall --purge")
    assert differences(debian) == []


def differences(debian: DebianMachine) -> list[str]:
    """Return the lines in which the system differs from what it was before."""
    before, after = debian.shell("cat /root/before").splitlines(), debian.shell(SNAPSHOT).splitlines()
    ours = re.compile(r"eth0|wan7|usb3|home/ann|/etc/network/interfaces|boot-id|\.lease")
    changed = difflib.unified_diff(before, after, lineterm="", n=0)
    return [line for line in changed if line[:1] in "+-" and line[:3] not in {"+++", "---"} and not ours.search(line)]
